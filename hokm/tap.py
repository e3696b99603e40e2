"""`twistd hokm`: the command line, and the one place where the program is put together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from twisted.python import usage

from hokm import config
from hokm.config import BadSetting, Settings


def give_up(reason: object) -> NoReturn:
    """End the program with one line on stderr and exit code 1."""
    raise SystemExit(f"hokm: {reason}")


class Options(usage.Options):
    """The command line of `twistd hokm`.

    Attributes:
        settings: All settings, checked; there once the options are parsed.
    """

    synopsis = "[options]"
    longdesc = "Serve Hokm, the Persian four-player card game."
    optParameters = config.opt_parameters()

    settings: Settings

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line; what is wrong with it is told in one line, without the help."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            give_up(error)

    def postOptions(self) -> None:
        """Find and check all settings."""
        try:
            self.settings = config.load(
                self, os.environ, lambda path: Path(path).read_bytes(), cpus()
            )
        except BadSetting as error:
            give_up(error)


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
