"""A worker's reactor: Twisted's epoll reactor without its log context, and with ends put last.

Twisted names the descriptor that an event is for in a logging context, which costs more than
reading from it (8 us of a play's CPU where measured, of which nothing reads it: our log lines name
what they are about themselves). And where a network fails, thousands of connections end at once,
0.1 ms of CPU each: those who play on come first, a few of those ends after them in each turn. What
is touched is pinned in tests/unit/test_pins.py.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger

_log = Logger()

ENDS_PER_TURN: Final = 64
_ENDED: Final = EPOLLRDHUP | EPOLLHUP | EPOLLERR


class WorkerReactor(EPollReactor):
    """The epoll reactor; faults of a descriptor's handler end that descriptor, as always."""

    def __init__(self) -> None:
        self._last: list[Callable[[], None]] = []  # of this turn
        super().__init__()

    def at_end_of_turn(self, call: Callable[[], None]) -> None:
        """Make a call once this turn's events are handled, at the latest before the next wait.

        A `callLater(0, …)` does the same for 4 us more, and a turn later.
        """
        self._last.append(call)

    def _end_turn(self) -> None:
        calls, self._last = self._last, []
        for call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001 - as Twisted does with the faults of a timer's call
                _log.failure("a call at the end of a turn failed")

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events for *timeout* seconds (None: for ever), and handle them."""
        if self._last:  # timers, which run between two polls, asked for it
            self._end_turn()
            if timeout != 0:
                timeout = self.timeout()  # a call may have made timers
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        selectables, handle = self._selectables, self._doReadOrWrite
        ended = []
        for fd, event in events:
            if event & _ENDED:
                ended.append((fd, event))
                continue
            selectable = selectables.get(fd)
            if selectable is not None:  # else an event before this one has closed it
                handle(selectable, fd, event)
        for fd, event in ended[:ENDS_PER_TURN]:  # the next poll tells the others again
            selectable = selectables.get(fd)
            if selectable is not None:
                handle(selectable, fd, event)
        self._end_turn()

    doIteration = doPoll

    def addReader(self, reader: Any) -> None:
        """Watch a descriptor for what comes, and for the other side's end."""
        self._add(
            reader,
            self._reads,
            self._writes,
            self._selectables,
            EPOLLIN | EPOLLRDHUP,
            EPOLLOUT,
        )


def install() -> None:
    """Make it the program's reactor, unless there is one already."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(WorkerReactor())
