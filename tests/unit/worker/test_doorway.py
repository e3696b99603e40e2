"""The doorway: who comes is let in a few at a time, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hokm.control import messages as m
from hokm.worker.doorway import PER_TURN, Doorway


def arrivals(count: int) -> tuple[m.Arrival, ...]:
    return tuple(m.Arrival(connection=n, cookie=n, line=n) for n in range(count))


def newcomer(number: int, room: str = "ROOM2222") -> m.Connection:
    return m.Connection(room=room, arrival=m.Arrival(connection=number, cookie=0, line=0))


class World:
    """A doorway, its clock, and who was let in."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.came: list[Any] = []
        clock: Any = self
        self.doorway = Doorway(clock=clock, let_in=lambda message, _: self.take(message))

    def callLater(self, seconds: float, call: Callable[[], None]) -> None:
        """Note what the next turn is to do."""
        assert seconds == 0.0
        self.due.append(call)

    def take(self, message: Any) -> None:
        """Let one in."""
        self.came.append(message)

    def turn(self) -> list[Any]:
        """Let the reactor turn once; returns who was let in."""
        self.came = []
        due, self.due = self.due, []
        for call in due:
            call()
        return self.came


def test_a_crowd_is_let_in_by_turns() -> None:
    """In order, the same number in each turn, and nobody is left."""
    world = World()
    crowd = [newcomer(number) for number in range(2 * PER_TURN + 1)]
    for one in crowd:
        world.doorway.come(one, [0])
    assert not world.came
    turns = [world.turn() for _ in range(3)]
    assert [len(turn) for turn in turns] == [PER_TURN, PER_TURN, 1]
    assert [one for turn in turns for one in turn] == crowd
    assert not world.doorway and not world.due


def test_a_room_counts_by_its_connections() -> None:
    """Its packets are let in together, however many they are."""
    world = World()
    parts = [
        m.Adopt(room="ROOM2222", move=0, since=0.0, arrivals=arrivals(PER_TURN), more=more)
        for more in (True, False)
    ]
    for part in parts:
        world.doorway.come(part, [0] * PER_TURN)
    world.doorway.come(newcomer(1), [0])
    assert world.turn() == parts
    assert world.turn() == [newcomer(1)]


def test_who_waits_for_a_room_can_be_let_in_at_once() -> None:
    """Before the room goes elsewhere; the others keep their order."""
    world = World()
    for number, room in enumerate(("ROOM2222", "ROOM3333", "ROOM2222", "ROOM4444")):
        world.doorway.come(newcomer(number, room), [0])
    world.doorway.hurry("ROOM2222")
    assert [message.arrival.connection for message in world.came] == [0, 2]
    assert [message.arrival.connection for message in world.turn()] == [1, 3]


def test_a_fault_of_one_is_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next in the row are let in all the same."""
    world = World()
    take = world.take

    def fault(message: Any) -> None:
        take(message)
        raise ValueError(message)

    monkeypatch.setattr(world, "take", fault)
    for number in range(PER_TURN + 1):
        world.doorway.come(newcomer(number), [0])
    assert len(world.turn()) == PER_TURN
    assert len(world.turn()) == 1
