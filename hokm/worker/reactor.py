"""A worker's reactor: Twisted's epoll reactor without its log context for each event.

Twisted names the descriptor that an event is for in a logging context, which costs more than
reading from it (8 us of a play's CPU where measured, of which nothing reads it: our log lines name
what they are about themselves). What is touched is pinned in tests/unit/test_pins.py.
"""

from __future__ import annotations

import errno
import sys

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


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
        for fd, event in events:
            selectable = selectables.get(fd)
            if selectable is not None:  # else an event before this one has closed it
                handle(selectable, fd, event)

    doIteration = doPoll


def install() -> None:
    """Make it the program's reactor, unless there is one already."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(WorkerReactor())
