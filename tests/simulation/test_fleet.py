"""Thousands of fleets whose networks, processes and store fail: no room has two owners."""

from __future__ import annotations

import os

import pytest

from tests.simulation.fleet import LEASE, Fleet

SCHEDULES = int(os.environ.get("HOKM_SCHEDULES", "400"))
FAULTY_SECONDS = 40.0
HEALED_SECONDS = 25.0  # the longest fault lasts 30 s, a lease 10
PARTS = 4


def play(seed: int) -> Fleet:
    """Play one schedule; what is promised is checked on the way."""
    fleet = Fleet(seed)
    world = fleet.world
    for _ in range(world.random.randint(1, 5)):
        world.at(world.random.uniform(0, FAULTY_SECONDS), fleet.fault)
    for _ in range(40):
        room, writes = world.random.choice(fleet.rooms), world.random.random() < 0.5
        when = world.random.uniform(0, FAULTY_SECONDS + HEALED_SECONDS)
        world.at(when, lambda room=room, writes=writes: fleet.ask(room, writes=writes))
    world.run(FAULTY_SECONDS + 30.0 + HEALED_SECONDS)
    last = [fleet.ask(room, writes=writes) for room in fleet.rooms for writes in (True, False)]
    world.run(world.now + LEASE)
    if not all(asked.answered for asked in last):
        fleet.broken("it has not healed")
    if fleet.store.gaps:
        fleet.broken("a log has a gap")
    return fleet


@pytest.mark.parametrize("part", range(PARTS))
def test_one_owner(part: int) -> None:
    """Whoever answers has a lease and owns the room; acknowledged is kept; and all heals."""
    answers = 0
    for seed in range(part, SCHEDULES, PARTS):
        fleet = play(seed)
        assert not fleet.breaches, (seed, fleet.faults, fleet.breaches)
        answers += fleet.answers
    assert answers > SCHEDULES // PARTS * 30
