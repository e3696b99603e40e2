"""How hokm is built: by setuptools, with the modules of a play's path compiled by mypyc.

The compiled modules are the same Python, checked by the same types; where they cannot be compiled
the wheel holds the Python alone, which does the same at about 1.5 times the CPU per play
(docs/operations/README.md).

HOKM_COMPILE says what is wanted: `auto` (compile where there is a C compiler; what an unset one
means), `always` (fail where it cannot be done) or `never`. Editable installs are never compiled:
compiled modules would hide what is edited.
"""

from __future__ import annotations

import configparser
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import setuptools
from setuptools.build_meta import *  # noqa: F403 - the hooks that stay as they are
from setuptools.build_meta import _BuildMetaBackend

ROOT = Path(__file__).parents[2]
# What happens at each play. None defines a Struct of msgspec: mypyc keeps no types of its fields.
MODULES = (
    "connection/connection",
    "connection/frames",
    "game/cards",
    "game/fair",
    "game/hand",
    "game/values",
    "limits",
    "room/clock",
    "room/effects",
    "room/evolve",
    "room/history",
    "room/lobby",
    "room/outcome",
    "room/play",
    "room/room",
    "room/state",
    "room/story",
    "room/view",
    "store/breaker",
    "store/redis",
    "store/resp",
    "store/store",
    "transports",
    "wire/codec",
    "wire/plays",
    "worker/committer",
    "worker/host",
    "worker/openings",
    "worker/player",
    "worker/roomclock",
    "worker/seating",
    "worker/step",
    "worker/table",
)
COMPILER = ("mypy>=2.4", "mypy-zope>=1.0.17")


class BadSetting(SystemExit):
    """HOKM_COMPILE has no such value; the installer shows the text and ends."""


def is_wanted() -> bool:
    """Say whether the modules are to be compiled."""
    wish = os.environ.get("HOKM_COMPILE", "auto")
    if wish not in ("auto", "always", "never"):
        raise BadSetting(f"HOKM_COMPILE: auto, always or never, not {wish!r}")
    if wish != "auto":
        return wish == "always"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(compiler) is not None and header.exists()


def extensions() -> list[setuptools.Extension]:
    """Have mypyc translate the modules to C, and return what is to be compiled."""
    from mypyc.build import mypycify

    sources = [f"hokm/{module}.py" for module in MODULES]
    return [
        setuptools.Extension("hokm.connection._quick", ["hokm/connection/quick.c"]),
        *mypycify(["--config-file=setup.cfg", *sources], opt_level="3", debug_level="0"),
    ]


class _Compiling(_BuildMetaBackend):
    """Setuptools' backend for a wheel with compiled modules; it has no setup.py to run."""

    def run_setup(self, setup_script: str = "setup.py") -> None:
        setuptools.setup(ext_modules=extensions())


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Return what is needed to build: mypy, and hokm's own needs for their types."""
    if not is_wanted():
        return []
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return [*COMPILER, *settings["options"]["install_requires"].split()]


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; see the module."""
    plain = _BuildMetaBackend()
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # else what it compiled once goes in for ever
    if is_wanted():
        try:
            return _Compiling().build_wheel(wheel_directory, config_settings, metadata_directory)
        except (Exception, SystemExit) as error:
            if os.environ.get("HOKM_COMPILE") == "always":
                raise
            print(f"hokm is not compiled, but built all the same: {error}", file=sys.stderr)
    return plain.build_wheel(wheel_directory, config_settings, metadata_directory)
