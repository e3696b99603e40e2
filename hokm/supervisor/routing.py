"""Where each connection goes, and what the workers say of their rooms and connections.

A new connection goes to the worker of its room; while the room moves it waits for the end of that,
and while there is no worker, for one. The invariant: each connection is with one worker, waits
here, or is closed.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol

from twisted.logger import Logger

from hokm.control import messages as m
from hokm.control.refusal import turn_away
from hokm.metrics import Metrics
from hokm.origin import UNTOLD, Origin
from hokm.supervisor.connections import Connections, Held, TooMany
from hokm.supervisor.head import Head
from hokm.supervisor.moves import Moves
from hokm.supervisor.placement import NoWorker, Placement, RoomCode, WorkerId
from hokm.supervisor.recovery import Recovery
from hokm.supervisor.tally import Tally
from hokm.supervisor.worker import Worker

_log = Logger()

PARK_SECONDS: Final = 5.0  # how long a player waits for a worker before he is told to come back
MAX_PARKED: Final = 2000


class Seeker(Protocol):
    """Who finds a connection the instance of its room; see `hokm.supervisor.seeker`."""

    def seek(self, head: Head, sock: socket.socket, origin: Origin) -> None:
        """Take a connection, to be handed to `Routing.take` if its room is here."""

    def waiting(self) -> list[tuple[socket.socket, Origin]]:
        """Return the connections that wait for an answer, unread."""


class Routing:
    """Routes of this instance.

    Attributes:
        placement: Which worker has which room.
        connections: All of them.
        moves: Rooms on the move.
        recovery: Rooms whose worker died.
        tally: What was counted of both.
        seeker: Where there is a fleet, takes each connection whose room is not here.
        open: Whether rooms of a worker that ends are to go on elsewhere.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        connections: Connections,
        worker: Callable[[WorkerId], Worker],
        metrics: Metrics,
        first_move: int = 1,
    ) -> None:
        """Make empty routes.

        Args:
            worker: Finds a worker by its number.
            first_move: See `Moves`.
        """
        self.placement = Placement()
        self.connections = connections
        self.tally = Tally(metrics)
        self.moves = Moves(
            reactor=reactor,
            connections=connections,
            placement=self.placement,
            observer=self.tally,
            on_parked=self.place,
            on_orphaned=self._orphaned,
            first=first_move,
        )
        self.recovery = Recovery(
            connections=connections,
            placement=self.placement,
            worker=worker,
            observer=self.tally,
            on_unread=self.place,
            now=time.monotonic,  # the same clock in all processes of a host
        )
        self.open = True
        self.seeker: Seeker | None = None
        self._clock = reactor
        self._worker = worker
        self._metrics = metrics
        self._parked: deque[tuple[float, Held]] = deque()  # since when

    # --- connections ----------------------------------------------------------------------

    def come(self, head: Head, sock: socket.socket, origin: Origin = UNTOLD) -> None:
        """Take a new connection; the socket, whose request nobody has read, is ours."""
        if head.room_code is None:
            turn_away(sock, 404, "Not Found")
        elif self.seeker is None or self.is_here(head.room_code):
            self.take(head, sock, origin)
        else:
            self.seeker.seek(head, sock, origin)

    def unread(self) -> list[tuple[socket.socket, Origin]]:
        """Return the connections of which it is not known yet where they go."""
        return [] if self.seeker is None else self.seeker.waiting()

    def is_here(self, code: str) -> bool:
        """Say whether a worker of this instance has a room, or is about to."""
        room = RoomCode(code)
        return self.placement.where(room) is not None or room in self.moves

    def take(self, head: Head, sock: socket.socket, origin: Origin) -> None:
        """Take a new connection whose room is here, or is to be."""
        assert head.room_code is not None
        try:
            held = self.connections.add(RoomCode(head.room_code), head.raw, sock, origin)
        except TooMany:
            self._turn_away(sock)
        else:
            self._metrics.connections.inc()
            self.place(held)

    def place(self, held: Held) -> None:
        """Hand a connection that nobody has read from to the worker of its room."""
        if held.room in self.moves:
            self.moves.park(held)
            return
        try:
            id = self.placement.worker_for(held.room)
        except NoWorker:
            self._park(held)
            return
        self.connections.assign(held, id)
        try:
            message = m.Connection(room=held.room, arrival=held.arrival())
            self._worker(id).tell(message, [held.sock.fileno()])
        except OSError as error:  # no descriptor is left for a copy
            _log.error("a connection was dropped: {error}", error=error)
            self.connections.close(held)

    def _park(self, held: Held) -> None:
        """Keep a connection until a worker is ready."""
        if len(self._parked) >= MAX_PARKED:
            self._refuse(held)
        else:
            self._parked.append((self._clock.seconds(), held))

    def tend(self) -> None:
        """Turn those away who have waited too long; now and then."""
        since = self._clock.seconds() - PARK_SECONDS
        while self._parked and self._parked[0][0] < since:
            self._refuse(self._parked.popleft()[1])

    def turn_all_away(self) -> None:
        """Let nobody wait any more: the program ends."""
        for _, held in self._parked:
            self._refuse(held)
        self._parked.clear()

    def _refuse(self, held: Held) -> None:
        self._turn_away(held.sock)
        self.connections.close(held)

    def _turn_away(self, sock: socket.socket) -> None:
        self._metrics.connections_refused.labels("no_worker").inc()
        turn_away(sock, 503, "Service Unavailable")

    def _orphaned(self, room: RoomCode, helds: Sequence[Held]) -> None:
        self.recovery.take_over(helds)

    # --- workers --------------------------------------------------------------------------

    def on_active(self, worker: Worker) -> None:
        """Let a worker take rooms: those first that wait for one."""
        self.placement.add(worker.id)
        self.recovery.retry()
        parked, self._parked = self._parked, deque()
        for _, held in parked:
            self.place(held)

    def on_lost(self, worker: Worker) -> None:
        """Do without a worker: others go on with its rooms and sockets."""
        self.placement.remove(worker.id)
        self.moves.on_gone(worker)
        going_on = []
        for held in self.connections.of_worker(worker.id):
            if self.open and held.room not in self.moves:
                going_on.append(held)
            else:  # the program ends, or it was closing while its room was offered elsewhere
                self.connections.close(held)
        self.recovery.take_over(going_on)

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """Take what a worker says of its rooms and connections."""
        if self.moves.on_message(worker, message):
            return
        match message:
            case m.Closed(connection=number):
                self._with(worker, number, self.connections.close)
            case m.NotTaken(connection=number, reason=reason):
                # Its room is there and nowhere else: another worker could not do better.
                _log.error("worker {id} took no connection: {reason}", id=worker.id, reason=reason)
                self._with(worker, number, self._refuse)
            case m.Watching(connection=number):
                self._with(worker, number, lambda held: setattr(held, "watching", True))
            case m.RoomIdle(room=room):
                self._idle(worker, RoomCode(room))
            case m.RoomLeft(room=room, connections=numbers):
                self._idle(worker, RoomCode(room), closing=numbers)
            case m.Resumed(connections=connections, pause_s=pause):
                self.tally.recovered(connections, pause)
            case m.Refused(connections=numbers):
                self.recovery.refused(numbers, worker.id)

    def _with(self, worker: Worker, number: int, do: Callable[[Held], object]) -> None:
        held = self.connections.get(number)
        if held is not None and held.worker == worker.id:
            do(held)

    def _idle(self, worker: Worker, room: RoomCode, closing: Collection[int] = ()) -> None:
        """Let a room that nobody uses go anywhere next time, unless somebody is on his way.

        Args:
            closing: Numbers of the connections that are on their way out.
        """
        coming = any(
            held.worker == worker.id and held.number not in closing
            for held in self.connections.of_room(room)
        )
        if not coming and room not in self.moves:
            self.placement.unpin(room, worker.id)
