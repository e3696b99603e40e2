# mypy: disallow-untyped-decorators=False
"""A worker's two sides of a move, on real sockets: two workers in one process, no supervisor."""

from __future__ import annotations

import errno
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from msgspec.structs import replace
from twisted.internet import reactor as installed
from twisted.internet.task import Clock, deferLater

from hokm import wire
from hokm.config import WorkerSettings
from hokm.connection import Heartbeat
from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.control.stream import cookie
from hokm.metrics import Metrics
from hokm.room import room as rooms
from hokm.room.state import freeze
from hokm.tasks import run
from hokm.worker.arrivals import Arrivals
from hokm.worker.departures import Departures
from hokm.worker.host import Host
from tests.movable import HEAD, Client, connect, descriptors, make_site, until
from tests.rawsocket import frame
from tests.tables import HOST_TOKEN
from tests.unit.worker.memory_store import MemoryShowcase, MemoryStore

reactor: Any = installed
CODE = "TABLE234"
LEDGER = Ledger.make()


class Person:
    """A player's end of a TCP connection, and the supervisor's copy of the other one."""

    _numbers = count(1)

    def __init__(self) -> None:
        self.copy, theirs = connect()
        self.client = Client(theirs)
        self.number = next(self._numbers)
        LEDGER.clear(self.number)
        self.id = 0

    def arrival(self, **fields: Any) -> m.Arrival:
        """Announce the connection; its line has its number."""
        return m.Arrival(
            connection=self.number, cookie=cookie(self.copy), line=self.number, **fields
        )

    def frame(self, kind: str, **fields: Any) -> bytes:
        """Return the bytes of the next command."""
        self.id += 1
        return frame(0x81, json.dumps({"type": kind, "id": self.id, **fields}).encode())

    @property
    def heard(self) -> list[Any]:
        """All messages that have come."""
        return [json.loads(text) for text in self.client.texts()]

    async def hears(self, kind: str, **fields: Any) -> Any:
        """Wait for a message, and return it."""

        def found() -> list[Any]:
            wanted = {"type": kind, **fields}.items()
            return [message for message in self.heard if wanted <= message.items()]

        await until(found)
        return found()[-1]

    async def does(self, kind: str, **fields: Any) -> None:
        """Send a command, and wait until it is done."""
        self.client.send(self.frame(kind, **fields))
        await self.hears("ok", id=self.id)


class Side:
    """One worker, as far as rooms and sockets concern it.

    Attributes:
        sent: What it told the supervisor.
    """

    def __init__(self, store: MemoryStore, clock: Any = reactor) -> None:
        self.sent: list[Any] = []
        self.site = make_site()
        self.host = Host(
            store=store,
            clock=clock,
            chance=random.Random(1),
            metrics=Metrics(),
            settings=WorkerSettings(),
            options=wire.TableOptions(),
            showcase=MemoryShowcase(),
            owner="test",
            at_end_of_turn=lambda call: reactor.callLater(0, call),
            on_idle=lambda room: None,
            on_left=lambda room, numbers: None,
            on_watching=lambda number: None,
        )
        heartbeat = Heartbeat(clock=clock, interval=20.0, timeout=10.0)
        self.departures = Departures(host=self.host, heartbeat=heartbeat, send=self.sent.append)
        self.arrivals = Arrivals(
            host=self.host,
            site=self.site,
            ledger=LEDGER,
            heartbeat=heartbeat,
            send=self.sent.append,
            on_resumed=lambda pause: None,
        )

    async def says(self, kind: type[Any]) -> Any:
        """Wait for a message to the supervisor, and take it."""
        await until(lambda: any(isinstance(message, kind) for message in self.sent))
        [message] = [message for message in self.sent if isinstance(message, kind)]
        self.sent.remove(message)
        return message

    def take(self, person: Person) -> None:
        """Be given a new connection."""
        message = m.Connection(room=CODE, arrival=person.arrival())
        self.arrivals.take(message, [person.copy.dup().detach()])

    def adopt(self, people: Sequence[Person], **fields: Any) -> None:
        """Be given a room's connections."""
        message = m.Adopt(
            **{
                "room": CODE,
                "move": 0,
                "since": 0.0,
                "arrivals": tuple(person.arrival() for person in people),
                **fields,
            }
        )
        self.arrivals.adopt(message, [person.copy.dup().detach() for person in people])


class World:
    """Two workers on one store, and people."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        room = rooms.open_room(CODE, wire.TableOptions(), HOST_TOKEN, b"r" * 32)
        run(self.store.create(CODE, freeze(room)), "create")
        self.one, self.other = Side(self.store), Side(self.store)
        self.people: list[Person] = []

    def come(self) -> Person:
        """Let somebody connect, of whom no worker knows yet."""
        self.people.append(Person())
        return self.people[-1]

    async def sit(self, **join: Any) -> Person:
        """Let somebody join at the first worker."""
        person = self.come()
        self.one.take(person)
        person.client.send(HEAD)
        await until(lambda: person.client.answers)
        await person.does("join", name="Sara", **join)
        return person

    async def offer(self) -> m.Offer:
        """Have the first worker offer the room."""
        self.one.departures.begin(1, CODE)
        offer: m.Offer = await self.one.says(m.Offer)
        return offer

    async def prepare(self) -> m.Offer:
        """Have the first worker offer the room, and the other one prepared for it."""
        offer = await self.offer()
        self.other.adopt(self.travellers(offer), move=1, payload=offer.payload)
        await self.other.says(m.Prepared)
        return offer

    def travellers(self, offer: m.Offer) -> list[Person]:
        """Return who is offered, in that order."""
        known = {person.number: person for person in self.people}
        return [known[number] for number in offer.connections]

    async def commit(self) -> m.Resumed:
        """Have the other worker go on with the room."""
        self.one.departures.release(1)
        self.other.arrivals.commit(1)
        resumed: m.Resumed = await self.other.says(m.Resumed)
        return resumed

    async def stop(self) -> None:
        """End both workers and all connections."""
        for side in (self.one, self.other):
            await side.host.stop(0.0)
        for person in self.people:
            person.client.sock.close()
            person.copy.close()


@pytest_twisted.async_yield_fixture
async def world() -> AsyncIterator[World]:
    """Make a world; afterwards all descriptors are given back."""
    await deferLater(reactor, 0)
    before = descriptors()
    made = World()
    yield made
    await made.stop()
    await until(lambda: descriptors() <= before)


# --- moves -------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_room_moves_with_its_sockets(world: World) -> None:
    """Frames that are cut in two by the move arrive whole, and what is said goes on."""
    host, guest = await world.sit(token=HOST_TOKEN), await world.sit()
    cut = guest.frame("say", text="cut")
    guest.client.send(cut[:9])
    await deferLater(reactor, 0)
    await world.prepare()
    guest.client.send(cut[9:])
    resumed = await world.commit()
    assert (resumed.room, resumed.connections) == (CODE, 2)
    await host.hears("said", text="cut")
    await guest.hears("ok", id=guest.id)
    await host.does("say", text="on")
    await guest.hears("said", text="on")
    assert not host.client.ended and not guest.client.ended
    assert (world.one.host.census().connections, world.other.host.census().connections) == (0, 2)
    assert world.one.sent == [] and world.other.sent == []


@pytest_twisted.ensureDeferred
async def test_a_room_is_cancelled_and_stays(world: World) -> None:
    """The other worker lets go of sockets that are not its own, and harms none."""
    host, guest = await world.sit(token=HOST_TOKEN), await world.sit()
    await world.prepare()
    host.client.send(host.frame("say", text="waits"))
    world.other.arrivals.cancel(1)
    world.one.departures.abort(1)
    await guest.hears("said", text="waits")
    world.other.arrivals.commit(1)  # too late
    await guest.does("say", text="on")
    assert world.other.host.census().connections == 0
    assert world.other.sent == []


@pytest_twisted.ensureDeferred
async def test_a_cancel_that_comes_while_the_store_is_asked(world: World) -> None:
    """Nothing is prepared then."""
    await world.sit(token=HOST_TOKEN)
    offer = await world.offer()
    world.store.away = True
    world.other.adopt(world.travellers(offer), move=1, payload=offer.payload)
    assert (await world.other.says(m.Refused)).reason == "store_away"
    world.store.away = False
    world.other.arrivals.cancel(1)
    world.other.arrivals.commit(1)
    world.one.departures.abort(1)
    await world.people[0].does("say", text="on")


@pytest.mark.parametrize("fault", ["payload", "version", "cookie", "stranger"])
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_restored_is_refused(world: World, fault: str) -> None:
    """The room goes on where it is, and its players notice nothing."""
    host, guest = await world.sit(token=HOST_TOKEN), await world.sit()
    offer = await world.offer()
    arrivals = [person.arrival() for person in world.travellers(offer)]
    payload = offer.payload
    if fault == "payload":
        payload = b"\xff"
    elif fault == "version":
        payload = payload.replace(b"\xa7version\x01", b"\xa7version\x02")
        assert payload != offer.payload
    elif fault == "cookie":
        arrivals[1] = replace(arrivals[1], cookie=7)
    else:
        arrivals[1] = replace(arrivals[1], connection=2**52)
    world.other.adopt(world.travellers(offer), move=1, payload=payload, arrivals=tuple(arrivals))
    refused = await world.other.says(m.Refused)
    assert (refused.room, refused.move, refused.reason) == (CODE, 1, "unreadable")
    world.one.departures.abort(1)
    await host.does("say", text="on")
    await guest.hears("said", text="on")
    assert not host.client.ended and not guest.client.ended


@pytest_twisted.ensureDeferred
async def test_a_room_in_two_packets(world: World) -> None:
    """Nothing is done before the last one is there."""
    host, guest = await world.sit(token=HOST_TOKEN), await world.sit()
    offer = await world.offer()
    first, second = world.travellers(offer)
    world.other.adopt([first], move=1, more=True)
    assert world.other.sent == []
    world.other.adopt([second], move=1, payload=offer.payload)
    await world.other.says(m.Prepared)
    assert (await world.commit()).connections == 2
    await host.does("say", text="on")
    await guest.hears("said", text="on")


@pytest_twisted.ensureDeferred
async def test_a_packet_whose_descriptors_did_not_fit(world: World) -> None:
    """The room is refused, and what had come of it before is forgotten."""
    host, _ = await world.sit(token=HOST_TOKEN), await world.sit()
    offer = await world.offer()
    first, second = world.travellers(offer)
    world.other.adopt([first], move=1, more=True)
    lost = m.Adopt(room=CODE, move=1, arrivals=(second.arrival(),), since=0.0, payload=b"x")
    world.other.arrivals.refuse(lost)
    assert (await world.other.says(m.Refused)).reason == "descriptors"
    world.other.arrivals.cancel(1)
    world.one.departures.abort(1)
    offer = await world.prepare()
    assert (await world.commit()).connections == 2
    await host.does("say", text="on")


@pytest_twisted.ensureDeferred
async def test_a_room_whose_rest_never_comes(world: World) -> None:
    """What came of it is not taken for a part of the next one: its owner still has it."""
    host, guest = await world.sit(token=HOST_TOKEN), await world.sit()
    offer = await world.offer()
    world.other.adopt([guest], move=1, more=True)
    world.other.arrivals.cancel(1)
    world.one.departures.abort(1)
    newcomer = world.come()
    newcomer.client.send(HEAD)
    newcomer.copy.recv(len(HEAD))
    world.other.adopt([newcomer], arrivals=(newcomer.arrival(head=HEAD),))
    assert (await world.other.says(m.Resumed)).connections == 1
    assert offer.connections == (host.number, guest.number)


@pytest_twisted.ensureDeferred
async def test_who_hangs_up_on_the_way(world: World) -> None:
    """The next owner finds out, and says so."""
    host, leaver = await world.sit(token=HOST_TOKEN), await world.sit()
    await world.prepare()
    leaver.client.leave()
    await world.commit()
    assert (await world.other.says(m.Closed)).connection == leaver.number
    await host.hears("player_left", seat=1)


@pytest_twisted.ensureDeferred
async def test_who_resets_before_the_next_owner_has_it(world: World) -> None:
    """There is no socket to adopt: the next owner says so, once the room is its own."""
    host, leaver = await world.sit(token=HOST_TOKEN), await world.sit()
    offer = await world.offer()
    leaver.client.leave(reset=True)
    await deferLater(reactor, 0.01)
    world.other.adopt(world.travellers(offer), move=1, payload=offer.payload)
    await world.other.says(m.Prepared)
    assert world.other.sent == []
    resumed = await world.commit()
    assert resumed.connections == 1
    assert (await world.other.says(m.Closed)).connection == leaver.number
    await host.hears("player_left", seat=1)


# --- new ones ----------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_socket_that_is_not_the_one_announced(world: World) -> None:
    """It is not taken, and not harmed."""
    person = world.come()
    message = m.Connection(room=CODE, arrival=replace(person.arrival(), cookie=7))
    world.one.arrivals.take(message, [person.copy.dup().detach()])
    assert (await world.one.says(m.NotTaken)).connection == person.number
    world.one.take(person)
    person.client.send(HEAD)
    await until(lambda: person.client.answers)


class Refusing:
    """A reactor without a descriptor left for one more connection."""

    def adoptStreamConnection(self, *_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")


@pytest.fixture
def without_descriptors() -> Iterator[tuple[Side, Clock]]:
    """Make a worker on a clock, which cannot adopt anything."""
    clock = Clock()
    side = Side(MemoryStore(), clock)
    side.site.reactor = Refusing()
    yield side, clock


def test_no_descriptor_is_left_for_a_new_one(without_descriptors: tuple[Side, Clock]) -> None:
    """It is not taken, and nothing of it is left: no alarm for a `join` that never comes."""
    side, clock = without_descriptors
    person = Person()
    side.take(person)
    [told] = side.sent
    assert isinstance(told, m.NotTaken)
    assert clock.getDelayedCalls() == []
    person.copy.close()
    person.client.sock.close()


# --- after a crash -----------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_dead_workers_connections_are_adopted(world: World) -> None:
    """Who had a seat is told the whole state, who was not answered is answered."""
    host = await world.sit(token=HOST_TOKEN)
    unanswered = world.come()
    unanswered.client.send(HEAD)
    await until(lambda: unanswered.copy.recv(4096) == HEAD)
    await world.offer()  # the first worker stands still from here on: it is as good as dead
    world.other.adopt(
        [host, unanswered],
        arrivals=(host.arrival(head=HEAD, answered=True), unanswered.arrival(head=HEAD)),
    )
    resumed = await world.other.says(m.Resumed)
    assert (resumed.move, resumed.connections) == (0, 2)
    state = await host.hears("state")
    assert (state["last_id"], state["state"]["seat"]) == (1, 0)
    await until(lambda: unanswered.client.answers)
    await unanswered.does("join", name="Bita")
    await host.does("say", text="on")
    await unanswered.hears("said", text="on")
    assert host.client.answers == unanswered.client.answers == 1
    world.one.departures.release(1)
