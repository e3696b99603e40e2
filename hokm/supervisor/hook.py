"""The operator's own command, run when another instance begins to be wanted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

SECONDS: Final = 30.0  # for the command, which is killed then
PAUSE_SECONDS: Final = 300.0  # between two runs
_KEPT: Final = ("PATH", "HOME", "LANG")  # of our environment, which may hold secrets


class Hook:
    """Runs a command, now and then."""

    def __init__(self, *, reactor: Any, environ: Mapping[str, str]) -> None:
        """Make one that has run nothing.

        Args:
            environ: The command gets the little of it that holds no secrets.
        """
        self._reactor = reactor
        self._environ = {name: environ[name] for name in _KEPT if name in environ}
        self._last: float | None = None

    def call(self, command: Sequence[str], reasons: Sequence[str]) -> None:
        """Run a command, unless one was run a few minutes ago.

        Args:
            command: With its arguments; empty: nothing is run.
            reasons: Told to it as `HOKM_REASONS`.
        """
        now = self._reactor.seconds()
        if not command or (self._last is not None and now - self._last < PAUSE_SECONDS):
            return
        self._last = now
        environ = {**self._environ, "HOKM_REASONS": "; ".join(reasons)}
        run = _Run(self._reactor)
        with open(os.devnull, "rb") as null:  # noqa: PTH123 - devnull is a text
            files = {0: null.fileno(), 1: 1, 2: 2}
            try:
                self._reactor.spawnProcess(
                    run, command[0], list(command), env=environ, childFDs=files
                )
            except OSError as error:
                run.stop()
                _log.error("instance_command cannot be run: {error}", error=error)


class _Run(ProcessProtocol):
    """One run."""

    def __init__(self, reactor: Any) -> None:
        self._alarm: IDelayedCall = reactor.callLater(SECONDS, self._kill)

    def _kill(self) -> None:
        _log.error("instance_command is killed: it took more than {seconds} s", seconds=SECONDS)
        if self.transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")

    def stop(self) -> None:
        if self._alarm.active():
            self._alarm.cancel()

    def processEnded(self, reason: Failure) -> None:
        self.stop()
        if reason.check(ProcessDone) is None:
            _log.error("instance_command failed: {why}", why=reason.getErrorMessage())
