"""The simulator tells what it is there to tell: flaps, shortfall, moves."""

from __future__ import annotations

from random import Random

import pytest

from hokm.scaling import Rule, Scaling
from hokm.scaling.simulator import Change, World, flaps, simulate
from hokm.scaling.traces import TRACES, Trace, through
from tests.unit.scaling.samples import scaling


def _trace(*points: tuple[float, float], seconds: float = 3600.0) -> Trace:
    return Trace(name="t", seconds=seconds, calm=through(*points))


@pytest.mark.parametrize(
    ("trace", "changes", "found"),
    [
        (_trace((0, 100)), [(0, 1, 2), (1200, 2, 1)], 1),
        (_trace((0, 100)), [(0, 2, 1), (60, 1, 2)], 1),
        (_trace((0, 100)), [(0, 1, 2), (1205, 2, 1)], 0),
        (_trace((0, 100)), [(0, 1, 2), (60, 2, 3)], 0),
        (_trace((0, 100)), [(0, 1, 2), (60, 2, 3), (120, 3, 2)], 2),
        (_trace((0, 100), (600, 110)), [(0, 1, 2), (600, 2, 1)], 1),
        (_trace((0, 100), (600, 111)), [(0, 1, 2), (600, 2, 1)], 0),
        (_trace((0, 100), (60, 50), (120, 100)), [(0, 1, 2), (600, 2, 1)], 0),
    ],
)
def test_flaps(trace: Trace, changes: list[tuple[float, int, int]], found: int) -> None:
    """Opposite changes within 20 minutes, while the load stayed within 10 % throughout."""
    made = [Change(at, before, after, ()) for at, before, after in changes]
    assert len(flaps(made, trace, 5.0)) == found


def test_foolish_rules_flap() -> None:
    """Without time to settle and without tolerance, where the measure is noisy: it is seen."""
    rules = (
        Rule(name="up", metric="cpu", above=20, duration_s=0, cooldown_s=0),
        Rule(name="down", metric="cpu", below=19, duration_s=0, cooldown_s=0),
    )
    foolish = Scaling(min_workers=1, max_workers=4, keep_s=0, tolerance=0, rule=rules)
    report = simulate(foolish, _trace((0, 95), seconds=1200), World(cpu_noise=0.1), Random(4))
    assert len(report.flaps) > 10


def test_too_few_workers_are_short() -> None:
    """Without rules none comes; what the most allowed could not do is no shortfall."""
    world = World(cpu_per_player=0.01)
    none = scaling(rule=(), max_workers=4)
    assert simulate(none, _trace((0, 200), seconds=100), world, Random(1)).shortfall_s == 105
    assert simulate(none, _trace((0, 90), seconds=100), world, Random(1)).shortfall_s == 0
    assert simulate(none, _trace((0, 400), seconds=100), world, Random(1)).shortfall_s == 0


def test_a_ramp_up_and_down() -> None:
    """Workers come and go; the report counts what was done, and says why."""
    trace = TRACES["ramp"](10, 500, 7200)
    report = simulate(scaling(), trace, World(), Random(1))
    assert report.flaps == ()
    assert report.changes[0].after > report.changes[0].before
    assert report.changes[-1].after < report.changes[-1].before
    assert report.most_workers <= 8 and report.moves > 0
    assert all(change.reasons for change in report.changes)
    assert simulate(scaling(), trace, World(), Random(1)) == report


def test_a_sick_worker_is_emptied_and_nobody_is_refused() -> None:
    """At the most workers allowed, one of them at 100 %: the others go on."""
    trace = TRACES["sick"](0, 240, 1800)
    fixed = scaling(min_workers=4, max_workers=4)
    report = simulate(fixed, trace, World(), Random(1))
    assert (report.refused_s, report.shortfall_s) == (0, 0)
    assert report.moves >= 240 / 4 / 4 - 1  # all of its rooms


def test_nothing_changes_while_nothing_is_measured() -> None:
    """Blind from the beginning to the end."""
    trace = Trace(name="t", seconds=3600, calm=lambda now: 500, blind=((0, 4000),))
    assert simulate(scaling(), trace, World(), Random(1)).changes == ()
