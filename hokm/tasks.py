"""Work that nobody awaits: started here and nowhere else, so that no failure goes unheard."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


def run(work: Coroutine[Deferred[Any], Any, Any], what: str, **fields: object) -> Deferred[Any]:
    """Start a coroutine; a failure is logged.

    Args:
        what: What it does, for the log.
        fields: More for the log.

    Returns:
        Fires with the result, or None after a failure. May be cancelled, which is no failure.
    """
    done = Deferred.fromCoroutine(work)

    def failed(failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("{what} failed: {fields}", failure=failure, what=what, fields=fields)

    return done.addErrback(failed)


def every(
    clock: IReactorTime, seconds: float, body: Callable[[], object], what: str
) -> LoopingCall:
    """Call *body* each *seconds*, the first time after as long; a failure is logged, no more.

    Returns:
        The running loop, to be stopped by the caller.
    """

    def once() -> None:
        try:
            body()
        except Exception:  # noqa: BLE001 - one exception would end a LoopingCall for good
            _log.failure("{what} failed", what=what)

    loop = LoopingCall(once)
    loop.clock = clock
    loop.start(seconds, now=False)
    return loop
