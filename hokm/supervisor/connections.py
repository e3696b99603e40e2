"""The players' connections: a copy of each socket, kept for the life of the connection.

A worker that dies takes nothing with it: its sockets stay open here, the requests are known, and
the ledger says how far their streams are. The invariant: a socket is closed here when its worker
says that the connection is gone, and not before; else nobody would ever see it close.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hokm.control import messages as m
from hokm.control.ledger import LINES, SENT, TAKEN, Ledger
from hokm.control.stream import cookie
from hokm.origin import UNTOLD, Origin
from hokm.supervisor.estate import KeptConnection
from hokm.supervisor.placement import RoomCode, WorkerId


class TooMany(Exception):
    """There is no line in the ledger for one more connection. The caller turns it away."""


@dataclass(eq=False, slots=True)
class Held:
    """One connection.

    Attributes:
        number: Unique among all connections of all instances: the room's log knows it by this.
        head: Its request head.
        sock: Our copy of its socket.
        line: Its line in the ledger.
        worker: Who serves it; None while it waits for one.
        watching: Whether it has a spectator's place.
        origin: Where it comes from.
    """

    number: int
    room: RoomCode
    head: bytes
    sock: socket.socket
    cookie: int
    line: int
    worker: WorkerId | None = None
    watching: bool = False
    origin: Origin = UNTOLD

    def kept(self) -> KeptConnection:
        """Write it down for the program's next life."""
        return KeptConnection(
            number=self.number,
            room=self.room,
            head=self.head,
            fd=self.sock.fileno(),
            cookie=self.cookie,
            line=self.line,
            worker=self.worker,
            watching=self.watching,
            origin=self.origin,
        )

    def arrival(self, *, read: bool = False, answered: bool = False) -> m.Arrival:
        """Announce it to a worker.

        Args:
            read: Whether somebody has read its request.
            answered: Whether the request was answered.
        """
        return m.Arrival(
            connection=self.number,
            cookie=self.cookie,
            line=self.line,
            head=self.head if read else b"",
            answered=answered,
            watching=self.watching,
            origin=self.origin.address,
        )


class Connections:
    """All connections, by number, by worker and by room."""

    def __init__(self, *, ledger: Ledger, number: Callable[[], int]) -> None:
        """Make an empty list.

        Args:
            number: Makes numbers that no other connection has: random ones, of 53 bits so that
                every JSON reader keeps them whole.
        """
        self.ledger = ledger
        self._number = number
        self._all: dict[int, Held] = {}
        self._of_worker: dict[WorkerId, dict[int, Held]] = {}
        self._of_room: dict[RoomCode, dict[int, Held]] = {}
        self._unused = 0  # the lowest line that never was in use
        self._free: list[int] = []
        self._closed = (0, 0)  # bytes taken and sent, of those that are gone

    def __len__(self) -> int:
        return len(self._all)

    def add(
        self, room: RoomCode, head: bytes, sock: socket.socket, origin: Origin = UNTOLD
    ) -> Held:
        """Take a new connection; the socket is ours from now on.

        Raises:
            TooMany: See there; the socket stays the caller's.
        """
        held = Held(
            self._number(), room, head, sock, cookie(sock), self._take_line(), origin=origin
        )
        self.restore(held)
        return held

    def restore(self, held: Held) -> None:
        """Take a connection as it is: a new one, or one that an earlier process held."""
        self._all[held.number] = held
        self.ledger.own(held.line, held.number)
        self._of_room.setdefault(held.room, {})[held.number] = held
        if held.worker is not None:
            self._of_worker.setdefault(held.worker, {})[held.number] = held

    def reserve(self, lines: Iterable[int]) -> None:
        """Note which lines are in use; once, before any other is given out."""
        used = set(lines)
        self._unused = max(used, default=-1) + 1
        self._free = [line for line in range(self._unused) if line not in used]

    def get(self, number: int) -> Held | None:
        """Return a connection; None when it is gone."""
        return self._all.get(number)

    def of_worker(self, worker: WorkerId) -> list[Held]:
        """Return the connections that *worker* serves."""
        return list(self._of_worker.get(worker, {}).values())

    def of_room(self, room: RoomCode) -> list[Held]:
        """Return the connections of a room, whoever serves them."""
        return list(self._of_room.get(room, {}).values())

    def all(self) -> list[Held]:
        """Return all connections."""
        return list(self._all.values())

    def traffic(self) -> tuple[int, int]:
        """Return the bytes that all connections have taken and sent, with those that are gone."""
        taken, sent = self.ledger.totals(self._unused)
        return self._closed[0] + taken, self._closed[1] + sent

    def assign(self, held: Held, worker: WorkerId | None) -> None:
        """Note who serves a connection from now on."""
        if held.worker is not None:
            del self._of_worker[held.worker][held.number]
        held.worker = worker
        if worker is not None:
            self._of_worker.setdefault(worker, {})[held.number] = held

    def close(self, held: Held) -> None:
        """Forget a connection and close our copy of its socket."""
        if self._all.pop(held.number, None) is None:
            return
        self.assign(held, None)
        here = self._of_room[held.room]
        del here[held.number]
        if not here:
            del self._of_room[held.room]
        line, (taken, sent) = self.ledger.line(held.line), self._closed
        self._closed = taken + line[TAKEN], sent + line[SENT]
        self.ledger.clear(held.line)
        self.ledger.own(held.line, 0)
        self._free.append(held.line)
        with contextlib.suppress(OSError):  # the service manager may have a copy of it
            held.sock.shutdown(socket.SHUT_RDWR)
        held.sock.close()

    def _take_line(self) -> int:
        if self._free:
            return self._free.pop()
        if self._unused >= LINES:
            raise TooMany
        self._unused += 1
        return self._unused - 1
