"""How each rule stands: what it sees, for how long, and how near it is to firing.

A window means *continuous truth*, and it is counted in time for which there is evidence:

- Time between two samples that follow each other as they should, both beyond the threshold, counts.
- One sample on the other side ends the window; it begins anew.
- Where samples are missing the clock stands still: what nobody saw neither counts as having held,
  nor as an interruption. If more is missing than half of the rule's duration, or a minute, what
  was before says nothing any more, and the window begins anew.
- A rule whose metric is not known right now does not fire.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from hokm.scaling.rules import Rule, Scaling
from hokm.scaling.sample import History

LATE: Final = 1.5  # of the interval: two samples further apart than this do not follow each other
MOST_GAP_S: Final = 60.0
_ROUNDING: Final = 1e-6  # 30 steps of 0.1 s are 3 s


State: TypeAlias = Literal["unknown", "quiet", "holding", "cooling", "fired", "held_back"]


class Standing(Struct, frozen=True, kw_only=True):
    """How a rule stands.

    Attributes:
        value: What its metric is; None when it is not known.
        level: How near the value is to the threshold: from 1 on it is there; None if not known.
        held_s: For how long the value has been beyond it, up to `duration_s`.
        cooling_s: Time until its cooldown is over.
        state: `unknown`: no value. `quiet`: the value is not beyond the threshold. `holding`: it
            is, not for long enough. `cooling`: it fires after the cooldown. `fired`. `held_back`:
            it fires, and nothing comes of it, for the reason in `note`.
        note: What comes of it, in words; empty while it does not fire.
    """

    rule: str
    metric: str
    value: float | None
    threshold: float
    direction: Literal["above", "below"]
    level: float | None
    held_s: float
    duration_s: float
    cooling_s: float
    state: State
    note: str = ""


class Changes(Struct, frozen=True):
    """How long ago the number of workers was changed, by whomever; None: not in the history.

    Attributes:
        added_s: Since there shall be more.
        removed_s: Since there shall be fewer.
        known_s: Since the history's beginning.
    """

    added_s: float | None
    removed_s: float | None
    known_s: float

    def cooling_s(self, rule: Rule, keep_s: float) -> float:
        """Return the time until *rule* may fire again.

        More workers wait for those that were added last. Fewer also wait until the last addition
        is *keep_s* old, and take the history's beginning for a change: nobody knows what was
        before.
        """
        if rule.above is not None:
            return 0.0 if self.added_s is None else max(0.0, rule.cooldown_s - self.added_s)
        added = self.known_s if self.added_s is None else self.added_s
        removed = self.known_s if self.removed_s is None else self.removed_s
        return max(0.0, keep_s - added, rule.cooldown_s - removed)


def changes(history: History, now: float) -> Changes:
    """Find the latest changes of the number of workers that there shall be."""
    added = removed = None
    for after, before in pairwise(reversed(history)):
        if after.target > before.target and added is None:
            added = now - after.at
        elif after.target < before.target and removed is None:
            removed = now - after.at
    return Changes(added, removed, now - history[0].at)


def is_fresh(scaling: Scaling, history: History, now: float) -> bool:
    """Say whether the latest sample is of now."""
    return now - history[-1].at <= LATE * scaling.interval_s


def stand(rule: Rule, scaling: Scaling, history: History, now: float, changed: Changes) -> Standing:
    """Say how *rule* stands; it never says `held_back`, since that depends on the other rules."""
    value = history[-1].value(rule.metric) if is_fresh(scaling, history, now) else None
    held = 0.0 if value is None or not rule.is_met(value) else held_s(rule, scaling, history)
    cooling = changed.cooling_s(rule, scaling.keep_s)
    return Standing(
        rule=rule.name,
        metric=rule.metric,
        value=value,
        threshold=rule.threshold,
        direction="above" if rule.above is not None else "below",
        level=None if value is None else _level(rule, value),
        held_s=held,
        duration_s=rule.duration_s,
        cooling_s=cooling,
        state=_state(rule, value, held, cooling),
    )


def _state(rule: Rule, value: float | None, held: float, cooling: float) -> State:
    if value is None:
        return "unknown"
    if not rule.is_met(value):
        return "quiet"
    if held < rule.duration_s:
        return "holding"
    return "cooling" if cooling else "fired"


def _level(rule: Rule, value: float) -> float:
    over, under = (value, rule.threshold) if rule.above is not None else (rule.threshold, value)
    if under > 0:
        return round(over / under, 3)
    return 1.0 if rule.is_met(value) else 0.0


def held_s(rule: Rule, scaling: Scaling, history: History) -> float:
    """Return for how long the rule's value has been beyond its threshold, up to the duration."""
    longest_gap = min(rule.duration_s / 2, MOST_GAP_S)
    held, later = 0.0, None
    for sample in reversed(history):
        value = sample.value(rule.metric)
        if value is None:
            continue
        if not rule.is_met(value):
            break
        if later is not None:
            apart = later - sample.at
            if apart <= LATE * scaling.interval_s:
                held += apart
            elif apart > longest_gap:
                break
        later = sample.at
        if held >= rule.duration_s - _ROUNDING:
            return rule.duration_s
    return held
