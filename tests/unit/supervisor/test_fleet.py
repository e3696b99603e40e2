"""An instance's membership: its lease, its id, and what it knows of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.fleet import Member
from hokm.store.embedded import StateDir, StateDirError
from hokm.store.registry import IdTaken, Registry, Renewal
from hokm.store.store import StoreAway
from hokm.supervisor.fleet import LOOK_SECONDS, RETRY_SECONDS, Fleet, Load
from hokm.supervisor.identity import Identity, identify

LEASE = 9.0
OTHER = Member(id="b", holder="b", address="table-2:8765", source="192.0.2.2")


class FakeRegistry:
    """Answers as a test says.

    Attributes:
        answer: Of each renewal.
        said: What the instance said of itself.
    """

    def __init__(self) -> None:
        self.answer: Renewal | Exception = Renewal(True, (OTHER,))
        self.said: list[Member] = []

    async def quit(self, id: str, holder: str) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer

    async def renew(self, describe: Any, lease_s: float) -> Renewal:
        self.said.append(describe("192.0.2.1"))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    """A fleet of which instance a is to be a member."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.registry = FakeRegistry()
        self.renewed: list[bool] = []
        self.taken: list[str] = []
        self.fleet = Fleet(
            clock=self.clock,
            registry=cast(Registry, self.registry),
            identity=Identity("a", "secret/boot"),
            lease_s=LEASE,
            advertise=lambda host: f"{host}:8765",
            load=lambda: Load(workers=2, rooms=3, connections=12),
            on_renewed=lambda asked, anew: self.renewed.append(anew),
            on_taken=self.taken.append,
        )


@pytest.fixture
def world() -> World:
    """Make an instance that is no member yet."""
    return World()


def test_the_lease_is_kept(world: World) -> None:
    """It is renewed each third of its length, and the workers are told each time."""
    assert not world.fleet.holds
    world.fleet.start()
    assert world.fleet.holds
    world.registry.answer = Renewal(False, ())
    for _ in range(30):
        world.clock.advance(0.1)
    assert world.renewed == [True, False]
    world.fleet.stop()
    world.clock.advance(60)
    assert len(world.renewed) == 2


def test_the_store_is_away(world: World) -> None:
    """It is asked again soon, and nobody is told of a lease."""
    world.registry.answer = StoreAway("away")
    world.fleet.start()
    for _ in range(4):
        world.clock.advance(RETRY_SECONDS)
    assert (len(world.registry.said), world.renewed) == (5, [])
    assert not world.fleet.holds


def test_a_fault_of_ours_ends_no_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a renewal meets, it is tried again."""
    logged: list[Any] = []
    monkeypatch.setattr("hokm.supervisor.fleet._log.failure", lambda text: logged.append(text))
    world.fleet.start()
    good, world.registry.answer = world.registry.answer, RuntimeError("NOPERM")
    world.clock.advance(LEASE / 3)
    assert len(logged) == 1
    world.registry.answer = good
    world.clock.advance(RETRY_SECONDS)
    assert len(world.renewed) == 2 and world.fleet.holds


@pytest.mark.parametrize("answer", [StoreAway("away"), RuntimeError("ERR unknown command")])
def test_whatever_the_store_answers(world: World, answer: Exception) -> None:
    """Who leaves, ends or keeps the lease goes on."""
    world.registry.answer = answer
    ended: list[None] = []
    for work in (world.fleet.leave, world.fleet.quit):
        Deferred.fromCoroutine(work()).addCallback(ended.append)
    assert ended == [None, None]


def test_what_is_said_of_it(world: World) -> None:
    """Where it is, what it has to do; and that it leaves, as soon as it does."""
    world.fleet.start()
    [said] = world.registry.said
    assert (said.id, said.holder, said.address) == ("a", "secret/boot", "192.0.2.1:8765")
    assert (said.workers, said.rooms, said.connections) == (2, 3, 12)
    world.clock.advance(0)
    from hokm.tasks import run

    run(world.fleet.leave(), "leave")
    assert [member.state for member in world.registry.said] == ["active", "leaving"]
    assert [(member.id, member.state) for member in world.fleet.all()] == [
        ("a", "leaving"),
        ("b", "active"),
    ]


def test_a_living_server_has_the_id(world: World) -> None:
    """Its lease is renewed before our eyes: we end."""
    world.registry.answer = IdTaken(2.0)
    world.fleet.start()
    world.registry.answer = IdTaken(1.7)
    world.clock.advance(RETRY_SECONDS)
    assert world.taken == []
    world.registry.answer = IdTaken(8.9)
    world.clock.advance(RETRY_SECONDS)
    [reason] = world.taken
    assert "instance a" in reason and "instance_id" in reason


def test_a_dead_server_had_the_id(world: World) -> None:
    """Its lease runs out, and is ours."""
    world.registry.answer = IdTaken(0.1)
    world.fleet.start()
    world.registry.answer = Renewal(True, ())
    world.clock.advance(RETRY_SECONDS)
    assert (world.taken, world.renewed) == ([], [True])


def test_whose_word_counts(world: World) -> None:
    """The other instances', from where they reach the store, and from where they listen."""
    world.fleet.start()
    assert world.fleet.is_member("192.0.2.2")
    assert not world.fleet.is_member("192.0.2.3")


def test_who_is_not_known_may_be_new(world: World) -> None:
    """The others are looked at again, though not each time: the next word of his counts."""
    world.registry.answer = Renewal(False, ())
    world.fleet.start()
    world.registry.answer = Renewal(False, (OTHER,))
    assert not world.fleet.is_member("192.0.2.2")
    assert len(world.registry.said) == 1
    world.fleet.lease.asked -= LOOK_SECONDS
    assert not world.fleet.is_member("192.0.2.2")
    assert world.fleet.is_member("192.0.2.2")
    assert len(world.registry.said) == 2


def test_an_identity_is_kept(tmp_path: Path) -> None:
    """The next server on the same directory is the same instance, and the same holder."""
    state = StateDir(tmp_path / "one")
    first = identify(state, None)
    assert identify(state, None) == first
    assert first.id and len(first.holder) > 32
    named = identify(state, "table-1")
    assert (named.id, named.holder) == ("table-1", first.holder)
    other = identify(StateDir(tmp_path / "two"), "table-1")
    assert other.holder != first.holder


def test_an_identity_that_cannot_be_read(tmp_path: Path) -> None:
    """It is said, in a line, and nothing is made up."""
    state = StateDir(tmp_path / "one")
    (tmp_path / "one" / "instance.json").write_text("{}")
    with pytest.raises(StateDirError, match=r"instance\.json cannot be read"):
        identify(state, None)
