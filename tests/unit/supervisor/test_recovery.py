"""What becomes of a dead worker's rooms and sockets; on real TCP, whose counts decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hokm.control import messages as m
from hokm.control.ledger import SENT, SENT_FROM, TAKEN
from hokm.control.stream import Trust, counts
from hokm.origin import Origin
from hokm.supervisor.connections import Held
from hokm.supervisor.placement import Placement, RoomCode, WorkerId
from hokm.supervisor.recovery import Recovery
from tests.movable import HEAD, connect
from tests.unit.supervisor.fakes import FakeWorker, close_all, connections

ROOM, OTHER = RoomCode("ABCD"), RoomCode("EFGH")
NOBODY, DEAD, NEXT, THIRD = range(4)
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
GOODBYE = b"\x88\x02\x03\xf4"  # a close frame: 1012
SECONDS = 2.0


class Player:
    """A player's end, and the supervisor's copy of the other one.

    Attributes:
        data: What he has read.
    """

    def __init__(self, world: World, room: RoomCode, before: bytes = b"") -> None:
        self.world = world
        ours, self.sock = connect()
        self.sock.settimeout(SECONDS)
        self.sock.sendall(before)
        assert ours.recv(len(before)) == before  # what the listener has taken out
        ours.setblocking(False)  # as the listener leaves it
        self.held: Held = world.connections.add(
            room, HEAD, ours, Origin("192.0.2.7", skipped=len(before))
        )
        world.connections.assign(self.held, world.dead.id)
        self.line = world.connections.ledger.line(self.held.line)
        self.sock.sendall(HEAD)

    def read_by_worker(self, size: int) -> None:
        """Let the worker read so many bytes."""
        copy = self.held.sock.dup()
        with copy:
            copy.settimeout(SECONDS)
            while size:
                size -= len(copy.recv(size))
            copy.setblocking(False)

    def written_by_worker(self, data: bytes, noted: int) -> None:
        """Let the worker write *data*, of a send of *noted* bytes."""
        self.line[SENT_FROM] = self.line[SENT]
        self.line[SENT] += noted
        assert self.held.sock.send(data) == len(data)

    def ends(self) -> bytes:
        """Return all that comes until the end of the stream; a reset is an error."""
        found = b""
        while more := self.sock.recv(65536):
            found += more
        return found


class World:
    """A worker that is dead, two that live, one of which takes rooms, and what was noted.

    Attributes:
        log: What was told to whom, in order; what is as good as new, to nobody.
    """

    def __init__(self) -> None:
        self.dead = FakeWorker(DEAD)
        self.log: list[tuple[int, Any]] = []
        self.workers = {WorkerId(id): FakeWorker(id, self.log) for id in (NEXT, THIRD)}
        self.next = self.workers[WorkerId(NEXT)]
        self.placement = Placement()
        self.placement.add(self.next.id)
        self.connections = connections()
        self.now = 100.0
        self.unread: list[int] = []
        self.distrusts: list[Trust] = []
        self.players: list[Player] = []
        self.recovery = Recovery(
            connections=self.connections,
            placement=self.placement,
            worker=lambda id: self.workers[id].real,
            observer=self,
            on_unread=self._unread,
            now=lambda: self.now,
        )

    def recovered(self, connections: int, pause_s: float) -> None:
        raise AssertionError("the new owner says so, not the recovery")

    def distrusted(self, trust: Trust) -> None:
        self.distrusts.append(trust)

    def _unread(self, held: Held) -> None:
        assert held.worker is None
        self.unread.append(held.number)
        self.log.append((NOBODY, held.number))

    def come(self, room: RoomCode = ROOM) -> Player:
        """Connect somebody, who sends his request."""
        self.players.append(Player(self, room))
        return self.players[-1]

    def take_over(self) -> None:
        """Hear that the worker is dead."""
        self.recovery.take_over(self.connections.of_worker(self.dead.id))

    def adopts(self) -> list[m.Adopt]:
        """Return what the next owner was told to adopt; it was told nothing else."""
        found = []
        for message in self.next.told:
            assert isinstance(message, m.Adopt)
            found.append(message)
        return found


def unread(world: World) -> Player:
    return world.come()


def unanswered(world: World) -> Player:
    player = world.come()
    player.read_by_worker(len(HEAD))
    player.line[TAKEN] = len(HEAD)
    player.line[SENT] = len(ANSWER)  # noted, and still in the worker's buffer when it died
    return player


def whole(world: World) -> Player:
    player = world.come()
    player.read_by_worker(len(HEAD))
    player.line[TAKEN] = len(HEAD)
    player.written_by_worker(ANSWER, len(ANSWER))
    return player


def half_read(world: World) -> Player:
    player = whole(world)
    player.sock.sendall(b"0123456789")
    player.read_by_worker(4)
    return player


def cut(world: World) -> Player:
    player = whole(world)
    player.written_by_worker(b"\x81", 30)
    return player


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world, and close all its sockets afterwards."""
    made = World()
    yield made
    close_all(made.connections)
    for player in made.players:
        player.sock.close()


# --- what is adopted ---------------------------------------------------------------------


def test_unread_connections_are_as_good_as_new(world: World) -> None:
    """They are handed on with their request, and no line says anything of them."""
    player = unread(world)
    player.line[TAKEN] = 7
    world.take_over()
    assert world.unread == [player.held.number]
    assert world.next.told == [] and world.distrusts == []
    assert list(player.line) == [0, 0, 0]
    assert player.held.sock.recv(1000) == HEAD


@pytest.mark.parametrize(("make", "answered"), [(whole, True), (unanswered, False)])
def test_whole_connections_are_adopted(
    world: World, make: Callable[[World], Player], answered: bool
) -> None:
    """The next owner gets the same socket, the request, and whether that was answered."""
    player = make(world)
    player.held.watching = True
    world.take_over()
    [adopt] = world.adopts()
    assert (adopt.room, adopt.move, adopt.payload, adopt.more) == (ROOM, 0, b"", False)
    assert adopt.since == 100.0
    [arrival] = adopt.arrivals
    assert arrival == player.held.arrival(read=True, answered=answered)
    assert (arrival.head, arrival.watching) == (HEAD, True)
    assert world.next.sockets == [player.held.cookie]
    assert player.held.worker == NEXT
    assert (world.unread, world.distrusts) == ([], [])


def test_the_line_of_an_adopted_connection_is_brought_up_to_date(world: World) -> None:
    """A send that the worker noted and did not write is forgotten; what was read stays."""
    player = whole(world)
    player.line[SENT_FROM], player.line[SENT] = player.line[SENT], player.line[SENT] + 50
    world.take_over()
    assert list(player.line) == [len(HEAD), len(ANSWER), len(ANSWER)]


def test_the_line_of_an_unanswered_connection_is_blank(world: World) -> None:
    """It begins anew, with its request."""
    player = unanswered(world)
    world.take_over()
    assert list(player.line) == [0, 0, 0]


def test_a_room_goes_as_one(world: World) -> None:
    """All its connections in one message, before any new one: they have their seats by then."""
    players = [unread(world), whole(world), unanswered(world), whole(world)]
    world.take_over()
    [adopt] = world.adopts()
    numbers = [player.held.number for player in players]
    assert [arrival.connection for arrival in adopt.arrivals] == numbers[1:]
    assert world.log == [(NEXT, adopt), (NOBODY, numbers[0])]


def test_rooms_go_apart(world: World) -> None:
    """Each room has a message of its own, and is pinned where it goes."""
    for room in (ROOM, OTHER, ROOM):
        player = world.come(room)
        player.read_by_worker(len(HEAD))
    world.take_over()
    assert {adopt.room: len(adopt.arrivals) for adopt in world.adopts()} == {ROOM: 2, OTHER: 1}
    assert {world.placement.where(room) for room in (ROOM, OTHER)} == {NEXT}


# --- what is parted with -----------------------------------------------------------------


def test_half_read_connections_are_told_to_come_again(world: World) -> None:
    """The player reads a close frame, 1012, and the end; also over bytes that nobody has read."""
    player = half_read(world)
    world.take_over()
    assert player.ends() == ANSWER + GOODBYE
    assert world.distrusts == [Trust.HALF_READ]
    assert len(world.connections) == 0 and world.next.told == []


def test_cut_connections_are_closed(world: World) -> None:
    """Whatever were sent now would be misread: nothing is."""
    player = cut(world)
    world.take_over()
    assert player.ends() == ANSWER + b"\x81"
    assert world.distrusts == [Trust.CUT]
    assert len(world.connections) == 0 and world.next.told == []


def test_the_others_of_a_room_do_not_suffer(world: World) -> None:
    """Each connection is judged by itself."""
    half_read(world)
    good = whole(world)
    cut(world)
    world.take_over()
    [adopt] = world.adopts()
    assert [arrival.connection for arrival in adopt.arrivals] == [good.held.number]
    assert sorted(trust.value for trust in world.distrusts) == ["cut", "half read"]
    assert world.connections.all() == [good.held]


# --- no worker, and workers that cannot --------------------------------------------------


def test_rooms_wait_for_a_worker(world: World) -> None:
    """Without one they wait, with all connections; the first that takes rooms gets them."""
    world.placement.remove(world.next.id)
    players = [whole(world), unanswered(world)]
    world.take_over()
    assert len(world.recovery) == 1 and world.next.told == []
    assert [player.held.worker for player in players] == [None, None]
    world.recovery.retry()
    assert len(world.recovery) == 1 and world.next.told == []
    world.now = 107.0
    world.placement.add(world.next.id)
    world.recovery.retry()
    [adopt] = world.adopts()
    assert adopt.since == 100.0  # since then it stands still
    assert [arrival.answered for arrival in adopt.arrivals] == [True, False]
    assert [player.held.worker for player in players] == [NEXT, NEXT]
    world.recovery.retry()
    assert len(world.recovery) == 0 and len(world.adopts()) == 1


def test_a_worker_that_cannot_adopt(world: World) -> None:
    """Its room's players are told to come again; other rooms and workers are not touched."""
    player = whole(world)
    world.take_over()
    other = world.come(OTHER)
    world.connections.assign(other.held, world.next.id)
    elsewhere = world.come()
    world.connections.assign(elsewhere.held, WorkerId(THIRD))
    world.recovery.refused([player.held.number], world.next.id)
    assert player.ends() == ANSWER + GOODBYE
    assert world.connections.all() == [other.held, elsewhere.held]
    assert world.distrusts == [Trust.HALF_READ]


def test_what_a_proxy_put_before_the_request(world: World) -> None:
    """Is no part of the streams: it was taken out before any worker saw the socket."""
    player = Player(world, ROOM, b"PROXY UNKNOWN\r\n")
    world.players.append(player)
    player.read_by_worker(len(HEAD))
    player.line[TAKEN] = len(HEAD)
    player.written_by_worker(ANSWER, len(ANSWER))
    unread = Player(world, ROOM, b"PROXY UNKNOWN\r\n")
    world.players.append(unread)
    world.take_over()
    [adopt] = world.adopts()
    assert adopt.arrivals == (player.held.arrival(read=True, answered=True),)
    assert world.unread == [unread.held.number]


def test_a_worker_that_cannot_adopt_may_hold_copies_still(world: World) -> None:
    """A copy on its way to it, or in its hands, does not keep the connection open."""
    player = whole(world)
    world.take_over()
    with player.held.sock.dup():
        world.recovery.refused([player.held.number], world.next.id)
        assert player.ends() == ANSWER + GOODBYE


def test_no_descriptor_is_left(world: World) -> None:
    """Without copies for the next owner the players come again by token."""
    player = whole(world)
    world.next.full = True
    world.take_over()
    assert player.ends() == ANSWER + GOODBYE
    assert len(world.connections) == 0


def test_a_room_of_an_earlier_life(world: World) -> None:
    """It goes to its next owner with what its last one exported; if need be, later."""
    player = whole(world)
    world.connections.assign(player.held, None)
    before = counts(player.held.sock)
    world.placement.remove(world.next.id)
    world.recovery.bring_back(ROOM, [(player.held, player.held.arrival())], b"luggage", 42.0)
    world.placement.add(world.next.id)
    world.recovery.retry()
    [adopt] = world.adopts()
    assert (adopt.payload, adopt.since, adopt.move) == (b"luggage", 42.0, 0)
    assert adopt.arrivals == (player.held.arrival(),)
    assert player.held.worker == NEXT
    assert counts(player.held.sock) == before
