"""Workers that only note what they are told, and the connections that are moved between them."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Sequence
from itertools import count
from typing import Any, cast

from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.control.stream import cookie
from hokm.supervisor.child import State
from hokm.supervisor.connections import Connections
from hokm.supervisor.placement import WorkerId
from hokm.supervisor.worker import Worker

ledger = functools.cache(Ledger.make)


class FakeWorker:
    """A worker that notes what it is told.

    Attributes:
        told: Messages, in order.
        sockets: Cookies of the sockets that came, of all messages in order.
        log: Shared by all workers of a test: each message with the worker's number.
        full: Whether no descriptor is left for a copy.
    """

    def __init__(self, id: int, log: list[tuple[int, Any]] | None = None) -> None:
        self.id = WorkerId(id)
        self.state: State = "ready"
        self.told: list[m.ToWorker] = []
        self.sockets: list[int] = []
        self.log = [] if log is None else log
        self.full = False

    def tell(self, message: m.ToWorker, fds: Sequence[int] = ()) -> None:
        """Note a message; a dead worker hears nothing, as a real one."""
        if self.full and fds:
            raise OSError("too many open files")
        if self.state == "dead":
            return
        self.told.append(message)
        self.log.append((self.id, message))
        for fd in fds:
            with socket.socket(fileno=os.dup(fd)) as copy:
                self.sockets.append(cookie(copy))

    @property
    def real(self) -> Worker:
        """The same, for those who want a real worker."""
        return cast(Worker, self)


def connections() -> Connections:
    """Make an empty list, on a ledger that all tests share; numbers rise from 1."""
    return Connections(ledger=ledger(), number=count(1).__next__)


def close_all(held: Connections) -> None:
    """Close what is left, and its lines with it."""
    for one in held.all():
        held.close(one)
