"""Write the documents, or with `--check` say which of them are no longer true."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from documents import kubernetes, protocol
from documents.dashboards import dashboards
from hokm import config, metrics, scaling

ROOT = Path(__file__).parents[2]
RULES = "etc/prometheus/rules/hokm.yml"
OPERATORS_RULES = "etc/kubernetes/monitoring/prometheus-rule.yml"
WHOLE = ("docs/protocol/schemas", "etc/grafana/dashboards")  # folders that hold nothing else


def documents() -> dict[str, str]:
    """Return the text of every document, by its path."""
    return {
        "docs/protocol/asyncapi.json": _json(protocol.asyncapi()),
        "docs/protocol/messages.md": protocol.tables(),
        **{f"docs/protocol/schemas/{name}": _json(s) for name, s in protocol.schemas().items()},
        "docs/operations/settings.md": config.markdown(),
        "docs/operations/rules.md": scaling.markdown(),
        "docs/operations/metrics.md": metrics.markdown(),
        **{f"etc/grafana/dashboards/{name}": _json(d) for name, d in dashboards().items()},
        OPERATORS_RULES: kubernetes.prometheus_rule((ROOT / RULES).read_text()),
    }


def main() -> int:
    """Write or check; the exit code is 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = documents()
    stale = [name for name, text in wanted.items() if _read(ROOT / name) != text]
    stale += [
        f"{path.relative_to(ROOT)} (left over)"
        for folder in WHOLE
        for path in (ROOT / folder).glob("*")
        if str(path.relative_to(ROOT)) not in wanted
    ]
    if check:
        for name in stale:
            print(f"{name} differs from the code: run scripts/docs")
        return 1 if stale else 0
    for name, text in wanted.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
