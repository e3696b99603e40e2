"""When new rooms are refused, and when they are welcome again."""

from __future__ import annotations

import pytest

from hokm.scaling import Overload, WorkerReading, judge, typical_lag

LIMIT = 250.0


def _judged(*lags: float | None, refuses: bool = False, at_most: bool = True) -> list[bool]:
    """Judge one lag after the other, a second apart; returns what was said each time."""
    overload, said = Overload(refuses), []
    for now, lag in enumerate(lags):
        overload = judge(overload, lag, LIMIT, at_most=at_most, now=float(now))
        said.append(overload.refuses)
    return said


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ([250.0] * 9, False),  # exactly the limit is within it
        ([250.1] * 5, False),  # 4 s
        ([250.1] * 6, True),  # 5 s
        ([250.1] * 5 + [250.0, 250.1], False),  # interrupted
        ([250.1] * 5 + [None, 250.1], False),  # what nobody saw does not count
        ([250.1] * 5 + [250.0] + [250.1] * 6, True),
    ],
)
def test_it_begins(lags: list[float | None], expected: bool) -> None:
    """After 5 s above the limit without a break."""
    assert _judged(*lags)[-1] == expected


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ([125.0] * 9, True),  # exactly half of the limit is not under it
        ([124.9] * 5, True),
        ([124.9] * 6, False),
        ([124.9] * 5 + [125.0, 124.9], True),
        ([124.9] * 5 + [None, 124.9], True),
        ([None] * 60, True),  # nothing known is no good news
        ([240.0] * 60, True),  # under the limit, and not by enough
    ],
)
def test_it_ends(lags: list[float | None], expected: bool) -> None:
    """After 5 s under half of the limit without a break."""
    assert _judged(*lags, refuses=True)[-1] == expected


def test_a_lag_around_the_limit_does_not_switch() -> None:
    """Neither from the one side nor from the other."""
    assert not any(_judged(*[240.0, 260.0] * 30))
    assert all(_judged(*[240.0, 260.0] * 30, refuses=True))


def test_while_more_workers_may_come_nobody_is_refused() -> None:
    """However much they lag; also where that was otherwise a moment ago."""
    assert not any(_judged(*[900.0] * 20, at_most=False))
    assert not any(_judged(900.0, refuses=True, at_most=False))


def test_one_sick_worker_is_no_overload() -> None:
    """The worker in the middle counts, of those with rooms; without any nobody waits."""
    lags = (900.0, 3.0, 2.0)
    workers = [WorkerReading(id=n, rooms=1, loop_lag_ms=lag) for n, lag in enumerate(lags)]
    assert typical_lag(tuple(workers)) == 3.0
    assert typical_lag(tuple(workers[:2])) == 3.0
    assert typical_lag((WorkerReading(id=1, rooms=0, loop_lag_ms=900.0),)) == 0.0
    assert typical_lag((*workers, WorkerReading(id=9, rooms=1))) is None
