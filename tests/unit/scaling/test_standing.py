"""How long a rule has held: continuous truth, counted where there is evidence."""

from __future__ import annotations

from typing import Any

import pytest

from hokm.scaling import History
from hokm.scaling.standing import changes, held_s, stand
from tests.unit.scaling.samples import blind, rule, sample, scaling, series

HIGH: dict[str, Any] = {"cpu": 71.0}
LOW: dict[str, Any] = {"cpu": 70.0}
CPU = rule("high_cpu_usage")  # above 70 for 120 s


def _held(history: History) -> float:
    return held_s(CPU, scaling(), history)


def test_time_above_counts_up_to_the_duration() -> None:
    """It begins with the first sample above, and ends at the duration."""
    assert _held(series((50, LOW), (0, HIGH))) == 0
    assert _held(series((50, LOW), (60, HIGH))) == 60
    assert _held(series((50, LOW), (500, HIGH))) == 120


def test_one_sample_on_the_other_side_begins_it_anew() -> None:
    """The threshold itself is the other side."""
    assert _held(series((100, HIGH), (5, LOW), (15, HIGH))) == 15


def test_the_clock_stands_still_while_samples_are_missing() -> None:
    """Missing is neither held nor an interruption, whether lost or without a value."""
    whole = series((100, HIGH))
    for missing in (1, 5):
        lost = whole[:10] + whole[10 + missing :]
        unknown = (
            whole[:10]
            + tuple(blind(5.0 * (10 + n)) for n in range(missing))
            + whole[10 + missing :]
        )
        assert _held(lost) == _held(unknown) == 100 - 5 * (missing + 1)


def test_after_a_long_gap_it_begins_anew() -> None:
    """A minute here, half of the duration; a little less is bridged."""
    whole = series((200, HIGH))
    assert _held(whole[:10] + whole[21:]) == 120  # 45 s, 60 s of nothing, 95 s
    assert (
        _held(whole[:10] + whole[22:]) == 90
    )  # after 65 s of nothing what was before is forgotten
    short = rule("slow_event_loop")  # 30 s
    lags = series((100, {"loop_lag_ms": 51.0}))
    assert held_s(short, scaling(), lags[:-6] + lags[-3:]) == 10  # after 20 s of nothing
    assert held_s(short, scaling(), lags[:-5] + lags[-3:]) == 30  # 15 s


def test_fractions_of_seconds_add_up() -> None:
    """30 steps of 0.1 s are 3 s."""
    history = tuple(sample(n / 10, cpu=99.0) for n in range(31))
    quick = type(CPU)(name="q", metric="cpu", above=70, duration_s=3, cooldown_s=0)
    assert held_s(quick, scaling(interval_s=0.1), history) == 3


@pytest.mark.parametrize(
    ("history", "state", "level", "held"),
    [
        (series((300, LOW)), "quiet", 1.0, 0),
        (series((300, {"cpu": 35.0})), "quiet", 0.5, 0),
        (series((300, LOW), (115, HIGH)), "holding", 1.014, 115),
        (series((300, LOW), (120, HIGH)), "fired", 1.014, 120),
        ((*series((300, HIGH)), blind(305)), "unknown", None, 0),
    ],
)
def test_states(history: History, state: str, level: float | None, held: float) -> None:
    """Quiet, holding, fired; unknown without a value, however long it has held."""
    now = history[-1].at
    found = stand(CPU, scaling(), history, now, changes(history, now))
    assert (found.state, found.level, found.held_s) == (state, level, held)
    assert (found.rule, found.threshold, found.direction) == ("high_cpu_usage", 70, "above")


def test_an_old_sample_says_nothing_of_now() -> None:
    """What is older than one and a half intervals is no value."""
    history = series((300, HIGH))
    for late, state in ((7.5, "fired"), (7.6, "unknown")):
        now = history[-1].at + late
        assert stand(CPU, scaling(), history, now, changes(history, now)).state == state


def test_level_of_a_low_threshold() -> None:
    """The nearer the value comes from above, the nearer to 1; nothing at all is there."""
    low = rule("low_cpu_usage")
    for cpu, level in ((40.0, 0.5), (20.0, 1.0), (10.0, 2.0), (0.0, 1.0)):
        history = series((0, {"cpu": cpu}))
        assert stand(low, scaling(), history, 0.0, changes(history, 0.0)).level == level


def test_more_workers_wait_for_the_last_addition_only() -> None:
    """120 s by default; a removal, or not knowing what was before, is no reason to wait."""
    added = series((100, {"workers": 1}), (50, HIGH))
    assert changes(added, 150).cooling_s(CPU, 1200) == 70
    removed = series((100, {"workers": 3}), (50, HIGH))
    assert changes(removed, 150).cooling_s(CPU, 1200) == 0
    assert changes(series((10, HIGH)), 10).cooling_s(CPU, 1200) == 0


def test_fewer_workers_wait_for_both() -> None:
    """600 s after a removal, 1200 s after an addition, or after the beginning of all knowledge."""
    low = rule("low_cpu_usage")
    added = series((2000, {"workers": 1}), (50, {}))
    assert changes(added, 2050).cooling_s(low, 1200) == 1150
    removed = series((2000, {"workers": 3}), (50, {}))
    assert changes(removed, 2050).cooling_s(low, 1200) == 550
    assert changes(series((100, {})), 100).cooling_s(low, 1200) == 1100
    assert changes(series((1200, {})), 1200).cooling_s(low, 1200) == 0
    assert changes(series((100, {})), 100).cooling_s(low, 0) == 500
