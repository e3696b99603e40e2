"""Hypothesis looks for loads that make workers flap or come late, and for odd decisions."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hokm.scaling import DEFAULTS, Load, RoomCost, Sample, Scaling, choose_moves, decide, remember
from hokm.scaling.simulator import World, simulate
from hokm.scaling.traces import Trace, noisy, through

PART_S = 450.0
LIKELY: dict[str, float] = {  # the range of values that says something to the rules
    "cpu": 120,
    "memory": 120,
    "connections_per_worker": 300,
    "rooms_per_worker": 80,
    "max_worker_cpu": 120,
    "loop_lag_ms": 600,
    "typical_lag_ms": 600,
    "game_creation_rate": 60,
    "queue_length": 60,
    "host_cpu": 120,
    "host_memory": 120,
}
CHANCES = st.integers(0, 2**32 - 1)


@st.composite
def loads(draw: st.DrawFn) -> tuple[Scaling, World, Trace, Random]:
    """Draw a load of eight parts, how it is measured, and the server it is on."""
    most = draw(st.integers(2, 8))
    cost = draw(st.sampled_from([0.0005, 0.002, 0.01]))
    full = min(800.0, most * min(100.0, 0.7 / cost))
    parts = draw(st.lists(st.floats(0, 1.2), min_size=8, max_size=8))
    steady = draw(st.booleans())  # nearly: the load that flaps are defined by
    base = draw(st.floats(0.05, 1))
    heights = [base * (0.95 + 0.1 * min(1.0, part)) if steady else part for part in parts]
    points = [(n * PART_S, full * height) for n, height in enumerate(heights)]
    gaps = draw(st.lists(st.tuples(st.floats(0, 3600), st.floats(5, 900)), max_size=2))
    trace = Trace(
        name="drawn",
        seconds=8 * PART_S,
        calm=through(*points),
        blind=tuple((begin, begin + length) for begin, length in gaps),
    )
    chance = Random(draw(CHANCES))
    trace = noisy(trace, draw(st.floats(0, 0.1)), chance)
    world = World(
        workers=draw(st.integers(1, most)),
        cpu_per_player=cost,
        cpu_noise=draw(st.floats(0, 0.1)),
        loss=draw(st.sampled_from([0.0, 0.05])),
    )
    return Scaling(min_workers=1, max_workers=most), world, trace, chance


@settings(max_examples=100, deadline=None)
@given(loads())
def test_no_load_makes_workers_flap(load: tuple[Scaling, World, Trace, Random]) -> None:
    """No addition and removal within 20 minutes while the load stays within 10 %."""
    scaling, world, trace, chance = load
    assert simulate(scaling, trace, world, chance).flaps == ()


@settings(max_examples=60, deadline=None)
@given(
    workers=st.integers(1, 8),
    part=st.floats(0.2, 0.68),
    cost=st.sampled_from([0.003, 0.005, 0.01]),
    begin=st.floats(60, 400),
    noise=st.floats(0, 0.1),
    chance=CHANCES.map(Random),
)
def test_no_doubling_finds_too_few_workers(
    workers: int, part: float, cost: float, begin: float, noise: float, chance: Random
) -> None:
    """A load that doubles within 5 minutes is short of workers for a minute at most."""
    half = workers * part / cost
    calm = through((begin, half), (begin + 300, 2 * half))
    trace = noisy(Trace(name="doubling", seconds=begin + 600, calm=calm), noise, chance)
    world = World(workers=workers, cpu_per_player=cost, cpu_noise=noise)
    rules = tuple(r for r in DEFAULTS if r.metric in ("cpu", "max_worker_cpu", "loop_lag_ms"))
    scaling = Scaling(min_workers=1, max_workers=24, rule=rules)
    assert simulate(scaling, trace, world, chance).shortfall_s <= 60


@st.composite
def histories(draw: st.DrawFn) -> tuple[Sample, ...]:
    """Draw samples that stay for a while, of numbers of workers that change, with gaps."""
    found: tuple[Sample, ...] = ()
    at = 0.0
    for _ in range(draw(st.integers(1, 6))):
        workers = draw(st.integers(1, 10))
        values: dict[str, Any] = {
            name: draw(st.none() | st.floats(0, most)) for name, most in LIKELY.items()
        }
        values["game_minutes"] = draw(st.none() | st.floats(1, 90))
        target = draw(st.integers(1, 10))
        for _ in range(draw(st.sampled_from([1, 8, 60, 300]))):
            at += 5
            one = Sample(at=at, target=target, workers=workers, **values)
            found = remember(found, one, 1810)
        at += draw(st.sampled_from([0, 0, 40, 2000]))
    return found


@settings(max_examples=300, deadline=None)
@given(histories(), st.integers(1, 4), st.integers(0, 6), st.floats(0, 60))
def test_decisions(history: tuple[Sample, ...], least: int, more: int, late: float) -> None:
    """Always within the bounds, with a reason, and nothing is changed on what is not known."""
    scaling = Scaling(min_workers=least, max_workers=least + more)
    now = history[-1].at + late
    decision = decide(scaling, history, now)
    assert decision == decide(scaling, history, now)
    assert least <= decision.target <= least + more
    assert decision.reasons
    assert len(decision.rules) == len(scaling.rule)
    have = min(max(history[-1].target, least), least + more)
    acted = [each for each in decision.rules if each.state == "fired"]
    if late > 7.5 or not acted:
        assert decision.target == have
    if decision.target < have:
        assert all(history[-1].value(r.metric) is not None for r in DEFAULTS if r.adds == "worker")
        assert all(each.direction == "below" for each in acted if "instance" not in each.note)
    for each in decision.rules:
        assert 0 <= each.held_s <= each.duration_s
        assert (each.value is None) == (each.state == "unknown") == (each.level is None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 6), st.floats(0, 9)), max_size=60),
    st.integers(0, 30),
)
def test_moves(heats: list[tuple[float, bool]], held: list[tuple[int, float]], most: int) -> None:
    """No more than allowed, none twice; off hot or lagging workers to cooler, healthy ones."""
    all_loads = [Load(n, heat, lags) for n, (heat, lags) in enumerate(heats, 1)]
    rooms = [RoomCost(f"R{n}", worker, cost) for n, (worker, cost) in enumerate(held)]
    moves = choose_moves(
        all_loads, rooms, tolerance=0.1, most=most, affinity=lambda room, worker: 0
    )
    assert len(moves) <= most
    assert len({move.room for move in moves}) == len(moves)
    where = {room.room: room.worker for room in rooms}
    by_id = {load.worker: load for load in all_loads}
    for move in moves:
        source, target = by_id[move.source], by_id[move.target]
        assert where[move.room] == move.source != move.target
        assert source.heat > 1 or source.lags
        assert source.heat >= target.heat and not target.lags


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=6),
    st.floats(0.02, 0.2),
)
def test_moves_come_to_an_end(counts: list[int], unit: float) -> None:
    """Asked again and again on a load that stays, it stops, and nobody is hotter for it."""
    where = {f"R{w}X{n}": w for w, count in enumerate(counts) for n in range(count)}
    hottest = max(counts) * unit
    for _ in itertools.repeat(None, 50):
        heat = [unit * sum(at == w for at in where.values()) for w in range(len(counts))]
        assert max(heat) <= hottest + 1e-9
        moves = choose_moves(
            [Load(w, h) for w, h in enumerate(heat)],
            [RoomCost(room, w, 1.0) for room, w in where.items()],
            tolerance=0.1,
            most=10,
            affinity=lambda room, worker: 0,
        )
        if not moves:
            return
        hottest = max(heat)
        where |= {move.room: move.target for move in moves}
    raise AssertionError("rooms still move")
