"""What is kept for a next life, whatever becomes of the connections."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokm.supervisor import estate as e
from hokm.supervisor.connections import Connections
from hokm.supervisor.keeping import CLOSED, MOST_ESTATES, Keeping, forget_all
from hokm.supervisor.parcel import unpack
from hokm.supervisor.placement import RoomCode
from hokm.supervisor.systemd import ServiceManager
from tests.unit.supervisor.fakes import close_all, connections

ROOM = RoomCode("ABCD")
LISTENER = 0  # any descriptor
MOST = 16  # FileDescriptorStoreMax= in etc/systemd/hokm.service


class Manager:
    """Keeps descriptors, as systemd does; `most` is the highest number it ever had."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, int]] = []
        self.most = 0

    def store(self, name: str, fds: Sequence[int], *, poll: bool = True) -> None:
        assert not poll
        for fd in fds:
            if not any(os.path.sameopenfile(fd, other) for _, other in self.kept):
                self.kept.append((name, os.dup(fd)))
        self.most = max(self.most, len(self.kept))

    def remove(self, name: str) -> None:
        for one in [one for one in self.kept if one[0] == name]:
            self.kept.remove(one)
            os.close(one[1])

    @property
    def real(self) -> ServiceManager:
        return cast(ServiceManager, self)

    def names(self) -> set[str]:
        return {name for name, _ in self.kept}

    def inherited(self) -> tuple[e.Estate, int]:
        """Return what a next life reads, and how many sockets it gets; nothing is kept then."""
        states, sockets = [], 0
        for name, fd in self.kept:
            if name.startswith(e.STATE_NAMES):
                states.append(e.read(fd))
            elif name.startswith(e.CONNECTIONS_NAMES):
                found = unpack(fd)
                sockets += len(found)
                for one in found:
                    os.close(one)
            else:
                os.close(fd)
        self.kept = []
        return e.together(states), sockets


@pytest.fixture
def held() -> Iterator[Connections]:
    """Make an empty list, and close what is left in it."""
    made = connections()
    yield made
    close_all(made)


def come(held: Connections, count: int = 1) -> None:
    for _ in range(count):
        held.add(ROOM, b"GET", socket.socket(socket.AF_UNIX))


def keep(manager: Manager, held: Connections, earlier: Sequence[int] = ()) -> Keeping:
    made = Keeping(
        manager=manager.real, connections=held, ports=lambda: [LISTENER], earlier=earlier
    )
    made.start()
    return made


def numbers(estate: e.Estate) -> set[int]:
    return {one.number for one in estate.connections}


@given(st.lists(st.sampled_from(["come", "go", "watch", "look"]), max_size=60))
def test_each_connection_is_kept_after_a_look(steps: list[str]) -> None:
    """With what is known of it, in as many descriptors as the unit allows."""
    manager, held = Manager(), connections()
    keeping = keep(manager, held)
    for step in [*steps, "look"]:
        if step == "come":
            come(held)
        elif step == "go" and len(held):
            held.close(held.all()[0])
        elif step == "watch" and len(held):
            held.all()[-1].watching = True
        elif step == "look":
            keeping.look()
    watching = {one.number: one.watching for one in held.all()}
    close_all(held)
    left, sockets = manager.inherited()
    told = {one.number: one.watching for one in left.connections}
    assert watching.items() <= told.items()
    assert sockets >= len(watching)
    assert manager.most <= MOST


def test_nothing_new_is_no_work(held: Connections) -> None:
    """A look tells the service manager nothing then."""
    manager = Manager()
    come(held)
    keeping = keep(manager, held)
    before = list(manager.kept)
    keeping.look()
    assert manager.kept == before
    manager.inherited()


def test_closed_connections_are_got_rid_of(held: Connections) -> None:
    """As soon as they are many; until then they cost a line each."""
    manager = Manager()
    come(held, CLOSED + 2)
    keeping = keep(manager, held)
    close_all(held)
    keeping.look()
    assert manager.inherited()[0].connections == ()


def test_many_estates_become_one(held: Connections) -> None:
    """The older ones are forgotten once the new one is there."""
    manager = Manager()
    keeping = keep(manager, held)
    for _ in range(3 * MOST_ESTATES):
        come(held)
        keeping.look()
        assert len(keeping.numbers) <= MOST_ESTATES
        assert manager.names() == {
            e.LEDGER_NAME,
            e.LISTEN_NAME,
            *(f"{kind}{n}" for n in keeping.numbers for kind in ("state-", "players-")),
        }
    left, sockets = manager.inherited()
    assert sockets == len(left.connections) == len(held)


def test_a_next_life_takes_the_place_of_the_one_before(held: Connections) -> None:
    """Its numbers go on, and what was kept before goes when its own is there."""
    manager = Manager()
    come(held)
    first = keep(manager, held)
    second = keep(manager, held, earlier=first.numbers)
    assert not set(first.numbers) & set(second.numbers)
    second.leave([e.KeptRoom(ROOM, b"x", 1.5, (1,))], 3)
    left, _ = manager.inherited()
    assert (numbers(left), left.rooms[0].payload, left.target) == ({1}, b"x", 3)


def test_what_the_system_refuses_takes_nothing_away(held: Connections) -> None:
    """What is kept already stays, and a later look tries again."""
    manager = Manager()
    come(held, 2)
    keeping = keep(manager, held)
    come(held)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        keeping.look()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    keeping.look()
    assert numbers(manager.inherited()[0]) == {1, 2, 3}


def test_all_is_forgotten(held: Connections) -> None:
    """Where the settings have changed, nothing is kept any more."""
    manager = Manager()
    keeping = keep(manager, held)
    forget_all(manager.real, keeping.numbers)
    assert manager.kept == []
