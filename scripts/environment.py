"""Lets a script run by any Python: it goes on in .venv, which is made if need be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent


def enter() -> None:
    """Go on in .venv; returns there, where nothing is left to do."""
    venv = SCRIPTS.parent / ".venv"
    if Path(sys.prefix).resolve() == venv.resolve():
        return
    subprocess.run([str(SCRIPTS / "install")], check=True)
    python = str(venv / "bin" / "python")
    os.execv(python, [python, *sys.argv])  # noqa: S606 - no shell is wanted
