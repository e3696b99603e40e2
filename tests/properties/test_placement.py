"""Placement under any order of workers and rooms coming and going."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hokm.supervisor.placement import BOUND, NoWorker, Placement, RoomCode, WorkerId

WORKERS = st.integers(1, 6).map(WorkerId)
ROOMS = st.integers(1, 60).map(lambda n: RoomCode(f"ROOM{n}"))


class Placing(RuleBasedStateMachine):
    """Compares `Placement` with a plain dict of who is where."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = Placement()
        self.taking: set[WorkerId] = set()
        self.leaving: set[WorkerId] = set()
        self.where: dict[RoomCode, WorkerId] = {}

    @rule(worker=WORKERS)
    def add(self, worker: WorkerId) -> None:
        self.placement.add(worker)
        self.leaving.discard(worker)
        self.taking.add(worker)

    @rule(worker=WORKERS)
    def drain(self, worker: WorkerId) -> None:
        self.placement.draining(worker)
        if worker in self.taking:
            self.taking.discard(worker)
            self.leaving.add(worker)

    @rule(worker=WORKERS)
    def remove(self, worker: WorkerId) -> None:
        mine = {room for room, owner in self.where.items() if owner == worker}
        assert self.placement.remove(worker) == mine
        self.taking.discard(worker)
        self.leaving.discard(worker)
        for room in mine:
            del self.where[room]

    @rule(room=ROOMS)
    def place(self, room: RoomCode) -> None:
        if room not in self.where and not self.taking:
            with pytest.raises(NoWorker):
                self.placement.worker_for(room)
            return
        chosen = self.placement.worker_for(room)
        if room in self.where:
            assert chosen == self.where[room]
            return
        assert chosen in self.taking
        self.where[room] = chosen
        total = sum(owner in self.taking for owner in self.where.values())
        held = sum(owner == chosen for owner in self.where.values())
        assert held <= math.ceil(BOUND * total / len(self.taking))

    @rule(room=ROOMS, worker=WORKERS)
    def unpin(self, room: RoomCode, worker: WorkerId) -> None:
        self.placement.unpin(room, worker)
        if self.where.get(room) == worker:
            del self.where[room]

    @rule(room=ROOMS, worker=WORKERS)
    def pin(self, room: RoomCode, worker: WorkerId) -> None:
        """Note that a room was moved, or found, there."""
        if worker in self.taking | self.leaving:
            self.placement.pin(room, worker)
            self.where[room] = worker

    @rule(room=ROOMS)
    def choose(self, room: RoomCode) -> None:
        """Nothing is pinned by it: `pins_hold` sees to that."""
        if self.taking:
            assert self.placement.choose(room) in self.taking
        else:
            with pytest.raises(NoWorker):
                self.placement.choose(room)

    @rule()
    def rebalance(self) -> None:
        """Move the surplus: the loads are level then, and no room has moved that need not."""
        loads = {worker: self.placement.load(worker) for worker in self.taking}
        floor, rest = divmod(sum(loads.values()), len(loads)) if loads else (0, 0)
        level = sorted((floor + (n < rest) for n in range(len(loads))), reverse=True)
        must = sum(
            max(0, have - wanted)
            for have, wanted in zip(sorted(loads.values(), reverse=True), level, strict=True)
        )
        surplus = self.placement.surplus()
        assert len(surplus) == must
        assert len({room for room, _ in surplus}) == must
        for room, worker in surplus:
            assert self.where[room] in self.taking and self.where[room] != worker
            self.pin(room, worker)
        after = sorted((self.placement.load(worker) for worker in self.taking), reverse=True)
        assert after == level

    @invariant()
    def pins_hold(self) -> None:
        assert self.placement.rooms == len(self.where)
        for room, owner in self.where.items():
            assert self.placement.worker_for(room) == self.placement.where(room) == owner
        for worker in self.taking | self.leaving:
            expected = sum(owner == worker for owner in self.where.values())
            assert self.placement.load(worker) == expected == len(self.placement.rooms_of(worker))


def test_placement_machine() -> None:
    """Pins hold, a worker's exit moves its rooms only, none is above the bound; surplus levels."""
    run_state_machine_as_test(
        Placing, settings=settings(max_examples=80, stateful_step_count=40, deadline=None)
    )
