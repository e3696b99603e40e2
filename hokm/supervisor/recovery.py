"""After a worker's death: its rooms' next owners, and which of its sockets they can go on with.

What the dead one had done with a socket is known by the kernel's counts and the ledger's
(`hokm.control.stream`). Where no frame was cut, the next owner adopts the same socket; where one
was, the player is told to come again (1012), which his token makes painless; both are counted.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from twisted.logger import Logger

from hokm.control import messages as m
from hokm.control.ledger import SENT, SENT_FROM
from hokm.control.refusal import GOODBYE
from hokm.control.stream import Trust, counts, trust
from hokm.supervisor.connections import Connections, Held
from hokm.supervisor.moves import adopt
from hokm.supervisor.placement import NoWorker, Placement, RoomCode, WorkerId
from hokm.supervisor.worker import Worker

_log = Logger()

_READ_BYTES: Final = 65536


class Observer(Protocol):
    """Who counts."""

    def recovered(self, connections: int, pause_s: float) -> None:
        """A room goes on after a crash, with so many of its connections."""

    def distrusted(self, trust: Trust) -> None:
        """A connection could not be gone on with."""


@dataclass(slots=True)
class _Waif:
    """A room that waits for an owner.

    Attributes:
        since: Since when it stands still, in seconds of CLOCK_MONOTONIC.
        payload: What its last owner exported, if it lived to do so.
    """

    room: RoomCode
    since: float
    payload: bytes = b""
    arrivals: list[tuple[Held, m.Arrival]] = field(default_factory=list)


class Recovery:
    """Finds rooms their next owners."""

    def __init__(
        self,
        *,
        connections: Connections,
        placement: Placement,
        worker: Callable[[WorkerId], Worker],
        observer: Observer,
        on_unread: Callable[[Held], None],
        now: Callable[[], float],
    ) -> None:
        """Make a recovery with nothing to do.

        Args:
            worker: Finds a worker by its number.
            on_unread: Is given each connection from which nobody has read: it is as good as new.
            now: CLOCK_MONOTONIC, in seconds.
        """
        self._connections = connections
        self._placement = placement
        self._worker = worker
        self._observer = observer
        self._on_unread = on_unread
        self._now = now
        self._waifs: list[_Waif] = []  # for whom there was no worker

    def __len__(self) -> int:
        return len(self._waifs)

    def take_over(self, helds: Iterable[Held]) -> None:
        """Find owners for the rooms of connections whose worker died."""
        since = self._now()
        rooms: dict[RoomCode, list[Held]] = {}
        for held in helds:
            self._connections.assign(held, None)
            rooms.setdefault(held.room, []).append(held)
        for room, group in rooms.items():
            self._take_over_room(room, group, since)

    def _take_over_room(self, room: RoomCode, group: Sequence[Held], since: float) -> None:
        waif = _Waif(room, since)
        unread = []
        for held in group:
            found = self._judge(held)
            if found is Trust.UNREAD:
                unread.append(held)
            elif found in (Trust.WHOLE, Trust.UNANSWERED):
                answered = found is Trust.WHOLE
                waif.arrivals.append((held, held.arrival(read=True, answered=answered)))
            else:
                self._part(held, found)
        if waif.arrivals:
            self._give(waif)
        for held in unread:
            self._on_unread(held)

    def _judge(self, held: Held) -> Trust:
        """See how far a connection can be trusted, and bring its line up to date."""
        kernel = counts(held.sock, held.origin.skipped)
        line = self._connections.ledger.line(held.line)
        found = trust(kernel, line, len(held.head))
        if found in (Trust.UNREAD, Trust.UNANSWERED):
            self._connections.ledger.clear(held.line)
        elif kernel is not None:
            line[SENT_FROM] = line[SENT] = kernel.written
        return found

    def _part(self, held: Held, found: Trust) -> None:
        """Close a connection whose streams are cut; its player comes again by token."""
        self._observer.distrusted(found)
        if found is Trust.HALF_READ:
            with contextlib.suppress(OSError):
                held.sock.send(GOODBYE)
                held.sock.recv(_READ_BYTES)  # closing over unread bytes resets: no close frame
        with contextlib.suppress(OSError):
            held.sock.shutdown(socket.SHUT_RDWR)  # whoever else may hold a copy
        self._connections.close(held)

    def part(self, helds: Iterable[Held]) -> None:
        """Close connections that nobody can go on with; their players come again by token."""
        for held in helds:
            self._part(held, Trust.CUT)

    def bring_back(
        self,
        room: RoomCode,
        arrivals: Sequence[tuple[Held, m.Arrival]],
        payload: bytes,
        since: float,
    ) -> None:
        """Find an owner for a room that an earlier life of this program had exported."""
        self._give(_Waif(room, since, payload, list(arrivals)))

    def retry(self) -> None:
        """Try again for the rooms for whom there was no worker."""
        waifs, self._waifs = self._waifs, []
        for waif in waifs:
            self._give(waif)

    def _give(self, waif: _Waif) -> None:
        try:
            id = self._placement.worker_for(waif.room)
        except NoWorker:
            self._waifs.append(waif)
            return
        worker = self._worker(id)
        for held, _ in waif.arrivals:
            self._connections.assign(held, id)
        try:
            adopt(worker, waif.room, waif.arrivals, payload=waif.payload, since=waif.since)
        except OSError as error:
            _log.error("room {room} is lost: {error}", room=waif.room, error=error)
            self.refused([held.number for held, _ in waif.arrivals], id)

    def refused(self, numbers: Iterable[int], worker: WorkerId) -> None:
        """Hear that a worker cannot adopt connections: their players come again by token."""
        for held in map(self._connections.get, numbers):
            if held is not None and held.worker == worker:
                self._part(held, Trust.HALF_READ)
