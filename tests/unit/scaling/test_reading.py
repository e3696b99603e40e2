"""Rules from a settings file, and with what words bad ones are refused."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest

from hokm.scaling import DEFAULTS, METRICS, BadRule, Rule, Sample, check, markdown, read_rules
from tests.unit.scaling.samples import rule, scaling


def read(text: str) -> tuple[Rule, ...]:
    """Read the rules of a TOML text, and check them together."""
    rules = read_rules(tomllib.loads(text)["scaling"]["rule"])
    check(scaling(rule=rules))
    return rules


def _table(**fields: Any) -> str:
    lines = [f"{key} = {str(value).lower()}" for key, value in fields.items()]
    return "\n".join(["[[scaling.rule]]", *lines, ""])


def test_defaults_of_the_guide() -> None:
    """The guide's seven rules, with its thresholds and durations, under its names."""
    guide = {
        "high_cpu_usage": ("cpu", 70, None, 120),
        "high_memory_usage": ("memory", 80, None, 120),
        "high_player_density": ("connections_per_worker", 100, None, 180),
        "high_game_creation_rate": ("game_creation_rate", 10, None, 120),
        "player_queue_length": ("queue_length", 20, None, 60),
        "low_cpu_usage": ("cpu", None, 20, 600),
        "low_player_density": ("connections_per_worker", None, 20, 900),
    }
    for name, (metric, above, below, duration) in guide.items():
        one = rule(name)
        assert (one.metric, one.above, one.below, one.duration_s) == (
            metric,
            above,
            below,
            duration,
        )
    check(scaling())


def test_a_table_changes_the_default_rule_of_its_name() -> None:
    """Only in what it names; the others stay, in their order."""
    rules = read(_table(name='"high_cpu_usage"', above=60, cooldown_s=30))
    assert rules[0] == msgspec.structs.replace(rule("high_cpu_usage"), above=60, cooldown_s=30)
    assert rules[1:] == DEFAULTS[1:]


def test_a_rule_of_ones_own() -> None:
    """It comes after the default ones; its cooldown is that of its direction."""
    up = read(_table(name='"full"', metric='"rooms_per_worker"', above=50, duration_s=10))
    assert up == (
        *DEFAULTS,
        Rule(name="full", metric="rooms_per_worker", above=50, duration_s=10, cooldown_s=120),
    )
    down = read(_table(name='"few"', metric='"rooms_per_worker"', below=5, duration_s=10))
    assert down[-1].cooldown_s == 600


def test_a_rule_can_be_taken_away() -> None:
    """A default one, too."""
    rules = read(_table(name='"player_queue_length"', enabled=False))
    assert [one.name for one in rules] == [
        one.name for one in DEFAULTS if one.name != "player_queue_length"
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"above": 1}, "scaling.rule number 1: it has no name"),
        ({"name": 3}, "scaling.rule number 1: it has no name"),
        (
            {"name": "high_cpu_usage", "treshold": 1},
            "scaling.rule high_cpu_usage: treshold is no field; the nearest is enabled",
        ),
        (
            {"name": "high_cpu_usag", "above": 60},
            "scaling.rule high_cpu_usag: metric is missing; of the default rules the nearest is "
            "high_cpu_usage",
        ),
        (
            {"name": "r", "metric": "cpu", "above": 60},
            "scaling.rule r: duration_s is missing; of the default rules the nearest is hot_worker",
        ),
        (
            {"name": "r", "metric": "cpuu", "above": 60, "duration_s": 5},
            "scaling.rule r: metric cpuu is none; the nearest is cpu",
        ),
        (
            {"name": "r", "metric": "cpu", "duration_s": 5},
            "scaling.rule r: it must have one of above and below",
        ),
        (
            {"name": "high_cpu_usage", "below": 5},
            "scaling.rule high_cpu_usage: it must have one of above and below",
        ),
        (
            {"name": "high_cpu_usage", "duration_s": -1},
            "scaling.rule high_cpu_usage: duration_s: expected `float` >= 0.0",
        ),
        (
            {"name": "high_cpu_usage", "cooldown_s": -0.5},
            "scaling.rule high_cpu_usage: cooldown_s: expected `float` >= 0.0",
        ),
        (
            {"name": "high_cpu_usage", "above": "seventy"},
            "scaling.rule high_cpu_usage: above: expected `float | null`, got `str`",
        ),
        (
            {"name": "high_cpu_usage", "step": 0},
            "scaling.rule high_cpu_usage: step: expected `int` >= 1",
        ),
        (
            {"name": "high_cpu_usage", "above": float("inf")},
            "scaling.rule high_cpu_usage: its threshold must be a finite number",
        ),
        (
            {"name": "low_cpu_usage", "below": 0},
            "scaling.rule low_cpu_usage: below: expected `float` > 0.0",
        ),
        (
            {"name": "low_cpu_usage", "adds": "instance"},
            "scaling.rule low_cpu_usage: adds goes with above only",
        ),
        (
            {"name": "high_cpu_usage", "duration_s": 4},
            "scaling.rule high_cpu_usage: duration_s 4 is under interval_s 5: nobody looks that "
            "often",
        ),
        (
            {"name": "low_cpu_usage", "below": 70},
            "scaling.rule low_cpu_usage: below 70 is not under above 70 of high_cpu_usage: "
            "workers would come and go",
        ),
        (
            {"name": "high_player_density", "enabled": False},
            "scaling.rule high_game_creation_rate: it needs a step, or a rule with "
            "connections_per_worker above a number: how many a worker shall have",
        ),
        (
            {"name": "Not a name", "metric": "cpu", "above": 60, "duration_s": 5},
            "scaling.rule Not a name: name: expected `str` matching regex '^[a-z][a-z0-9_]{0,39}$'",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], line: str) -> None:
    """One line that names rule and field."""
    with pytest.raises(BadRule) as caught:
        check(scaling(rule=read_rules([fields])))
    assert str(caught.value) == line


def test_no_name_twice_and_nothing_but_tables() -> None:
    """Told as such."""
    with pytest.raises(BadRule, match=r"scaling\.rule high_cpu_usage: there are two of that name"):
        read_rules([{"name": "high_cpu_usage"}, {"name": "high_cpu_usage"}])
    for bad in ({"name": "high_cpu_usage"}, [3], "x"):
        with pytest.raises(BadRule, match=r"must be written as \[\[scaling.rule\]\]"):
            read_rules(bad)


def test_bounds_must_fit() -> None:
    """The fewest and the most."""
    with pytest.raises(BadRule, match=r"scaling\.min_workers 3 is above max_workers 2"):
        check(scaling(min_workers=3, max_workers=2))


def test_every_metric_is_measured_and_documented() -> None:
    """Each is a field of a sample, and each, as each rule, has a line in the tables."""
    assert set(METRICS) < set(Sample.__struct_fields__)
    text = markdown()
    for name in (*METRICS, *(one.name for one in DEFAULTS)):
        assert f"\n| `{name}` |" in text
