"""From what was read to the metrics: what is missing stays missing."""

from __future__ import annotations

from typing import Any

import pytest

from hokm.scaling import METRICS, History, Reading, Sample, WorkerReading, measure, remember
from hokm.scaling.rules import LEAST_HORIZON_S
from tests.unit.scaling.samples import sample, scaling

GIGA = 1_000_000_000


def worker(id: int, **changes: Any) -> WorkerReading:
    """Make a worker at half of its power."""
    whole: dict[str, Any] = {"cpu": 0.5, "memory": GIGA, "connections": 80, "rooms": 20}
    return WorkerReading(id=id, **{**whole, "loop_lag_ms": 10.0} | changes)


def reading(*workers: WorkerReading, **changes: Any) -> Reading:
    """Make a look at workers."""
    whole: dict[str, Any] = {
        "at": 200.0,
        "target": len(workers),
        "memory_limit": 8 * GIGA,
        "memory_used": 6 * GIGA,
        "host_cpu": 0.3,
        "queue_length": 7,
        "games_created": 100,
        "game_minutes": 21.0,
    }
    return Reading(workers=workers, **whole | changes)


def measured(one: Reading, history: History = ()) -> Sample:
    return measure(one, history, scaling(max_workers=4))


def test_metrics() -> None:
    """Means, the worst, and parts of what there is."""
    found = measured(reading(worker(1), worker(2, cpu=0.9, memory=0, rooms=10, loop_lag_ms=30.0)))
    assert found == Sample(
        at=200.0,
        target=2,
        workers=2,
        cpu=pytest.approx(70),
        memory=25.0,  # of 2 GB, the share of one of four workers
        connections_per_worker=80.0,
        rooms_per_worker=15.0,
        max_worker_cpu=90.0,
        loop_lag_ms=30.0,
        typical_lag_ms=10.0,
        game_creation_rate=None,
        queue_length=7,
        host_cpu=30.0,
        host_memory=75.0,
        games_created=100,
        game_minutes=21.0,
    )


@pytest.mark.parametrize(
    ("field", "metrics"),
    [
        ("cpu", {"cpu", "max_worker_cpu"}),
        ("memory", {"memory"}),
        ("connections", {"connections_per_worker"}),
        ("rooms", {"rooms_per_worker", "loop_lag_ms", "typical_lag_ms"}),
        ("loop_lag_ms", {"loop_lag_ms", "typical_lag_ms"}),
    ],
)
def test_what_is_missing_of_one_worker_is_missing(field: str, metrics: set[str]) -> None:
    """It may be the one that matters; never is it zero."""
    found = measured(reading(worker(1), worker(2, **{field: None})))
    missing = {name for name in METRICS if found.value(name) is None}
    assert missing == metrics | {"game_creation_rate"}


@pytest.mark.parametrize(
    ("field", "metrics"),
    [
        ("memory_limit", {"memory", "host_memory"}),
        ("memory_used", {"host_memory"}),
        ("host_cpu", {"host_cpu"}),
        ("queue_length", {"queue_length"}),
        ("games_created", {"game_creation_rate"}),
    ],
)
def test_what_is_missing_of_the_machine_is_missing(field: str, metrics: set[str]) -> None:
    """The rest is known."""
    before = (sample(100.0, games_created=90),)
    found = measured(reading(worker(1), **{field: None}), before)
    assert {name for name in METRICS if found.value(name) is None} == metrics


def test_without_workers_nothing_is_known_of_them() -> None:
    """No worker is no worker at 0 %."""
    found = measured(reading())
    assert (found.cpu, found.memory, found.connections_per_worker, found.loop_lag_ms) == (None,) * 4


def test_lag_counts_where_there_are_rooms() -> None:
    """Nobody waits on the others; where nobody plays there is none."""
    idle = worker(1, rooms=0, loop_lag_ms=900.0)
    assert measured(reading(idle, worker(2))).loop_lag_ms == 10.0
    assert measured(reading(idle)).loop_lag_ms == 0.0
    assert measured(reading(worker(1, rooms=0, loop_lag_ms=None), worker(2))).loop_lag_ms == 10.0


def _counted(*counts: tuple[float, int | None]) -> History:
    return tuple(sample(at, games_created=count) for at, count in counts)


@pytest.mark.parametrize(
    ("history", "rate"),
    [
        ((), None),
        (_counted((141, 50)), None),  # 59 s are not enough
        (_counted((140, 50)), 50.0),
        (_counted((79, 0), (80, 60), (195, 99)), 20.0),  # 121 s ago is too long ago
        (_counted((100, None), (140, 95)), 5.0),
        (_counted((100, 100)), 0.0),
        (_counted((100, 5000), (130, 80)), 120 / 7),  # it began anew in between
        (_counted((100, 5000), (150, 80)), None),
    ],
)
def test_rate_of_creations(history: History, rate: float | None) -> None:
    """Per minute over the last two, as far as is known."""
    found = measured(reading(worker(1)), history).game_creation_rate
    assert found == (None if rate is None else pytest.approx(rate))


def test_what_is_old_is_forgotten() -> None:
    """And when the clock goes back, what lies in the future."""
    history: History = ()
    for at in (0.0, 5.0, 10.0, 15.0):
        history = remember(history, sample(at), 10)
    assert [one.at for one in history] == [5, 10, 15]
    history = remember(history, sample(10.0, cpu=1.0), 10)
    assert [(one.at, one.cpu) for one in history] == [(5, 50), (10, 1)]
    assert len(remember(history, sample(-99.0), 10)) == 1


def test_the_horizon_reaches_back_far_enough() -> None:
    """Twice the longest duration: clocks may stand still; and as long as any cooldown.

    Without any rule, as far as overload and the rate of creations look back.
    """
    assert scaling().horizon_s() == 2 * 900 + 10
    assert scaling(keep_s=5000).horizon_s() == 5010
    assert scaling(rule=(), keep_s=0).horizon_s() == LEAST_HORIZON_S + 10
