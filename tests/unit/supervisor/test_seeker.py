"""Connections whose room is not here; on real sockets, whose far ends say what they were told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from hokm.fleet import Lease, Member, Owner
from hokm.metrics import Metrics
from hokm.origin import Origin
from hokm.store.store import StoreAway
from hokm.supervisor import seeker as seekers
from hokm.supervisor.head import Head
from hokm.supervisor.seeker import PATIENCE_SECONDS, Seeker
from tests.movable import HEAD, connect

LEASE = 9.0
OTHER = Member(id="b", holder="b", address="192.0.2.2:8765")


class World:
    """An instance that knows of another one.

    Attributes:
        owner: Of the room, as the store says; or what the store fails with.
        taken, relayed: Connections, by what became of them.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.owner: Owner | Exception | None = None
        self.here: set[str] = set()
        self.taken: list[socket.socket] = []
        self.relayed: list[dict[str, Any]] = []
        self.given_up: list[tuple[str, int]] = []
        self.fleet: Any = SimpleNamespace(
            identity=SimpleNamespace(id="a"),
            lease=Lease(LEASE),
            state="active",
            others=(OTHER,),
            locate=self._locate,
            give_up=self._give_up,
        )
        self.seeker = Seeker(
            clock=self.clock,
            fleet=self.fleet,
            is_here=lambda room: room in self.here,
            take=lambda head, sock, origin: self.taken.append(sock),
            relay=lambda sock, **how: self.relayed.append({"sock": sock, **how}),
            metrics=Metrics(),
        )
        self.sockets: list[socket.socket] = []

    async def _give_up(self, room: str, owner: Owner) -> None:
        self.given_up.append((room, owner.epoch))

    async def _locate(self, room: str) -> Owner | None:
        if isinstance(self.owner, Exception):
            raise self.owner
        return self.owner

    def come(self, hops: int = 0) -> socket.socket:
        """Let a player connect; returns his end."""
        ours, theirs = connect()
        ours.setblocking(False)
        theirs.settimeout(2.0)
        theirs.sendall(HEAD)
        self.sockets += [ours, theirs]
        origin = Origin(address="198.51.100.7", hops=hops)
        self.seeker.seek(Head("GET", "/ws", "ABCD", True, HEAD), ours, origin)
        return theirs


@pytest.fixture
def world() -> Iterator[World]:
    """Make an instance to which nobody has come."""
    found = World()
    yield found
    for sock in found.sockets:
        sock.close()


def test_a_free_room_is_taken(world: World) -> None:
    """So is one while the store is away: its players see the pause at the table."""
    world.come()
    world.owner = StoreAway("away")
    world.come()
    assert (len(world.taken), world.relayed, len(world.seeker)) == (2, [], 0)


def test_anothers_room_is_relayed(world: World) -> None:
    """With the player's address, and how often it was."""
    world.owner = Owner("b", 1, OTHER, LEASE)
    world.come(hops=1)
    [relayed] = world.relayed
    assert relayed["origin"] == "198.51.100.7"
    assert (relayed["to"], relayed["hops"]) == (("192.0.2.2", 8765), 1)
    assert world.seeker.relayed == 1


def test_who_leaves_gives_up_what_no_worker_has(world: World) -> None:
    """Else the other instance could not claim it; while the store is away nobody is let in."""
    world.fleet.state = "leaving"
    world.owner = StoreAway("away")
    world.come()
    assert (world.taken, len(world.seeker)) == ([], 1)
    world.owner = Owner("a", 3, OTHER, LEASE)
    world.clock.advance(1)
    assert world.given_up == [("ABCD", 3)]
    assert [relayed["to"] for relayed in world.relayed] == [("192.0.2.2", 8765)]


def test_a_room_that_has_come_here_meanwhile_is_not_given_up(world: World) -> None:
    """A worker has claimed it while the store was asked."""
    world.fleet.state = "leaving"
    world.owner = Owner("a", 3, OTHER, LEASE)
    world.here.add("ABCD")
    world.come()
    assert (len(world.taken), world.given_up) == (1, [])


def test_a_dead_owners_lease_is_waited_for(world: World) -> None:
    """And not longer than it lasts."""
    world.owner = Owner("b", 1, OTHER, 1.2)
    world.come()
    for left in (0.7, 0.2):
        world.clock.advance(0.5)
        world.owner = Owner("b", 1, OTHER, left)
    assert (world.taken, len(world.seeker)) == ([], 1)
    world.clock.advance(0.4)
    assert world.taken == []
    world.owner = Owner("b", 1)
    world.clock.advance(0.3)
    assert (len(world.taken), len(world.seeker)) == (1, 0)


def test_nobody_waits_for_ever(world: World) -> None:
    """Who has waited a lease and a bit is told to come again."""
    world.owner = Owner("b", 1, OTHER, 0.3)
    player = world.come()
    for _ in range(int((LEASE + PATIENCE_SECONDS) / 0.3) + 3):
        world.clock.advance(0.3)
    assert player.recv(100).startswith(b"HTTP/1.1 503")
    assert (world.taken, len(world.seeker)) == ([], 0)


def test_an_answer_that_nobody_expects(world: World) -> None:
    """Costs its player a new connection, and holds no place."""
    world.owner = RuntimeError("ERR unknown command")
    player = world.come()
    assert player.recv(100).startswith(b"HTTP/1.1 503")
    assert (world.taken, len(world.seeker)) == ([], 0)


def test_too_many_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come again."""
    monkeypatch.setattr(seekers, "MAX_WAITING", 1)
    world.owner = Owner("b", 1, OTHER, 0.3)
    world.come()
    assert world.come().recv(100).startswith(b"HTTP/1.1 503")


def test_the_end(world: World) -> None:
    """All who wait are told to come again, and who still comes, too."""
    world.owner = Owner("b", 1, OTHER, 0.3)
    player = world.come()
    [(_, origin)] = world.seeker.waiting()
    assert origin.address == "198.51.100.7"
    world.seeker.stop()
    assert player.recv(100).startswith(b"HTTP/1.1 503")
    assert world.come().recv(100).startswith(b"HTTP/1.1 503")
    world.clock.advance(1)
    assert (world.taken, world.relayed) == ([], [])
