"""Write the documents, or with `--check` say which of them are no longer true."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from documents import protocol
from hokm import config, metrics, scaling

DOCS = Path(__file__).parents[2] / "docs"


def documents() -> dict[str, str]:
    """Return the text of every document, by its path under docs/."""
    return {
        "protocol/asyncapi.json": _json(protocol.asyncapi()),
        "protocol/messages.md": protocol.tables(),
        **{f"protocol/schemas/{name}": _json(s) for name, s in protocol.schemas().items()},
        "operations/settings.md": config.markdown(),
        "operations/rules.md": scaling.markdown(),
        "operations/metrics.md": metrics.markdown(),
    }


def main() -> int:
    """Write or check; the exit code is 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = documents()
    stale = [name for name, text in wanted.items() if _read(DOCS / name) != text]
    stale += [
        f"{path.relative_to(DOCS)} (left over)"
        for path in (DOCS / "protocol" / "schemas").glob("*")
        if str(path.relative_to(DOCS)) not in wanted
    ]
    if check:
        for name in stale:
            print(f"docs/{name} differs from the code: run scripts/docs")
        return 1 if stale else 0
    for name, text in wanted.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
