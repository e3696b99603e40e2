"""What is decided about a load, and with what words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hokm.scaling import DEFAULTS, Decision, History, Rule, Sample, Scaling, decide
from tests.unit.scaling.samples import BUSY, INTERVAL_S, blind, rule, sample, scaling, series

# Each rule that adds workers finds something for another one to do.
PRESSED: dict[str, Any] = {
    "cpu": 65.0,
    "max_worker_cpu": 70.0,
    "connections_per_worker": 90.0,
    "rooms_per_worker": 22.5,
}
# Nothing is to do, but no rule says so; and one worker could do it.
QUIET: dict[str, Any] = {
    "cpu": 25.0,
    "max_worker_cpu": 26.0,
    "connections_per_worker": 25.0,
    "rooms_per_worker": 6.0,
    "memory": 10.0,
}
LONG_S = 1300.0  # longer than an added worker is kept
TICK = 0.001


def decided(history: History, **changes: Any) -> Decision:
    """Decide at the time of the last sample."""
    return decide(scaling(**changes), history, history[-1].at)


def _beyond(one: Rule, by: float) -> dict[str, Any]:
    """Return the values where the rule's metric is beyond its threshold by *by*."""
    context = PRESSED if one.above is not None else QUIET
    value = one.threshold + by if one.above is not None else one.threshold - by
    return context | {one.metric: value}


def _calm(one: Rule) -> dict[str, Any]:
    return _beyond(one, 0)


def _state(one: Rule, *parts: tuple[float, dict[str, Any]]) -> str:
    decision = decided(series((LONG_S, _calm(one)), *parts))
    return next(each.state for each in decision.rules if each.rule == one.name)


@pytest.mark.parametrize("one", DEFAULTS, ids=lambda one: one.name)
def test_edges(one: Rule) -> None:
    """Just under and exactly at the threshold it is quiet; just over it fires, in due time."""
    over, long = _beyond(one, TICK), one.duration_s
    assert _state(one, (long, _beyond(one, -TICK))) == "quiet"
    assert _state(one, (long, _calm(one))) == "quiet"
    assert _state(one, (long, over)) == "fired"
    assert _state(one, (long - INTERVAL_S, over)) == "holding"
    half = INTERVAL_S * int(long / 2 / INTERVAL_S)
    interrupted = (half, over), (INTERVAL_S, _calm(one))
    assert _state(one, *interrupted, (long - INTERVAL_S, over)) == "holding"
    assert _state(one, *interrupted, (long, over)) == "fired"


@pytest.mark.parametrize("one", DEFAULTS, ids=lambda one: one.name)
def test_what_comes_of_each(one: Rule) -> None:
    """More workers, one less, or the wish for another instance; before it fires, nothing."""
    fired = decided(series((LONG_S, _calm(one)), (one.duration_s, _beyond(one, TICK))))
    before = decided(series((LONG_S, _calm(one)), (one.duration_s - 5, _beyond(one, TICK))))
    assert (before.target, before.reasons) == (2, ("no rule fires",))
    assert fired.more_instances == (one.adds == "instance")
    if one.adds == "instance":
        assert fired.target == 2
    elif one.above is not None:
        assert fired.target > 2
    else:
        assert fired.target == 1
    assert any(reason.startswith(f"{one.name}: {one.metric} ") for reason in fired.reasons)


@pytest.mark.parametrize(
    ("workers", "cpu", "target"),
    [(1, 71, 2), (2, 71, 3), (4, 100, 7), (3, 84, 4), (3, 84.1, 5), (8, 80, 11)],
)
def test_as_many_as_the_value_calls_for(workers: int, cpu: float, target: int) -> None:
    """ceil(n x value / aim), where the aim is 90 % of the threshold."""
    history = series((120, {"cpu": cpu, "connections_per_worker": 10}), workers=workers)
    assert decided(history, max_workers=20).target == target


def test_at_most_twice_as_many_or_four_more() -> None:
    """However high the value is."""
    history = series((180, {"connections_per_worker": 5000}), workers=1)
    assert decided(history, max_workers=256).target == 5
    history = series((180, {"connections_per_worker": 5000}), workers=10)
    assert decided(history, max_workers=256).target == 20


def test_a_step_is_as_many_as_it_says() -> None:
    """Up and down."""
    rules = tuple(msgspec.structs.replace(each, step=3) for each in DEFAULTS)
    history = series((120, {"cpu": 71.0}))
    assert decided(history, rule=rules).target == 5
    low = series((LONG_S, QUIET | {"cpu": 5.0, "connections_per_worker": 5.0}), workers=5)
    assert decided(low, rule=rules).target == 2


def test_the_highest_wish_counts() -> None:
    """Of several rules that fire, each is told."""
    decision = decided(series((180, {"cpu": 75.0, "connections_per_worker": 200.0})))
    assert decision.target == 5
    assert len(decision.reasons) == 2


def test_cooldown_after_an_addition() -> None:
    """120 s, then what still is too much counts at once."""
    high = {"cpu": 90.0}
    for seconds, state, target in ((115, "cooling", 2), (120, "fired", 3)):
        history = series((200, high | {"workers": 1}), (seconds, high | {"workers": 2}))
        decision = decided(history)
        assert (decision.rules[0].state, decision.target) == (state, target)
        assert decision.rules[0].cooling_s == 120 - seconds


def test_an_addition_does_not_wait_after_a_removal() -> None:
    """The players would."""
    history = series((200, {"workers": 3}), (5, {"workers": 2}), (120, {"cpu": 90.0}))
    assert decided(history).target == 3


def test_a_removal_waits_longer() -> None:
    """600 s after a removal, 1200 s after an addition."""
    idle = QUIET | {"cpu": 5.0, "connections_per_worker": 5.0}
    for before, seconds, target in ((4, 595, 3), (4, 600, 2), (2, 1195, 3), (2, 1200, 2)):
        history = series((LONG_S, idle | {"workers": before}), (seconds, idle | {"workers": 3}))
        assert decided(history).target == target, (before, seconds)


def test_who_knows_nothing_of_the_past_removes_nothing() -> None:
    """For as long as an addition may have been just before."""
    idle = QUIET | {"cpu": 5.0}
    assert decided(series((1195, idle))).target == 2
    assert decided(series((1200, idle))).target == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"connections_per_worker": 41.0}, "connections_per_worker would be 82"),
        ({"memory": 33.0}, "memory would be 66"),
        ({"max_worker_cpu": 35.0}, "max_worker_cpu would be 70"),
        ({"loop_lag_ms": 21.0}, "loop_lag_ms would be 42"),
        ({"queue_length": 17}, "queue_length would be 17"),
        ({"queue_length": None}, "queue_length is not known"),
        ({"memory": None}, "memory is not known"),
        ({"game_creation_rate": 9.0}, "connections at least are to come"),
        ({"game_creation_rate": 5.6}, "connections at least are to come, 50 are there"),
    ],
)
def test_the_rest_must_be_able_to_carry_it(values: dict[str, Any], why: str) -> None:
    """80 % of every threshold, for all metrics; what is not known takes no worker away."""
    idle = QUIET | {"cpu": 5.0}
    assert decided(series((LONG_S, idle))).target == 1
    decision = decided(series((LONG_S, idle | values)))
    assert decision.target == 2
    assert why in decision.reasons[0]
    low = next(each for each in decision.rules if each.rule == "low_cpu_usage")
    assert low.state == "held_back" and why in low.note


def test_the_highest_load_of_the_window_counts() -> None:
    """A moment ago more players were here than one worker could carry."""
    idle = QUIET | {"cpu": 5.0}
    history = series((LONG_S, idle), (5, idle | {"connections_per_worker": 50.0}), (300, idle))
    assert decided(history).target == 2


def test_one_moment_of_lag_does_not() -> None:
    """Of peaks the median counts."""
    idle = QUIET | {"cpu": 5.0}
    history = series((LONG_S, idle), (5, idle | {"loop_lag_ms": 500.0}), (300, idle))
    assert decided(history).target == 1


def test_a_removal_smaller_than_its_step() -> None:
    """As many as may go, when not all of the step may."""
    rules = tuple(msgspec.structs.replace(each, step=3) for each in DEFAULTS)
    idle = QUIET | {"cpu": 12.0, "max_worker_cpu": 13.0, "connections_per_worker": 15.0}
    assert decided(series((LONG_S, idle), workers=5), rule=rules).target == 2
    assert decided(series((LONG_S, idle), workers=5), rule=rules, min_workers=4).target == 4
    some = idle | {"connections_per_worker": 40.0}
    assert decided(series((LONG_S, some), workers=5), rule=rules).target == 3


def test_more_wins_over_fewer() -> None:
    """Many players that cost nearly nothing: the guide's rules say both."""
    decision = decided(series((LONG_S, {"cpu": 2.0, "connections_per_worker": 101.0})))
    assert decision.target == 3


def test_bounds() -> None:
    """No more than the most, no fewer than the fewest; what lies outside is brought in."""
    high, idle = {"cpu": 100.0}, QUIET | {"cpu": 5.0}
    up = decided(series((120, high)), max_workers=3)
    assert (up.target, up.wanted, up.more_instances) == (3, 4, True)
    assert "3 workers, the most allowed: another instance is wanted" in up.reasons
    fixed = decided(series((120, high)), min_workers=2, max_workers=2)
    assert (fixed.target, fixed.more_instances) == (2, True)
    down = decided(series((LONG_S, idle)), min_workers=2)
    assert (down.target, down.more_instances) == (2, False)
    assert "2 workers, the fewest allowed" in down.reasons[0]
    for workers, target in ((1, 2), (9, 3)):
        outside = decided(series((60, {}), workers=workers), min_workers=2, max_workers=3)
        assert (outside.target, outside.more_instances) == (target, False)
        assert outside.reasons == ("from 2 to 3 workers are allowed",)


def test_workers_that_are_coming_count() -> None:
    """What was asked for before is not asked for again, nor is one taken away meanwhile."""
    high = {"cpu": 80.0, "target": 4}
    assert decided(series((300, high))).target == 4
    assert "are not yet" in decided(series((300, high))).reasons[0]
    idle = QUIET | {"cpu": 5.0, "target": 3}
    assert decided(series((LONG_S, idle))).target == 3


def test_a_hot_worker_beside_idle_ones_is_relieved_not_joined() -> None:
    """Rooms move; another worker would not be what helps."""
    hot = {"cpu": 40.0, "max_worker_cpu": 100.0, "loop_lag_ms": 300.0}
    decision = decided(series((120, hot), workers=4))
    assert decision.target == 4
    assert all("the other workers have room" in reason for reason in decision.reasons)
    assert decided(series((120, hot | {"cpu": 60.0}), workers=4)).target > 4


def test_lag_without_load_adds_nobody() -> None:
    """It would be taken away again, and come again."""
    idle = QUIET | {"cpu": 10.0, "connections_per_worker": 10.0, "loop_lag_ms": 80.0}
    decision = decided(series((120, idle), workers=1))
    assert decision.target == 1
    assert "low_cpu_usage would take another one away again" in decision.reasons[0]
    unknown = decided(
        series((120, idle | {"cpu": None, "connections_per_worker": None}), workers=1)
    )
    assert unknown.target == 2


def test_a_queue_without_load_adds_nobody() -> None:
    """There is room; they wait for something else."""
    idle = QUIET | {"queue_length": 25}
    assert decided(series((60, idle), workers=1)).target == 1
    assert decided(series((60, BUSY | {"queue_length": 25}), workers=2)).target == 3
    nearly = BUSY | {"queue_length": 25, "cpu": 45.0}  # 22.5 for two; and a little less again
    assert decided(series((60, nearly), workers=1)).target == 1
    few = BUSY | {"queue_length": 25, "cpu": 75.0, "connections_per_worker": 10.0}
    assert decided(series((60, few), workers=2)).target == 3  # nobody could be spared


@pytest.mark.parametrize(
    ("rate", "minutes", "rooms", "target"),
    [
        (10.5, 30.0, 15.0, 5),  # (21 - 3 sqrt 21) / 2 min x 30 min x 4 / 90
        (40.0, 30.0, 15.0, 6),  # at most four more
        (10.5, 10.0, 15.0, 2),  # short games
        (10.5, None, 15.0, 5),  # not known: 30 min
        (10.5, 30.0, 60.0, 2),  # one connection a room
        (10.5, 30.0, 2.0, 5),  # too few rooms to know
    ],
)
def test_creations_lead(rate: float, minutes: float | None, rooms: float, target: int) -> None:
    """Rate x length of a match x connections of a room, less what chance may have done to it."""
    values = {"game_creation_rate": rate, "game_minutes": minutes, "rooms_per_worker": rooms}
    assert decided(series((120, values))).target == target


def test_creations_with_a_step_need_no_forecast() -> None:
    """Then it is a rule like any other."""
    one = msgspec.structs.replace(rule("high_game_creation_rate"), step=2)
    history = series((120, PRESSED | {"game_creation_rate": 11.0}))
    assert decided(history, rule=(one,)).target == 4


def test_missing_data_neither_adds_nor_removes() -> None:
    """However long the load had been high or low before."""
    high = series((600, {"cpu": 90.0}))
    idle = series((LONG_S, QUIET | {"cpu": 5.0}))
    for history in (high, idle):
        gone = (*history, blind(history[-1].at + 5))
        decision = decided(gone)
        assert (decision.target, decision.reasons) == (2, ("no rule fires",))
        assert {each.state for each in decision.rules} == {"unknown"}
        late = decide(scaling(), history, history[-1].at + 30)
        assert late.target == 2
        assert late.reasons == ("nothing was measured for 30 s: no rule can fire",)


def test_rules_of_ones_own() -> None:
    """Only those that there are."""
    one = Rule(name="r", metric="rooms_per_worker", above=10, duration_s=0, cooldown_s=0)
    assert decided((sample(0.0),), rule=(one,)).target == 4
    nothing = decided((sample(0.0, cpu=100.0),), rule=())
    assert (nothing.target, nothing.reasons, nothing.rules) == (2, ("no rule fires",), ())


def test_the_same_again() -> None:
    """Pure: equal arguments, equal decisions; and it can be sent to a page."""
    history = series((LONG_S, {"cpu": 90.0}))
    assert decided(history) == decided(history)
    assert msgspec.json.decode(msgspec.json.encode(decided(history)), type=Decision) == decided(
        history
    )
    encoded = msgspec.json.encode((scaling(), history))
    assert msgspec.json.decode(encoded, type=tuple[Scaling, tuple[Sample, ...]]) == (
        scaling(),
        history,
    )
