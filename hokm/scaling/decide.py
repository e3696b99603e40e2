"""`decide`: how many workers there shall be, and why.

Pure: the same rules, history and time give the same decision. More workers come when a rule asks
for them, one rule being enough; fewer only when a rule asks for it, none asks for more, and every
rule that could ask for more would stay far from it. See docs/operations/scaling.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from hokm.scaling import projection
from hokm.scaling.metric import METRICS
from hokm.scaling.projection import spoken
from hokm.scaling.rules import Rule, Scaling
from hokm.scaling.sample import History, Sample
from hokm.scaling.standing import Standing, changes, is_fresh, stand

# Kubernetes' autoscaler has the same limits: at most twice as many, or four more, at a time.
_MOST_TIMES: Final = 2
_MOST_MORE: Final = 4


class Decision(Struct, frozen=True, kw_only=True):
    """What shall be done, and why.

    Attributes:
        target: How many workers there shall be.
        wanted: How many the rules ask for, bounds left aside.
        reasons: Why, in words; never empty.
        more_instances: This one cannot be made to carry more: another one is wanted.
        rules: How each rule stands.
    """

    target: int
    wanted: int
    reasons: tuple[str, ...]
    more_instances: bool
    rules: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked at, and how many workers there shall be by now (the bounds kept)."""

    scaling: Scaling
    history: History
    now: float
    have: int

    @property
    def latest(self) -> Sample:
        return self.history[-1]

    def seen(self, rule: Rule) -> str:
        """Say what a rule that fires has seen."""
        value = self.latest.value(rule.metric)
        assert value is not None, "a rule without a value does not fire"
        word = "above" if rule.above is not None else "below"
        measured = f"{rule.name}: {rule.metric} {spoken(value)} {METRICS[rule.metric].unit}"
        return f"{measured.rstrip()} {word} {rule.threshold:g} for {rule.duration_s:g} s"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


@dataclass(frozen=True, slots=True)
class _Answer:
    """How many workers a rule asks for, and that in words."""

    workers: int
    note: str


def decide(scaling: Scaling, history: History, now: float) -> Decision:
    """Decide what to do about the load.

    Args:
        scaling: Rules, bounds and times.
        history: At least one sample; the latest says how many workers there shall be by now.
        now: Seconds, of the same clock as the samples' times.
    """
    target = history[-1].target
    have = min(max(target, scaling.min_workers), scaling.max_workers)
    look = _Look(scaling, history, now, have)
    changed = changes(history, now)
    stands = {rule.name: stand(rule, scaling, history, now, changed) for rule in scaling.rule}
    wanted, full = have, False
    for rule in _fired(scaling, stands, up=True):
        answer = _more(rule, look)
        wanted = max(wanted, answer.workers)
        full |= rule.adds == "instance"
        _note(stands, rule, answer, held_back=answer.workers == have and rule.adds == "worker")
    if wanted == have:
        for rule in _fired(scaling, stands, up=False):
            answer = _fewer(rule, look)
            wanted = min(wanted, answer.workers)
            _note(stands, rule, answer, held_back=answer.workers == have)
    notes = [standing.note for standing in stands.values() if standing.note]
    notes += _remarks(look, wanted)
    return Decision(
        target=min(wanted, scaling.max_workers),
        wanted=wanted,
        reasons=tuple(notes) or ("no rule fires",),
        more_instances=wanted > scaling.max_workers or full,
        rules=tuple(stands.values()),
    )


def _fired(scaling: Scaling, stands: dict[str, Standing], *, up: bool) -> list[Rule]:
    return [
        rule
        for rule in scaling.rule
        if stands[rule.name].state == "fired" and (rule.above is not None) == up
    ]


def _note(stands: dict[str, Standing], rule: Rule, answer: _Answer, *, held_back: bool) -> None:
    stands[rule.name] = msgspec.structs.replace(
        stands[rule.name], note=answer.note, state="held_back" if held_back else "fired"
    )


# --- more -----------------------------------------------------------------------------------


def _more(rule: Rule, look: _Look) -> _Answer:
    """Say how many workers a rule that is above its threshold asks for."""
    have, latest, seen = look.have, look.latest, look.seen(rule)
    if rule.adds == "instance":
        return _Answer(have, f"{seen}: another instance is wanted")
    kind = METRICS[rule.metric].kind
    if projection.foresees(rule):
        return _foreseen(look, seen)
    if kind != "shared" and (why := _useless(rule, look)):
        return _Answer(have, f"{seen}: {why}")
    count = have + rule.step if rule.step else projection.needed(look.scaling, latest)
    if latest.workers < have and count <= have:
        return _Answer(have, f"{seen}: {have} workers shall be there and are not yet")
    return _added(look, max(count, have + 1), seen)


def _added(look: _Look, count: int, seen: str) -> _Answer:
    count = min(count, max(_MOST_TIMES * look.have, look.have + _MOST_MORE))
    return _Answer(count, f"{seen}: {_workers(count)} instead of {look.have}")


def _foreseen(look: _Look, seen: str) -> _Answer:
    """Ask for as many workers as the rooms created now will need."""
    scaling, have = look.scaling, look.have
    each = projection.density(scaling)
    expected = projection.forecast(look.latest, scaling)
    assert each is not None and expected is not None, "`reading.check` and the rule saw to it"
    need = math.ceil(expected / (each * (1 - scaling.tolerance)))
    lead = f"{seen}, which means {spoken(expected)} connections at least"
    if need <= have:
        return _Answer(have, f"{lead}: {_workers(have)} will do")
    return _added(look, need, lead)


def _useless(rule: Rule, look: _Look) -> str | None:
    """Say why one more worker would do nothing for a metric that is not a mean; None if it would.

    Lag on a worker that has little to do is made by the machine or by one table: a worker that
    comes because of it would only go again.
    """
    latest = look.latest
    if METRICS[rule.metric].kind == "peak" and projection.have_room(look.scaling, latest):
        return "the other workers have room for its rooms"
    again = projection.would_go_again(look.scaling, latest, latest.workers + 1)
    if again is not None:
        return f"the workers have little to do: {again} would take another one away again"
    return None


# --- fewer ----------------------------------------------------------------------------------


def _fewer(rule: Rule, look: _Look) -> _Answer:
    """Say how many workers are enough, as a rule that is below its threshold sees it."""
    scaling, have, seen = look.scaling, look.have, look.seen(rule)
    if have == scaling.min_workers:
        return _Answer(have, f"{seen}: {_workers(have)}, the fewest allowed")
    if look.latest.workers < have:
        return _Answer(have, f"{seen}: {have} workers shall be there and are not yet")
    since = look.now - max(rule.duration_s, scaling.interval_s)
    why: str | None = None
    for count in range(max(scaling.min_workers, have - (rule.step or 1)), have):
        why = projection.obstacle(scaling, look.history, since, count)
        if why is None:
            return _Answer(count, f"{seen}: {_workers(count)} instead of {have}")
    return _Answer(have, f"{seen}, but {why}")


# --- the rest -------------------------------------------------------------------------------


def _remarks(look: _Look, wanted: int) -> Iterator[str]:
    """Say what else there is to say."""
    scaling, latest = look.scaling, look.latest
    if not is_fresh(scaling, look.history, look.now):
        yield f"nothing was measured for {spoken(look.now - latest.at)} s: no rule can fire"
    if latest.target != look.have:
        yield f"from {scaling.min_workers} to {scaling.max_workers} workers are allowed"
    if wanted > scaling.max_workers:
        yield f"{_workers(scaling.max_workers)}, the most allowed: another instance is wanted"
