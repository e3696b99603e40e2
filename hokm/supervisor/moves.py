"""Moving a room from one living worker to another; the supervisor is the only coordinator.

| what happens | how the move ends |
| --- | --- |
| the old owner refuses, or dies before its offer | it fails; a dead one's go the way of a crash |
| the new owner refuses, dies or is late before `Prepared` | the old owner goes on |
| the old owner dies after its offer | the new owner goes on |
| the new owner dies after `Commit` | the way of a crash |

The invariant: a worker is told to go on with a room only when the other one has been told, before,
that it does not; the sockets themselves never leave the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from hokm.control import messages as m
from hokm.control.channel import PACKET_DESCRIPTORS
from hokm.supervisor.connections import Connections, Held
from hokm.supervisor.placement import Placement, RoomCode
from hokm.supervisor.worker import Worker

_log = Logger()

DEADLINE_SECONDS: Final = 1.0  # players stand still meanwhile; a move takes 8 ms (median, measured)
PACKET_CONNECTIONS: Final = PACKET_DESCRIPTORS - 1  # one may be the memfd of a long message


class Export(Struct, frozen=True):
    """A room that has left its worker for none: what its next owner will need."""

    room: str
    payload: bytes
    since: float
    connections: tuple[int, ...]


class Outcome(Struct, frozen=True):
    """How a move ended.

    Attributes:
        reason: None when the room has moved; else one of `hokm.control.messages.REASONS`.
        export: What came out of a move to nowhere.
    """

    reason: str | None
    export: Export | None = None


class Observer(Protocol):
    """Who counts: moves are measured where they end."""

    def moved(self, pause_s: float) -> None:
        """A room has moved and goes on."""

    def not_moved(self, reason: str) -> None:
        """A room has not moved."""


@dataclass(eq=False, slots=True)
class _Move:
    number: int
    room: RoomCode
    source: Worker
    target: Worker | None
    done: Deferred[Outcome]
    alarm: IDelayedCall | None = None
    offered: Sequence[Held] | None = None  # the connections that go, once they are known
    committed: bool = False
    parked: list[Held] = field(default_factory=list)


class Moves:
    """All moves under way."""

    def __init__(
        self,
        *,
        reactor: Any,
        connections: Connections,
        placement: Placement,
        observer: Observer,
        on_parked: Callable[[Held], None],
        on_orphaned: Callable[[RoomCode, Sequence[Held]], None],
        first: int = 1,
    ) -> None:
        """Make an empty list.

        Args:
            on_parked: Is given each connection that came for a moving room, when it is there.
            on_orphaned: Is given the connections of a room that neither side can go on with.
            first: Number of the first move. A random one, where workers live on from a program
                that has executed itself: their last words on its moves may still come.
        """
        self._reactor = reactor
        self._connections = connections
        self._placement = placement
        self._observer = observer
        self._on_parked = on_parked
        self._on_orphaned = on_orphaned
        self._numbers = count(first)
        self._moves: dict[int, _Move] = {}
        self._rooms: dict[RoomCode, _Move] = {}

    def __len__(self) -> int:
        return len(self._moves)

    def __contains__(self, room: RoomCode) -> bool:
        return room in self._rooms

    def begin(self, room: RoomCode, source: Worker, target: Worker | None) -> Deferred[Outcome]:
        """Move *room*; fires when that has ended, one way or the other.

        The caller sees to it that the room is on *source*, and not on the move already.

        Args:
            target: None where the room is only to leave its worker, since the program ends.
        """
        done: Deferred[Outcome] = Deferred()
        move = _Move(next(self._numbers), room, source, target, done)
        self._moves[move.number] = self._rooms[room] = move
        move.alarm = self._reactor.callLater(DEADLINE_SECONDS, self._fail, move, "deadline")
        source.tell(m.Drain(room=room, move=move.number))
        return done

    def park(self, held: Held) -> None:
        """Keep a connection until its room is where it goes."""
        self._rooms[held.room].parked.append(held)

    # --- what the workers tell ------------------------------------------------------------

    def on_message(self, worker: Worker, message: m.FromWorker) -> bool:
        """Take what a worker says about a move; False when it is about something else."""
        match message:
            case m.Offer(move=number):
                self._offered(worker, self._moves.get(number), message)
            case m.Prepared(move=number):
                self._prepared(worker, self._moves.get(number))
            case m.Refused(move=number, reason=reason) if number:
                self._refused(worker, self._moves.get(number), reason)
            case m.Resumed(move=number, pause_s=pause) if number:
                self._resumed(self._moves.get(number), pause)
            case _:
                return False
        return True

    def _offered(self, worker: Worker, move: _Move | None, offer: m.Offer) -> None:
        if move is None or worker is not move.source or move.offered is not None:
            return  # too late: it has been told to go on
        found = map(self._connections.get, offer.connections)
        going = [held for held in found if held is not None]
        move.offered = going
        if move.target is None:
            self._exported(move, offer)
            return
        try:
            adopt(
                move.target,
                move.room,
                [(held, held.arrival()) for held in going],
                move=move.number,
                payload=offer.payload,
                since=offer.since,
            )
        except OSError as error:
            _log.error("room {room} cannot be offered: {error}", room=move.room, error=error)
            self._fail(move, "descriptors")

    def _exported(self, move: _Move, offer: m.Offer) -> None:
        """End a move to nowhere: the room is ours to keep."""
        for held in move.offered or ():
            self._connections.assign(held, None)
        move.source.tell(m.Release(move=move.number))
        numbers = tuple(held.number for held in move.offered or ())
        self._end(move, Outcome(None, Export(move.room, offer.payload, offer.since, numbers)))

    def _prepared(self, worker: Worker, move: _Move | None) -> None:
        if move is None or worker is not move.target or move.offered is None or move.committed:
            return  # too late: it has been told to let go
        target = worker
        self._placement.pin(move.room, target.id)
        move.committed = True
        if move.alarm is not None:
            move.alarm.cancel()
        for held in move.offered:
            self._connections.assign(held, target.id)
        move.source.tell(m.Release(move=move.number))
        target.tell(m.Commit(move=move.number))
        self._unpark(move)

    def _refused(self, worker: Worker, move: _Move | None, reason: str) -> None:
        if move is not None and not move.committed and worker in (move.source, move.target):
            self._fail(move, reason, refused_by=worker)

    def _resumed(self, move: _Move | None, pause_s: float) -> None:
        if move is not None:
            self._observer.moved(pause_s)
            self._end(move, Outcome(None))

    def on_gone(self, worker: Worker) -> None:
        """Hear that a worker is dead, before its rooms and connections are taken over."""
        for move in list(self._moves.values()):
            if worker is move.target:
                self._lost_target(move)
            elif worker is move.source and move.offered is None:
                self._fail(move, "worker_lost")
            elif worker is move.source and move.target is not None and not move.committed:
                # What was offered is the new owner's alone now, which goes on when it is ready.
                for held in move.offered or ():
                    if self._connections.get(held.number) is held:
                        self._connections.assign(held, move.target.id)

    def _lost_target(self, move: _Move) -> None:
        if not (move.committed or move.source.state == "dead"):
            self._fail(move, "worker_lost")
            return
        if not move.committed:
            self._observer.not_moved("worker_lost")
        self._end(move, Outcome("worker_lost"))  # its connections are taken over as all of its

    # --- ends -----------------------------------------------------------------------------

    def _fail(self, move: _Move, reason: str, refused_by: Worker | None = None) -> None:
        """End a move that was not committed: the old owner goes on, if it lives."""
        if move.target and move.offered is not None and refused_by is not move.target:
            move.target.tell(m.Cancel(move=move.number))
        if refused_by is not move.source:
            move.source.tell(m.Abort(move=move.number))
        self._observer.not_moved(reason)
        if move.offered and move.source.state == "dead":
            self._on_orphaned(move.room, move.offered)
        self._end(move, Outcome(reason))

    def _end(self, move: _Move, outcome: Outcome) -> None:
        del self._moves[move.number]
        if self._rooms.get(move.room) is move:
            del self._rooms[move.room]
        if move.alarm is not None and move.alarm.active():
            move.alarm.cancel()
        self._unpark(move)
        move.done.callback(outcome)

    def _unpark(self, move: _Move) -> None:
        """Let those in who came meanwhile; the room is where it goes."""
        if self._rooms.get(move.room) is move:
            del self._rooms[move.room]
        parked, move.parked = move.parked, []
        for held in parked:
            self._on_parked(held)


def adopt(
    worker: Worker,
    room: RoomCode,
    arrivals: Sequence[tuple[Held, m.Arrival]],
    *,
    move: int = 0,
    payload: bytes = b"",
    since: float,
) -> None:
    """Send a room's connections to a worker, in as many packets as the kernel wants.

    Args:
        move, payload, since: See `hokm.control.messages.Adopt`.

    Raises:
        OSError: No descriptor is left for a copy; some packets may have been sent.
    """
    starts = range(0, max(1, len(arrivals)), PACKET_CONNECTIONS)
    for start in starts:
        part = arrivals[start : start + PACKET_CONNECTIONS]
        more = start != starts[-1]
        worker.tell(
            m.Adopt(
                room=room,
                move=move,
                arrivals=tuple(arrival for _, arrival in part),
                payload=b"" if more else payload,
                since=since,
                more=more,
            ),
            [held.sock.fileno() for held, _ in part],
        )
