"""Where connections go, and what the workers say of them; on real TCP, whose counts decide."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from hokm.control import messages as m
from hokm.control.ledger import SENT, TAKEN
from hokm.metrics import Metrics
from hokm.origin import Origin
from hokm.supervisor.connections import Held
from hokm.supervisor.head import Head
from hokm.supervisor.moves import DEADLINE_SECONDS
from hokm.supervisor.placement import RoomCode, WorkerId
from hokm.supervisor.routing import PARK_SECONDS, Routing
from tests.movable import HEAD, connect
from tests.unit.supervisor.fakes import FakeWorker, close_all, connections

ROOM = RoomCode("ABCD")
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class World:
    """Routes to three workers, none of which takes rooms yet."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.workers = {WorkerId(id): FakeWorker(id) for id in (1, 2, 3)}
        self.one, self.two, self.three = self.workers.values()
        self.connections = connections()
        self.routing = Routing(
            reactor=self.clock,
            connections=self.connections,
            worker=lambda id: self.workers[id].real,
            metrics=Metrics(),
        )
        self.clients: list[socket.socket] = []

    def come(self) -> Held:
        """Let a player connect, who sends his request."""
        before = {held.number for held in self.connections.all()}
        ours, theirs = connect()
        ours.setblocking(False)
        theirs.settimeout(2.0)
        theirs.sendall(HEAD)
        self.clients.append(theirs)
        self.routing.come(Head("GET", "/ws", ROOM, True, HEAD), ours)
        [held] = [held for held in self.connections.all() if held.number not in before]
        return held

    def serve(self, held: Held) -> None:
        """Let its worker read the request and answer it."""
        held.sock.setblocking(True)
        assert held.sock.recv(len(HEAD)) == HEAD
        held.sock.setblocking(False)
        assert held.sock.send(ANSWER) == len(ANSWER)
        line = self.connections.ledger.line(held.line)
        line[TAKEN], line[SENT] = len(HEAD), len(ANSWER)

    def open(self, *workers: FakeWorker) -> None:
        """Let workers take rooms."""
        for worker in workers:
            self.routing.on_active(worker.real)

    def say(self, worker: FakeWorker, message: m.FromWorker) -> None:
        self.routing.on_message(worker.real, message)

    def die(self, worker: FakeWorker) -> None:
        worker.state = "dead"
        self.routing.on_lost(worker.real)

    def adopts(self, worker: FakeWorker) -> list[int]:
        """Return the moves for which a worker was told to adopt the room; 0 is none."""
        return [message.move for message in worker.told if isinstance(message, m.Adopt)]


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world, and close its sockets afterwards."""
    made = World()
    yield made
    close_all(made.connections)
    for client in made.clients:
        client.close()


def test_a_connection_goes_to_the_worker_of_its_room(world: World) -> None:
    """With its request unread, and a copy of the socket is kept."""
    world.open(world.one)
    held = world.come()
    assert world.one.told == [m.Connection(room=ROOM, arrival=held.arrival())]
    assert world.one.sockets == [held.cookie]
    assert (held.worker, held.head) == (1, HEAD)
    world.open(world.two)
    world.come()
    assert len(world.one.told) == 2 and world.two.told == []


def test_without_a_worker_it_waits(world: World) -> None:
    """Not for ever: it is told to come back."""
    first = world.come()
    world.clock.advance(PARK_SECONDS / 2)
    second = world.come()
    world.clock.advance(PARK_SECONDS / 2 + 0.1)
    world.routing.tend()
    assert world.clients[0].recv(1000).startswith(b"HTTP/1.1 503 ")
    assert world.connections.all() == [second]
    world.open(world.one)
    assert world.one.told == [m.Connection(room=ROOM, arrival=second.arrival())]
    assert first.worker is None


def test_only_its_own_worker_closes_it(world: World) -> None:
    """What another one says of it, as an earlier owner may, is passed over."""
    world.open(world.one, world.two)
    held = world.come()
    owner = world.one if held.worker == 1 else world.two
    other = world.two if owner is world.one else world.one
    world.say(other, m.Closed(connection=held.number))
    world.say(other, m.NotTaken(connection=held.number, reason="full"))
    world.say(other, m.Watching(connection=held.number))
    assert world.connections.all() == [held] and not held.watching
    world.say(owner, m.Watching(connection=held.number))
    assert held.watching
    world.say(owner, m.Closed(connection=held.number))
    assert world.connections.all() == []


def test_an_idle_room_may_go_anywhere(world: World) -> None:
    """Unless somebody is on his way to it."""
    world.open(world.one)
    held = world.come()
    world.say(world.one, m.RoomIdle(room=ROOM))
    assert world.routing.placement.where(ROOM) == 1
    world.connections.close(held)
    world.say(world.one, m.RoomIdle(room=ROOM))
    assert world.routing.placement.where(ROOM) is None


def test_who_comes_while_the_room_moves(world: World) -> None:
    """He is let in where it goes, after it was told to go on."""
    world.open(world.one)
    held = world.come()
    world.open(world.two)
    world.routing.moves.begin(ROOM, world.one.real, world.two.real)
    late = world.come()
    assert late.worker is None
    offer = m.Offer(move=1, connections=(held.number,), payload=b"x", since=0)
    world.say(world.one, offer)
    world.say(world.two, m.Prepared(move=1))
    kinds = [type(message).__name__ for message in world.two.told]
    assert kinds == ["Adopt", "Commit", "Connection"]
    assert (held.worker, late.worker) == (2, 2)


def test_a_moving_room_is_not_idle(world: World) -> None:
    """Whatever its old owner says when the last player closes: the move ends as it ends."""
    world.open(world.one)
    held = world.come()
    world.open(world.two)
    world.routing.moves.begin(ROOM, world.one.real, world.two.real)
    world.connections.close(held)
    world.say(world.one, m.RoomIdle(room=ROOM))
    assert world.routing.placement.where(ROOM) == 1


def test_a_dead_workers_rooms_go_on_elsewhere(world: World) -> None:
    """Those that were answered are adopted, with the new ones behind them."""
    world.open(world.one)
    served, unread = world.come(), world.come()
    world.serve(served)
    world.open(world.two)
    world.die(world.one)
    kinds = [type(message).__name__ for message in world.two.told]
    assert kinds == ["Adopt", "Connection"]
    assert (served.worker, unread.worker) == (2, 2)


def test_a_dead_workers_rooms_wait_for_another(world: World) -> None:
    """The first that takes rooms gets them: those that were served first."""
    world.open(world.one)
    served, unread = world.come(), world.come()
    world.serve(served)
    world.die(world.one)
    assert (served.worker, unread.worker) == (None, None)
    world.open(world.two)
    kinds = [type(message).__name__ for message in world.two.told]
    assert kinds == ["Adopt", "Connection"]


def test_nothing_is_taken_over_at_the_end(world: World) -> None:
    """When the program ends, a worker's connections end with it."""
    world.open(world.one, world.two)
    held = world.come()
    world.serve(held)
    world.routing.open = False
    world.die(world.workers[WorkerId(held.worker or 0)])
    assert len(world.connections) == 0
    assert world.clients[0].recv(1000) == ANSWER
    assert world.clients[0].recv(1000) == b""


def test_both_sides_of_a_move_are_lost(world: World) -> None:
    """The old owner died after its offer, the new one is late: a third one goes on, once."""
    world.open(world.one)
    held = world.come()
    world.serve(held)
    world.open(world.two, world.three)
    world.routing.moves.begin(ROOM, world.one.real, world.two.real)
    world.say(world.one, m.Offer(move=1, connections=(held.number,), payload=b"x", since=0))
    late = world.come()
    world.die(world.one)
    world.clock.advance(DEADLINE_SECONDS)
    owner = world.workers[WorkerId(held.worker or 0)]
    assert kinds_of(owner)[-2:] == ["Adopt", "Connection"]
    assert sorted(world.adopts(world.two) + world.adopts(world.three)) == [0, 1]
    assert (late.worker, world.routing.placement.where(ROOM)) == (held.worker, held.worker)


def kinds_of(worker: FakeWorker) -> list[str]:
    """Return what a worker was told, in short."""
    return [type(message).__name__ for message in worker.told]


def test_who_was_left_behind_does_not_open_the_room(world: World) -> None:
    """No other worker may, for those who did not travel: it would note that all others are away."""
    world.open(world.one)
    going, closing = world.come(), world.come()
    world.serve(going)
    world.serve(closing)
    world.open(world.two, world.three)
    world.routing.moves.begin(ROOM, world.one.real, world.two.real)
    world.say(world.one, m.Offer(move=1, connections=(going.number,), payload=b"x", since=0))
    world.die(world.one)
    assert (world.adopts(world.two), world.adopts(world.three)) == ([1], [])
    world.say(world.two, m.Prepared(move=1))
    assert world.connections.of_room(ROOM) == [going]
    assert world.routing.placement.where(ROOM) == 2


def test_a_room_that_was_left_may_go_anywhere_at_once(world: World) -> None:
    """Its connections here are closing; unless somebody is on his way to it."""
    world.open(world.one)
    closing = world.come()
    coming = world.come()
    world.say(world.one, m.RoomLeft(room=ROOM, connections=(closing.number,)))
    assert world.routing.placement.where(ROOM) == 1
    world.say(world.one, m.RoomLeft(room=ROOM, connections=(closing.number, coming.number)))
    assert world.routing.placement.where(ROOM) is None
    assert world.connections.all() == [closing, coming]


class FakeSeeker:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sought: list[socket.socket] = []

    def seek(self, head: Head, sock: socket.socket, origin: Origin) -> None:
        self.sought.append(sock)

    def waiting(self) -> list[tuple[socket.socket, Origin]]:
        return [(sock, Origin()) for sock in self.sought]


def test_in_a_fleet_a_room_that_is_not_here_is_sought(world: World) -> None:
    """One that a worker has, or is about to have, is not."""
    world.open(world.one)
    seeker = world.routing.seeker = FakeSeeker()
    ours, theirs = connect()
    world.clients.append(theirs)
    world.routing.come(Head("GET", "/ws", ROOM, True, HEAD), ours)
    assert seeker.sought == [ours] and world.one.told == []
    assert [sock for sock, _ in world.routing.unread()] == [ours]
    world.routing.take(Head("GET", "/ws", ROOM, True, HEAD), ours, Origin())
    world.come()
    assert seeker.sought == [ours] and len(world.one.told) == 2
