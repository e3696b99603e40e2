"""Moves of rooms between workers: each way in which one can end."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.control import messages as m
from hokm.supervisor.connections import Held
from hokm.supervisor.moves import (
    DEADLINE_SECONDS,
    PACKET_CONNECTIONS,
    Export,
    Moves,
    Outcome,
    adopt,
)
from hokm.supervisor.placement import Placement, RoomCode
from tests.unit.supervisor.fakes import FakeWorker, close_all, connections

ROOM = RoomCode("ABCD")
SOURCE, TARGET, THIRD = 1, 2, 3
PAUSE = 0.008


class World:
    """A room with two connections on one of three workers, and all who hear of its move.

    Attributes:
        log: What all workers were told, in order.
        moved, not_moved: What was counted.
        parked: Connections that came out, each with the worker that its room was pinned to then.
        orphaned: Numbers of the connections that neither side can go on with.
        left: Numbers of those that were a dead worker's in the end.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.placement = Placement()
        self.log: list[tuple[int, Any]] = []
        self.workers = {id: FakeWorker(id, self.log) for id in (SOURCE, TARGET, THIRD)}
        self.source, self.target = self.workers[SOURCE], self.workers[TARGET]
        for worker in self.workers.values():
            self.placement.add(worker.id)
        self.connections = connections()
        self.moved_pauses: list[float] = []
        self.reasons: list[str] = []
        self.parked: list[tuple[int, int | None]] = []
        self.orphaned: list[int] = []
        self.left: list[int] = []
        self.moves = Moves(
            reactor=self.clock,
            connections=self.connections,
            placement=self.placement,
            observer=self,
            on_parked=self._out,
            on_orphaned=self._orphan,
        )
        self.placement.pin(ROOM, self.source.id)
        self.helds = [self.come() for _ in range(2)]
        for held in self.helds:
            self.connections.assign(held, self.source.id)

    def come(self) -> Held:
        """Let a player connect."""
        return self.connections.add(ROOM, b"GET", socket.socket(socket.AF_UNIX))

    def moved(self, pause_s: float) -> None:
        self.moved_pauses.append(pause_s)

    def not_moved(self, reason: str) -> None:
        self.reasons.append(reason)

    def _out(self, held: Held) -> None:
        assert held.room not in self.moves  # else it would only be parked again
        self.parked.append((held.number, self.placement.where(held.room)))

    def _orphan(self, room: RoomCode, helds: Sequence[Held]) -> None:
        assert room == ROOM
        for held in helds:
            self.connections.assign(held, None)
            self.orphaned.append(held.number)

    def begin(self, to: int | None = TARGET) -> Deferred[Outcome]:
        """Move the room; its move has number 1."""
        target = None if to is None else self.workers[to].real
        return self.moves.begin(ROOM, self.source.real, target)

    def say(self, worker: FakeWorker, message: m.FromWorker) -> None:
        """Let a worker say something about a move."""
        assert self.moves.on_message(worker.real, message)

    def offer(self, move: int = 1, numbers: tuple[int, ...] = (1, 2)) -> None:
        self.say(self.source, m.Offer(move=move, connections=numbers, payload=b"luggage", since=5))

    def prepared(self, move: int = 1) -> None:
        self.say(self.target, m.Prepared(move=move))

    def refused(self, worker: FakeWorker, reason: str) -> None:
        self.say(worker, m.Refused(room=ROOM, move=1, reason=reason))

    def resumed(self) -> None:
        self.say(self.target, m.Resumed(room=ROOM, move=1, connections=2, pause_s=PAUSE))

    def late(self) -> None:
        """Let the deadline pass."""
        self.clock.advance(DEADLINE_SECONDS)

    def die(self, worker: FakeWorker) -> None:
        """Let a worker die, and note what is taken over from it: as the supervisor does."""
        worker.state = "dead"
        self.placement.remove(worker.id)
        self.moves.on_gone(worker.real)
        self.left += [held.number for held in self.connections.of_worker(worker.id)]

    def told(self) -> list[tuple[int, str]]:
        """Return what the workers were told, in short."""
        return [(id, type(message).__name__) for id, message in self.log]

    def owners(self) -> list[int | None]:
        """Return who serves the room's connections."""
        return [held.worker for held in self.connections.of_room(ROOM)]


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world; afterwards no move and no alarm is left."""
    made = World()
    yield made
    assert len(made.moves) == 0 and ROOM not in made.moves
    assert made.clock.getDelayedCalls() == []
    close_all(made.connections)


def outcome(done: Deferred[Outcome]) -> Outcome:
    """Return how a move ended; it must have."""
    found: list[Outcome] = []
    done.addCallback(found.append)
    [ended] = found
    return ended


# --- a move that succeeds ----------------------------------------------------------------


def test_a_move(world: World) -> None:
    """The old owner is told to let go before the new one is told to go on."""
    done = world.begin()
    assert ROOM in world.moves and len(world.moves) == 1
    world.offer()
    world.prepared()
    assert world.told() == [
        (SOURCE, "Drain"),
        (TARGET, "Adopt"),
        (SOURCE, "Release"),
        (TARGET, "Commit"),
    ]
    assert not done.called
    world.resumed()
    assert outcome(done) == Outcome(None)
    assert (world.moved_pauses, world.reasons) == ([PAUSE], [])
    assert world.placement.where(ROOM) == TARGET
    assert world.owners() == [TARGET, TARGET]


def test_what_the_new_owner_is_sent(world: World) -> None:
    """The old one's luggage, the connections' numbers, and their very sockets in that order."""
    world.begin()
    world.offer(numbers=(2, 1))
    [adopt] = world.target.told
    assert isinstance(adopt, m.Adopt)
    assert (adopt.room, adopt.move, adopt.payload, adopt.since) == (ROOM, 1, b"luggage", 5)
    first, second = world.helds
    assert [arrival.connection for arrival in adopt.arrivals] == [2, 1]
    assert world.target.sockets == [second.cookie, first.cookie]
    assert [arrival.head for arrival in adopt.arrivals] == [b"", b""]  # it is in the luggage
    assert not adopt.more
    world.late()


def test_nothing_changes_before_the_new_owner_is_ready(world: World) -> None:
    """Until then the room is the old owner's."""
    world.begin()
    world.offer()
    assert world.placement.where(ROOM) == SOURCE
    assert world.owners() == [SOURCE, SOURCE]
    world.late()


def test_no_deadline_after_the_commit(world: World) -> None:
    """A store that is away may delay the new owner; nobody else could go on by then."""
    done = world.begin()
    world.offer()
    world.prepared()
    world.clock.advance(100 * DEADLINE_SECONDS)
    assert not done.called and world.told()[-1] == (TARGET, "Commit")
    world.resumed()
    assert outcome(done) == Outcome(None)


def test_a_room_without_connections(world: World) -> None:
    """It moves as all others: all who were connected are just closing."""
    done = world.begin()
    world.offer(numbers=())
    world.prepared()
    world.resumed()
    assert outcome(done) == Outcome(None)
    assert world.owners() == [SOURCE, SOURCE]


def test_a_connection_that_is_gone_does_not_travel(world: World) -> None:
    """The supervisor has closed its copy: there is no socket to send."""
    world.begin()
    world.connections.close(world.helds[0])
    world.offer()
    [adopt] = world.target.told
    assert isinstance(adopt, m.Adopt)
    assert [arrival.connection for arrival in adopt.arrivals] == [2]
    world.prepared()
    world.resumed()
    assert world.owners() == [TARGET]


def test_a_connection_that_ends_at_its_new_owner_stays_gone(world: World) -> None:
    """Also when the old owner dies before the new one has said that it goes on."""
    world.begin()
    world.offer()
    world.prepared()
    world.connections.close(world.helds[0])
    world.die(world.source)
    world.resumed()
    assert [held.number for held in world.connections.of_worker(world.target.id)] == [2]


def test_to_nowhere(world: World) -> None:
    """The room leaves its worker, and what its next owner needs is the outcome."""
    done = world.begin(to=None)
    world.offer()
    assert outcome(done) == Outcome(None, Export(ROOM, b"luggage", 5, (1, 2)))
    assert world.told() == [(SOURCE, "Drain"), (SOURCE, "Release")]
    assert world.owners() == [None, None]


@pytest.mark.parametrize("how", ["refused", "late", "died"])
def test_to_nowhere_fails(world: World, how: str) -> None:
    """A room that does not leave its worker ends with it."""
    done = world.begin(to=None)
    if how == "refused":
        world.refused(world.source, "store_away")
    elif how == "late":
        world.late()
    else:
        world.die(world.source)
    ended = outcome(done)
    assert ended.export is None and ended.reason is not None
    assert world.owners() == [SOURCE, SOURCE]


# --- the table of failures ---------------------------------------------------------------


def test_the_old_owner_refuses(world: World) -> None:
    """It goes on by itself; the other one has heard nothing."""
    done = world.begin()
    world.refused(world.source, "store_away")
    assert outcome(done) == Outcome("store_away")
    assert world.told() == [(SOURCE, "Drain")]
    assert world.reasons == ["store_away"]
    assert (world.placement.where(ROOM), world.owners()) == (SOURCE, [SOURCE, SOURCE])


def test_the_old_owner_dies_before_its_offer(world: World) -> None:
    """Its connections go the way of a crash, once."""
    done = world.begin()
    world.die(world.source)
    assert outcome(done) == Outcome("worker_lost")
    assert world.told() == [(SOURCE, "Drain")]
    assert (world.left, world.orphaned) == ([1, 2], [])


def test_the_old_owner_is_late(world: World) -> None:
    """It is told to go on; its offer, which comes too late, leads to nothing."""
    done = world.begin()
    world.late()
    assert outcome(done) == Outcome("deadline")
    world.offer()
    world.prepared()
    assert world.told() == [(SOURCE, "Drain"), (SOURCE, "Abort")]
    assert world.owners() == [SOURCE, SOURCE]


@pytest.mark.parametrize(
    ("how", "reason", "told"),
    [
        ("refuses", "unreadable", [(SOURCE, "Abort")]),
        ("late", "deadline", [(TARGET, "Cancel"), (SOURCE, "Abort")]),
        ("dies", "worker_lost", [(SOURCE, "Abort")]),
    ],
)
def test_the_new_owner_does_not_get_ready(
    world: World, how: str, reason: str, told: list[tuple[int, str]]
) -> None:
    """The old owner goes on, after the other one was told to let go, if it lives to hear it."""
    done = world.begin()
    world.offer()
    _fail(world, how)
    assert outcome(done) == Outcome(reason)
    assert world.told()[2:] == told
    assert world.reasons == [reason]
    assert (world.placement.where(ROOM), world.owners()) == (SOURCE, [SOURCE, SOURCE])
    assert (world.orphaned, world.left) == ([], [])
    world.prepared()  # what it says later changes nothing
    world.resumed()
    assert world.told()[2:] == told
    assert world.moved_pauses == []


def _fail(world: World, how: str) -> None:
    if how == "refuses":
        world.refused(world.target, "unreadable")
    elif how == "late":
        world.late()
    else:
        world.die(world.target)


def test_the_new_owner_dies_before_the_offer(world: World) -> None:
    """There is nobody to cancel it at; the offer leads to nothing."""
    done = world.begin()
    world.die(world.target)
    world.offer()
    assert outcome(done) == Outcome("worker_lost")
    assert world.told() == [(SOURCE, "Drain"), (SOURCE, "Abort")]


def test_the_old_owner_dies_after_its_offer(world: World) -> None:
    """The new owner goes on: nothing is taken over, nothing is lost."""
    done = world.begin()
    world.offer()
    world.die(world.source)
    assert world.left == [] and not done.called
    assert world.owners() == [TARGET, TARGET]
    world.prepared()
    assert world.told()[-1] == (TARGET, "Commit")
    world.resumed()
    assert outcome(done) == Outcome(None)
    assert world.placement.where(ROOM) == TARGET
    assert (world.orphaned, world.owners()) == ([], [TARGET, TARGET])


@pytest.mark.parametrize("how", ["refuses", "late"])
def test_both_sides_are_lost(world: World, how: str) -> None:
    """The old owner died after its offer, the new one cannot: they are orphans, once."""
    done = world.begin()
    world.offer()
    world.die(world.source)
    _fail(world, how)
    assert outcome(done).reason in ("unreadable", "deadline")
    assert (world.orphaned, world.left) == ([1, 2], [])
    assert world.owners() == [None, None]
    world.die(world.target)
    assert world.left == []


def test_both_sides_die(world: World) -> None:
    """What was offered is taken over, in one way or the other, once; the move has failed."""
    done = world.begin()
    world.offer()
    world.die(world.source)
    world.die(world.target)
    assert outcome(done) == Outcome("worker_lost")
    assert world.orphaned + world.left == [1, 2]
    assert world.reasons == ["worker_lost"]


def test_the_new_owner_dies_after_the_commit(world: World) -> None:
    """Its connections go the way of a crash; the old owner is not told to go on."""
    done = world.begin()
    world.offer()
    world.prepared()
    world.die(world.target)
    assert outcome(done) == Outcome("worker_lost")
    assert (world.orphaned, world.left) == ([], [1, 2])
    assert (SOURCE, "Abort") not in world.told()


def test_the_old_owner_dies_after_the_commit(world: World) -> None:
    """It had nothing of the room any more."""
    done = world.begin()
    world.offer()
    world.prepared()
    world.die(world.source)
    world.resumed()
    assert outcome(done) == Outcome(None)
    assert (world.orphaned, world.left) == ([], [])


def test_no_descriptor_is_left(world: World) -> None:
    """An offer that cannot be handed on is taken back."""
    done = world.begin()
    world.target.full = True
    world.offer()
    assert outcome(done) == Outcome("descriptors")
    assert world.told()[1:] == [(TARGET, "Cancel"), (SOURCE, "Abort")]


def test_a_third_workers_death_is_nobodys_business(world: World) -> None:
    """Moves between others go on."""
    done = world.begin()
    world.offer()
    world.die(world.workers[THIRD])
    world.prepared()
    world.resumed()
    assert outcome(done) == Outcome(None)


# --- who comes meanwhile -----------------------------------------------------------------


def test_who_comes_meanwhile_is_let_in_at_the_new_owner(world: World) -> None:
    """At the commit, once: the new owner has been told of the room by then."""
    world.begin()
    world.moves.park(world.come())
    world.offer()
    world.moves.park(world.come())
    assert world.parked == []
    world.prepared()
    assert world.parked == [(3, TARGET), (4, TARGET)]
    assert ROOM not in world.moves
    world.resumed()
    assert world.parked == [(3, TARGET), (4, TARGET)]


@pytest.mark.parametrize("how", ["refuses", "late", "dies"])
def test_who_comes_meanwhile_is_let_in_at_the_old_owner(world: World, how: str) -> None:
    """Where the move fails; after it was told to go on."""
    world.begin()
    world.moves.park(world.come())
    world.offer()
    _fail(world, how)
    assert world.parked == [(3, SOURCE)]


def test_who_comes_while_both_sides_are_lost(world: World) -> None:
    """He is let in once, when the room has no place any more: it gets one as all rooms do."""
    world.begin()
    world.moves.park(world.come())
    world.offer()
    world.die(world.source)
    world.late()
    assert world.parked == [(3, None)]
    assert world.orphaned == [1, 2]


def test_the_room_may_move_on_before_the_first_move_is_told_to_have_ended(world: World) -> None:
    """Once it is committed another move may begin; each parks its own."""
    first = world.begin()
    world.offer()
    world.prepared()
    second = world.moves.begin(ROOM, world.target.real, world.source.real)
    world.moves.park(world.come())
    world.resumed()
    assert outcome(first) == Outcome(None)
    assert ROOM in world.moves and world.parked == []
    world.late()
    assert outcome(second) == Outcome("deadline")
    assert world.parked == [(3, TARGET)]


# --- what does not fit -------------------------------------------------------------------


def test_unknown_moves_are_passed_over(world: World) -> None:
    """Numbers that are over, or never were, lead to nothing."""
    for worker in (world.source, world.target):
        for message in (
            m.Offer(move=9, connections=(1, 2), payload=b"", since=0),
            m.Prepared(move=9),
            m.Refused(room=ROOM, move=9, reason="no_room"),
            m.Resumed(room=ROOM, move=9, connections=2, pause_s=0),
        ):
            world.say(worker, message)
    assert (world.log, world.reasons, world.moved_pauses) == ([], [], [])


def test_only_the_two_sides_are_heard(world: World) -> None:
    """What another worker says of a move changes nothing, nor what the wrong side says."""
    done = world.begin()
    third = world.workers[THIRD]
    offer = m.Offer(move=1, connections=(1, 2), payload=b"", since=0)
    for stranger in (third, world.target):
        world.say(stranger, offer)
    world.prepared()  # nothing was offered yet
    world.refused(third, "no_room")
    assert world.told() == [(SOURCE, "Drain")]
    world.offer()
    world.offer()  # a second time
    for stranger in (third, world.source):
        world.say(stranger, m.Prepared(move=1))
    assert world.told() == [(SOURCE, "Drain"), (TARGET, "Adopt")]
    world.prepared()
    world.prepared()
    world.refused(world.target, "unreadable")
    assert world.told()[2:] == [(SOURCE, "Release"), (TARGET, "Commit")]
    assert not done.called
    world.resumed()


def test_messages_of_a_recovery_are_anothers_business(world: World) -> None:
    """Move 0 is no move; and most messages are about something else."""
    for message in (
        m.Refused(room=ROOM, move=0, reason="unreadable"),
        m.Resumed(room=ROOM, move=0, connections=2, pause_s=0),
        m.Closed(connection=1),
        m.RoomIdle(room=ROOM),
    ):
        assert not world.moves.on_message(world.source.real, message)


# --- packets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connections", "packets"),
    [(0, [0]), (1, [1]), (252, [252]), (253, [252, 1]), (600, [252, 252, 96])],
)
def test_a_packet_holds_so_many_connections(connections: int, packets: list[int]) -> None:
    """The luggage goes with the last packet, and only that one says that it is the last."""
    assert PACKET_CONNECTIONS == 252
    worker = FakeWorker(1)
    with socket.socket(socket.AF_UNIX) as sock:  # one for all: a test may not have 600
        helds = [Held(n, ROOM, b"GET", sock, 0, n) for n in range(connections)]
        arrivals = [(held, held.arrival()) for held in helds]
        adopt(worker.real, ROOM, arrivals, move=4, payload=b"luggage", since=5)
    told = [message for message in worker.told if isinstance(message, m.Adopt)]
    assert [len(message.arrivals) for message in told] == packets
    numbers = [arrival.connection for message in told for arrival in message.arrivals]
    assert numbers == list(range(connections))
    assert len(worker.sockets) == connections
    assert [message.more for message in told] == [True] * (len(packets) - 1) + [False]
    assert [message.payload for message in told] == [b""] * (len(packets) - 1) + [b"luggage"]
    assert {(message.room, message.move, message.since) for message in told} == {(ROOM, 4, 5)}
