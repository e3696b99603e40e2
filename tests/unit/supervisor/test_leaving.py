"""How an instance gives its rooms up: all of them, in handfuls, and in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.control import messages as m
from hokm.fleet import Member
from hokm.jobs import Failed, Job, Refused
from hokm.supervisor.leaving import NOTICE_SECONDS, PACE_SECONDS, ROOMS_AT_ONCE, Leaving
from hokm.supervisor.placement import Placement, RoomCode
from tests.unit.supervisor.fakes import FakeWorker

OTHER = Member(id="b", holder="b", address="192.0.2.2:8765")


class World:
    """An instance with rooms on one worker, which gives up what it is told to."""

    def __init__(self, rooms: int) -> None:
        self.clock = Clock()
        self.worker = FakeWorker(1)
        self.placement = Placement()
        self.placement.add(self.worker.id)
        for number in range(rooms):
            self.placement.pin(RoomCode(f"ROOM{number:04}"), self.worker.id)
        self.fleet: Any = SimpleNamespace(others=(OTHER,), leave=self._leave)
        self.left = False
        routing: Any = SimpleNamespace(placement=self.placement, moves={})
        pool: Any = SimpleNamespace(active=[self.worker])
        self.leaving = Leaving(reactor=self.clock, fleet=self.fleet, routing=routing, pool=pool)
        self.job = Job(id=1, verb="leave", subject="the fleet", clock=self.clock)
        self.outcome: list[Any] = []

    async def _leave(self) -> None:
        self.left = True

    def leave(self, seconds: float) -> None:
        """Begin."""
        work = Deferred.fromCoroutine(self.leaving.leave(self.job, seconds))
        work.addCallbacks(self.outcome.append, lambda f: self.outcome.append(f.value))

    def told(self) -> int:
        """Count the rooms that the worker was told to give up since it was asked; it does."""
        rooms = [message.room for message in self.worker.told if isinstance(message, m.HandOver)]
        self.worker.told.clear()
        for room in rooms:
            self.placement.unpin(RoomCode(room), self.worker.id)
        return len(rooms)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([PACE_SECONDS] * round(seconds / PACE_SECONDS))


def test_nobody_else_is_there() -> None:
    """The rooms stay."""
    world = World(1)
    world.fleet.others = (Member(id="b", holder="b", address="b:1", state="leaving"),)
    with pytest.raises(Refused) as refused:
        world.leaving.check()
    assert refused.value.code == "last_instance"
    Deferred.fromCoroutine(world.leaving.leave_at_end(5.0))
    assert not world.left


def test_rooms_go_in_handfuls() -> None:
    """The others and the balancers hear of it first."""
    world = World(20)
    world.leave(60.0)
    assert world.left and world.leaving.under_way
    world.clock.advance(NOTICE_SECONDS - 0.1)
    assert world.told() == 0
    world.clock.advance(0.1)
    counts = []
    while not world.outcome:
        counts.append(world.told())
        world.clock.advance(PACE_SECONDS)
    assert counts[:3] == [ROOMS_AT_ONCE, ROOMS_AT_ONCE, 20 - 2 * ROOMS_AT_ONCE]
    assert (world.outcome, world.job.done, world.job.total) == ([None], 20, 20)
    assert not world.leaving.under_way


def test_with_little_time_handfuls_are_larger() -> None:
    """Half of it is left for those that do not go at the first try."""
    world = World(400)
    world.leave(4.0)
    world.clock.advance(NOTICE_SECONDS)
    counts = []
    while not world.outcome:
        counts.append(world.told())
        world.clock.advance(PACE_SECONDS)
    assert sum(counts) == 400
    assert len([count for count in counts if count]) * PACE_SECONDS <= 2.0


def test_rooms_that_do_not_go_are_asked_for_again() -> None:
    """Until the time is over; the job says how many stayed."""
    world = World(2)
    world.leave(10.0)
    world.clock.advance(NOTICE_SECONDS)
    world.worker.told.clear()
    world.pass_time(3.0)
    assert len(world.worker.told) >= 4
    world.pass_time(10.0)
    [failure] = world.outcome
    assert isinstance(failure, Failed) and "2 rooms" in str(failure)
