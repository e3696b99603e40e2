"""The folder outside the repository where the peers are installed and the C programs built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
NODE_PACKAGES: Final = (
    "ws@8.23.0",
    "@colyseus/core@0.18.17",
    "@colyseus/ws-transport@0.18.4",
    "socket.io@4.8.4",
)
PYTHON_PACKAGES: Final = (
    "websockets==17.4",
    "aiohttp==3.14.5",
    "picows==2.3.1",
    "uvloop==0.23.0",
    "orjson==3.13.0",
)
INSTALL_SECONDS: Final = 600.0


class Unavailable(Exception):
    """Something cannot be had on this machine. One line that says why; the caller names it."""


class Folder:
    """Installs what is asked for when it is asked for, once per set of versions."""

    def __init__(self, path: Path | None = None) -> None:
        """Use *path*, or the user's cache (XDG base directories)."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self._path = (path or Path(cache) / "hokm-benchmark").absolute()

    def node_modules(self) -> Path:
        """Return where Node's packages are.

        Raises:
            Unavailable: Node or npm is missing, or npm fails.
        """
        node, npm = _find("node"), _find("npm")
        made = self._named("node", (node, *NODE_PACKAGES))
        if not made.exists():
            _say(f"installing {', '.join(NODE_PACKAGES)}")
            with tempfile.TemporaryDirectory(dir=self._path) as new:
                (Path(new) / "package.json").write_text('{"private": true}\n')
                options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact")
                _run((npm, "install", *options, *NODE_PACKAGES), new)
                _move(Path(new), made)
        return made / "node_modules"

    def python(self) -> Path:
        """Return the Python that has the Python peers.

        Raises:
            Unavailable: It cannot be made, or pip fails.
        """
        made = self._named("python", (sys.version, *PYTHON_PACKAGES))
        if not (made / "ready").exists():
            # In its place from the start: the scripts of a virtual environment hold its path.
            _say(f"installing {', '.join(PYTHON_PACKAGES)}")
            _run((sys.executable, "-m", "venv", "--clear", str(made)), self._path)
            _run((str(made / "bin/pip"), "install", "--quiet", *PYTHON_PACKAGES), self._path)
            (made / "ready").touch()
        return made / "bin" / "python"

    def program(self, *sources: str) -> Path:
        """Return the program built from C sources, each a path from the package's folder.

        Raises:
            Unavailable: There is no compiler, or it fails.
        """
        compiler = os.environ.get("CC") or _find("cc")
        files = [HERE / source for source in sources]
        options = ("-std=gnu11", "-D_GNU_SOURCE", "-O2")
        texts = [file.read_text() for file in files]
        headers = [header.read_text() for header in sorted(files[0].parent.glob("*.h"))]
        made = self._named(files[0].parent.name, (compiler, *options, *texts, *headers))
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=self._path) as new:
                built = Path(new) / "program"
                _run((compiler, *options, *map(str, files), "-o", str(built)), new)
                built.replace(made)
        return made

    def _named(self, kind: str, contents: Sequence[str]) -> Path:
        """Return a path that is another one when the contents are others."""
        self._path.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256("\0".join(contents).encode()).hexdigest()
        return self._path / f"{kind}-{digest[:12]}"


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"{program} is not installed")
    return found


def _move(new: Path, made: Path) -> None:
    """Put what is complete in its place; the folder it was made in stays, to be removed."""
    made.mkdir()
    for entry in new.iterdir():
        entry.rename(made / entry.name)


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)


def _run(command: Sequence[str], where: Path | str) -> None:
    try:
        subprocess.run(
            command,
            cwd=where,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {error.returncode}"
        raise Unavailable(f"{Path(command[0]).name} failed: {why}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{Path(command[0]).name} failed: {error}") from None
