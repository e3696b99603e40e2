"""The operator's own command and address, told when another instance is wanted."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers

from hokm.scaling import Scaling
from hokm.tasks import run

_log = Logger()

SECONDS: Final = 30.0  # for the command, which is killed then
ANSWER_SECONDS: Final = 10.0  # for each request
PAUSES: Final = (1.0, 2.0, 4.0, 8.0)  # seconds before each further try of a request
PAUSE_SECONDS: Final = 300.0  # between two wishes
_KEPT: Final = ("PATH", "HOME", "LANG")  # of our environment, which may hold secrets
_BUSY: Final = 429  # and from 500 on: it may be better later


class Hook:
    """Tells the operator's programs, now and then, that another instance is wanted."""

    def __init__(
        self,
        *,
        reactor: Any,
        environ: Mapping[str, str],
        now: Callable[[], float],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Make one that has told nothing.

        Args:
            environ: The command gets the little of it that holds no secrets.
            now: Seconds since 1970.
            pauses: Seconds before each further try of a request.
        """
        self._reactor = reactor
        self._environ = {name: environ[name] for name in _KEPT if name in environ}
        self._now = now
        self._pauses = pauses
        self._last: float | None = None
        self._told = False  # of the wish that there is now

    def wanted(self, scaling: Scaling, reasons: Sequence[str]) -> None:
        """Run the command and ask the address that are set, once for as long as this is said.

        Where that failed, or another wish ended a few minutes ago only, it is done later.

        Args:
            reasons: Told to the command as `HOKM_REASONS`, to the address in the request's body.
        """
        now = self._reactor.seconds()
        if self._told or (self._last is not None and now - self._last < PAUSE_SECONDS):
            return
        if scaling.instance_command or scaling.instance_url is not None:
            self._told, self._last = True, now
        if scaling.instance_command:
            self._run(scaling.instance_command, reasons)
        if scaling.instance_url is not None:
            run(self._post(scaling.instance_url, reasons), "asking instance_url")

    def unwanted(self) -> None:
        """Hear that there is no such wish now."""
        self._told = False

    def _failed(self) -> None:
        self._told = False

    # --- the command ----------------------------------------------------------------------

    def _run(self, command: Sequence[str], reasons: Sequence[str]) -> None:
        environ = {**self._environ, "HOKM_REASONS": "; ".join(reasons)}
        process = _Run(self._reactor, self._failed)
        with open(os.devnull, "rb") as null:  # noqa: PTH123 - devnull is a text
            files = {0: null.fileno(), 1: 1, 2: 2}
            try:
                self._reactor.spawnProcess(
                    process, command[0], list(command), env=environ, childFDs=files
                )
            except OSError as error:
                process.stop()
                self._failed()
                _log.error("instance_command cannot be run: {error}", error=error)

    # --- the address ----------------------------------------------------------------------

    async def _post(self, url: str, reasons: Sequence[str]) -> None:
        """Ask until it is taken; instance and time name the wish, which may come twice."""
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        wish = {"instance": socket.gethostname(), "at": at, "reasons": list(reasons)}
        body = msgspec.json.encode(wish)
        for pause in (*self._pauses, None):
            # Neither the address nor the answer is logged: both may hold a secret.
            try:
                status = await self._ask(url, body)
            except Exception as error:  # noqa: BLE001 - names, sockets, TLS, HTTP: all are "no"
                why, hopeless = type(error).__name__, False
            else:
                if 200 <= status < 300:
                    _log.info("instance_url was told that another instance is wanted")
                    return
                why, hopeless = f"answer {status}", status < 500 and status != _BUSY
            if pause is None or hopeless:
                self._failed()
                _log.error("instance_url was not told: {why}", why=why)
                return
            _log.warn("instance_url is told again in {s:g} s: {why}", s=pause, why=why)
            await deferLater(self._reactor, pause)

    async def _ask(self, url: str, body: bytes) -> int:
        agent = Agent(self._reactor, connectTimeout=ANSWER_SECONDS)
        asked: Deferred[Any] = agent.request(
            b"POST",
            url.encode(),
            Headers({b"Content-Type": [b"application/json"]}),
            FileBodyProducer(BytesIO(body)),
        )
        response = await asked.addTimeout(ANSWER_SECONDS, self._reactor)
        response.deliverBody(Protocol())  # which takes it, so that the connection can end
        return int(response.code)


class _Run(ProcessProtocol):
    """One run."""

    def __init__(self, reactor: Any, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
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
            self._on_failure()
            _log.error("instance_command failed: {why}", why=reason.getErrorMessage())
