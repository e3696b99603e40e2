"""Rules from the tables `[[scaling.rule]]` of a settings file, and what is wrong with them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hokm.scaling.metric import METRICS
from hokm.scaling.projection import foresees
from hokm.scaling.rules import DEFAULTS, DOWN_COOLDOWN_S, UP_COOLDOWN_S, Rule, Scaling


class BadRule(ValueError):
    """A rule cannot be used. One line that names rule and field; the caller adds the file."""


def read_rules(tables: object) -> tuple[Rule, ...]:
    """Put the rules of a file over the default ones.

    A table with the name of a default rule changes what it names of it; any other is a rule of
    its own, and needs `metric`, `duration_s` and one of `above` and `below`.

    Args:
        tables: What TOML made of all `[[scaling.rule]]`.

    Raises:
        BadRule: See there.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadRule("scaling.rule must be written as [[scaling.rule]]")
    rules = {rule.name: rule for rule in DEFAULTS}
    seen: set[str] = set()
    for number, table in enumerate(tables, 1):
        name = table.get("name")
        if not isinstance(name, str):
            raise BadRule(f"scaling.rule number {number}: it has no name")
        if name in seen:
            raise BadRule(f"scaling.rule {name}: there are two of that name")
        seen.add(name)
        rules[name] = _read(name, table, rules.get(name))
    return tuple(rule for rule in rules.values() if rule.enabled)


def _read(name: str, table: Mapping[str, Any], default: Rule | None) -> Rule:
    for field in table:
        if field not in Rule.__struct_fields__:
            raise BadRule(f"scaling.rule {name}: {field} is no field;{_nearest_field(field)}")
    given = dict(table)
    if default is not None:
        given = msgspec.structs.asdict(default) | given
    elif missing := [field for field in ("metric", "duration_s") if field not in table]:
        raise BadRule(f"scaling.rule {name}: {missing[0]} is missing;{_nearest_rule(name)}")
    given.setdefault("cooldown_s", DOWN_COOLDOWN_S if "below" in given else UP_COOLDOWN_S)
    try:
        rule = msgspec.convert(given, Rule)
    except msgspec.ValidationError as error:
        raise BadRule(f"scaling.rule {name}: {_in_words(error)}") from None
    _check(rule)
    return rule


def _in_words(error: msgspec.ValidationError) -> str:
    """Put the field that msgspec names last in front."""
    what, _, path = str(error).partition(" - at `$.")
    return f"{path.rstrip('`')}: {what[0].lower()}{what[1:]}"


def _nearest_field(field: str) -> str:
    near = difflib.get_close_matches(field, Rule.__struct_fields__, n=1, cutoff=0.0)[0]
    return f" the nearest is {near}"


def _nearest_rule(name: str) -> str:
    near = difflib.get_close_matches(name, [rule.name for rule in DEFAULTS], n=1, cutoff=0.0)[0]
    return f" of the default rules the nearest is {near}"


def _check(rule: Rule) -> None:
    """See whether a rule makes sense on its own."""

    def bad(what: str) -> BadRule:
        return BadRule(f"scaling.rule {rule.name}: {what}")

    if rule.metric not in METRICS:
        near = difflib.get_close_matches(rule.metric, METRICS, n=1, cutoff=0.0)[0]
        raise bad(f"metric {rule.metric} is none; the nearest is {near}")
    if (rule.above is None) == (rule.below is None):
        raise bad("it must have one of above and below")
    if rule.below is not None and rule.adds != "worker":
        raise bad("adds goes with above only")
    if math.isinf(rule.threshold):
        raise bad("its threshold must be a finite number")


def check(scaling: Scaling) -> None:
    """See whether all rules, bounds and times make sense together.

    Raises:
        BadRule: They contradict each other, or one can never fire.
    """
    if scaling.min_workers > scaling.max_workers:
        raise BadRule(
            f"scaling.min_workers {scaling.min_workers} is above max_workers {scaling.max_workers}"
        )
    rules = scaling.rule
    for rule in rules:
        if rule.duration_s and scaling.interval_s > rule.duration_s:
            raise BadRule(
                f"scaling.rule {rule.name}: duration_s {rule.duration_s:g} is under "
                f"interval_s {scaling.interval_s:g}: nobody looks that often"
            )
        if rule.below is not None:
            _check_against(rule, rules)
    targets = [rule.metric for rule in rules if rule.above is not None and rule.adds == "worker"]
    for rule in rules:
        if foresees(rule) and "connections_per_worker" not in targets:
            raise BadRule(
                f"scaling.rule {rule.name}: it needs a step, or a rule with "
                "connections_per_worker above a number: how many a worker shall have"
            )


def _check_against(low: Rule, rules: Iterable[Rule]) -> None:
    for high in rules:
        if high.metric == low.metric and high.above is not None and low.threshold >= high.above:
            raise BadRule(
                f"scaling.rule {low.name}: below {low.threshold:g} is not under above "
                f"{high.above:g} of {high.name}: workers would come and go"
            )


def markdown(rules: Sequence[Rule] = DEFAULTS) -> str:
    """Write the tables of docs/operations/rules.md."""
    lines = ["| metric | unit | kind | what |", "|---" * 4 + "|"]
    lines += [f"| `{name}` | {m.unit} | {m.kind} | {m.help} |" for name, m in METRICS.items()]
    lines += ["", "| rule | fires when | `cooldown_s` | asks for |", "|---" * 4 + "|"]
    for rule in rules:
        word = "above" if rule.above is not None else "below"
        unit = METRICS[rule.metric].unit
        fires = f"`{rule.metric}` {word} {rule.threshold:g} {unit}".rstrip()
        asks = "one worker less" if rule.below is not None else "more workers"
        asks = "another instance" if rule.adds == "instance" else asks
        lines.append(
            f"| `{rule.name}` | {fires} for {rule.duration_s:g} s | {rule.cooldown_s:g} | {asks} |"
        )
    return "\n".join(lines) + "\n"
