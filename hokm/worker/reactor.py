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
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor

ENDS_PER_TURN: Final = 64
_ENDED: Final = EPOLLRDHUP | EPOLLHUP | EPOLLERR


class WorkerReactor(EPollReactor):
    """The epoll reactor; faults of a descriptor's handler end that descriptor, as always."""

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events for *timeout* seconds (None: for ever), and handle them."""
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
