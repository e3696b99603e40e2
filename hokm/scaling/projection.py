"""What another number of workers would do to the metrics, as far as that can be told.

The margins make a change stay: an addition aims at `1 - tolerance` of the threshold, and after a
removal the rest must be under `1 - 2 tolerance` of it. So a load that then changes by less than the
tolerance calls for neither: (1 - 2t)(1 + t) < 1, and with one worker less than the addition asked
for, more than (1 - t)(1 - t) > 1 - 2t of the threshold would be reached.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Final

from hokm.scaling.metric import METRICS
from hokm.scaling.rules import Rule, Scaling
from hokm.scaling.sample import RATE_S, History, Sample

SEATS: Final = 4  # connections of a room, until enough rooms are there to know
_ENOUGH_ROOMS: Final = 10
_DEVIATIONS: Final = 3.0  # by which a count must exceed what chance alone can make of less


def spoken(value: float) -> str:
    """Write a number as a person would: one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")


def additions(scaling: Scaling, *kinds: str) -> list[Rule]:
    """Return the rules that can add workers, of metrics of these kinds (all, when none given)."""
    return [
        rule
        for rule in scaling.rule
        if rule.above is not None
        and rule.adds == "worker"
        and (not kinds or METRICS[rule.metric].kind in kinds)
    ]


def needed(scaling: Scaling, sample: Sample) -> int:
    """Return how many workers bring all shared metrics to where an addition aims."""
    counts = [0]
    for rule in additions(scaling, "shared"):
        value, aim = sample.value(rule.metric), rule.threshold * (1 - scaling.tolerance)
        if value is not None and aim > 0:
            counts.append(math.ceil(round(sample.workers * value / aim, 9)))
    return max(counts)


def foresees(rule: Rule) -> bool:
    """Say whether a rule asks for what the rooms created now will need."""
    return rule.metric == "game_creation_rate" and rule.above is not None and rule.step is None


def forecast(sample: Sample, scaling: Scaling) -> float | None:
    """Return the connections that the rooms created now will lead to (Little's law).

    That is the rate of creations x the length of a match x the connections of a room. Counts of
    rare events vary by chance; only what is beyond that counts: a steady load is forecast too low,
    never too high, and what is there already is seen by the other rules.
    """
    rate = sample.game_creation_rate
    if rate is None:
        return None
    count = rate * RATE_S / 60
    sure = max(0.0, count - _DEVIATIONS * math.sqrt(count)) * 60 / RATE_S
    minutes = scaling.game_minutes if sample.game_minutes is None else sample.game_minutes
    return sure * minutes * _connections_per_room(sample)


def _connections_per_room(sample: Sample) -> float:
    rooms, connections = sample.rooms_per_worker, sample.connections_per_worker
    if rooms is None or connections is None or rooms * sample.workers < _ENOUGH_ROOMS:
        return SEATS
    return connections / rooms


def density(scaling: Scaling) -> float | None:
    """Return how many connections a worker shall have at most; None where no rule says."""
    found = [
        rule.threshold
        for rule in additions(scaling)
        if rule.metric == "connections_per_worker" and rule.threshold > 0
    ]
    return min(found, default=None)


def obstacle(scaling: Scaling, history: History, since: float, workers: int) -> str | None:
    """Say why only *workers* could not carry the load; None when they could.

    The highest load since *since* counts; of the peak metrics, which a single moment can make, the
    median. What is not known is an obstacle, and so is a load that is about to grow.
    """
    margin = 1 - 2 * scaling.tolerance
    window = [sample for sample in history if sample.at >= since]
    for rule in additions(scaling):
        if history[-1].value(rule.metric) is None:
            return f"{rule.metric} is not known"
        if foresees(rule):
            if why := _growth(scaling, window[-1], workers):
                return why
            continue
        projected, limit = _projected(rule, window, workers), margin * rule.threshold
        if projected > limit:
            return (
                f"with {workers} workers {rule.metric} would be {spoken(projected)}, too near to "
                f"{rule.threshold:g} of {rule.name} (above {spoken(limit)})"
            )
    return None


def _growth(scaling: Scaling, sample: Sample, workers: int) -> str | None:
    """Say why the load to come needs more than *workers*; None when it does not."""
    expected, each = forecast(sample, scaling), density(scaling)
    if expected is None or each is None or sample.connections_per_worker is None:
        return "the load to come is not known"
    there = sample.connections_per_worker * sample.workers
    enough = (1 - 2 * scaling.tolerance) * each * workers
    if expected > min(enough, there):
        return f"{spoken(expected)} connections at least are to come, {spoken(there)} are there"
    return None


def _projected(rule: Rule, window: list[Sample], workers: int) -> float:
    """Return what the metric would be with *workers*."""
    kind = METRICS[rule.metric].kind
    values = [
        value if kind == "whole" else value * sample.workers / workers
        for sample in window
        if (value := sample.value(rule.metric)) is not None
    ]
    return median(values) if kind == "peak" else max(values)


def would_go_again(scaling: Scaling, sample: Sample, workers: int) -> str | None:
    """Name the rule that would take one of *workers* away again at this load; None: it stays.

    At a load that is lower by twice the tolerance, that is: a load that goes up and down a little
    shall not make workers come and go.
    """
    for rule in additions(scaling, "shared"):
        value = sample.value(rule.metric)
        if value is None or value * sample.workers / max(1, workers - 1) > rule.threshold:
            return None
    margin = 1 - 2 * scaling.tolerance
    for rule in scaling.rule:
        value = sample.value(rule.metric)
        if rule.below is None or value is None:
            continue
        if METRICS[rule.metric].kind != "whole":
            value *= sample.workers / workers
        if rule.is_met(margin * value):
            return rule.name
    return None


def have_room(scaling: Scaling, sample: Sample) -> bool:
    """Say whether the workers together have room, so that a hot one's rooms can go to others."""
    margin = 1 - 2 * scaling.tolerance
    shared = additions(scaling, "shared")
    values = [(rule, sample.value(rule.metric)) for rule in shared]
    return (
        sample.workers > 1
        and bool(values)
        and all(value is not None and value <= margin * r.threshold for r, value in values)
    )
