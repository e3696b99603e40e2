"""Looks at the load, has the rules decide, and does what they say; it remembers why.

The invariant: the number of workers changes through `Operations` only, one change at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hokm.jobs import JobStatus, Refused
from hokm.metrics import Metrics
from hokm.scaling import (
    Decision,
    Overload,
    Scaling,
    decide,
    judge,
    measure,
    remember,
    typical_lag,
)
from hokm.scaling.metric import METRICS
from hokm.scaling.sample import History, Sample
from hokm.supervisor.hook import Hook
from hokm.supervisor.operations import Operations
from hokm.supervisor.pool import Pool
from hokm.supervisor.readings import Readings
from hokm.supervisor.status import DecisionStatus, ScalingStatus
from hokm.tasks import every

_log = Logger()

KEPT: Final = 20  # decisions that changed something
BY_OPERATOR: Final = "an operator has asked for that"


class Scaler:
    """Scales the workers.

    Attributes:
        scaling: Rules and bounds; an operator's wish extends the bounds.
    """

    def __init__(
        self,
        *,
        clock: Any,
        scaling: Scaling,
        pool: Pool,
        readings: Readings,
        operations: Operations,
        metrics: Metrics,
        hook: Hook,
        now: Callable[[], float],
    ) -> None:
        """Make one that has decided nothing.

        Args:
            hook: Is told at each look whether another instance is wanted, and why.
            now: Seconds since 1970, for people.
        """
        self._clock = clock
        self._loop: LoopingCall | None = None
        self.scaling = scaling
        self._overload = Overload()
        self._pool = pool
        self._readings = readings
        self._operations = operations
        self._metrics = metrics
        self._hook = hook
        self._now = now
        self._history: History = ()
        self._decision: Decision | None = None
        self._known: int | None = None  # the target, as far as we have had to do with it
        self._log: deque[DecisionStatus] = deque(maxlen=KEPT)

    def start(self) -> None:
        """Begin to look, every `interval_s`; the number of workers that there is to be stands."""
        if self._known is None:
            self._known = self._pool.target
            self.scaling = bounds_with(self.scaling, self._known)
        self._loop = every(self._clock, self.scaling.interval_s, self.look, "scaling")

    def stop(self) -> None:
        """Look no more."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def reload(self, scaling: Scaling) -> None:
        """Go by other rules and bounds from now on; an operator's bounds are forgotten."""
        self.scaling = scaling
        self._metrics.scaling_rule_level.clear()  # a rule may be gone
        if self._loop is not None:
            self.stop()
            self.start()

    def look(self) -> None:
        """Look at the load, and act."""
        self._mind_operator()
        scaling = self.scaling
        reading = self._readings.take(scaling.interval_s)
        sample = measure(reading, self._history, scaling)
        self._history = remember(self._history, sample, scaling.horizon_s())
        decision = decide(scaling, self._history, reading.at)
        before, self._decision = self._decision, decision
        self._show(decision)
        changes = self._scale(decision)
        if changes or _differs(before, decision):
            target = decision.target if changes else reading.target
            self._note(reading.target, target, decision, decision.reasons)
        if decision.more_instances:
            self._hook.wanted(scaling, decision.reasons)
        else:
            self._hook.unwanted()

    # --- overload -------------------------------------------------------------------------

    @property
    def overloaded(self) -> bool:
        """Whether new rooms are to be refused, with `try_later`; those that are there go on."""
        return self._overload.refuses

    def watch(self) -> None:
        """See whether players wait too long though no more workers may come; once a second."""
        scaling, target = self.scaling, self._pool.target
        before, self._overload = (
            self._overload,
            judge(
                self._overload,
                typical_lag(self._readings.recent()),
                scaling.overload_lag_ms,
                at_most=target >= scaling.max_workers,
                now=self._clock.seconds(),
            ),
        )
        self._metrics.overloaded.set(self.overloaded)
        if self.overloaded != before.refuses:
            reasons = self._complaint() or ("no more overloaded: new rooms are welcome again",)
            self._note(target, target, self._decision, reasons)

    def _complaint(self) -> tuple[str, ...]:
        if not self.overloaded:
            return ()
        limit = f"most workers have lagged by more than {self.scaling.overload_lag_ms:g} ms"
        count = f"there are {self._pool.target}, the most allowed"
        return (f"overloaded, {limit}, and {count}: new rooms are refused",)

    # --- the number of workers ------------------------------------------------------------

    def _mind_operator(self) -> None:
        """Let an operator's number of workers stand: the bounds follow it."""
        if self._operations.busy:
            return
        before, target = self._known, self._pool.target
        if before is None or target == before:
            return
        self._known = target
        self.scaling = bounds_with(self.scaling, target)
        self._note(before, target, self._decision, (BY_OPERATOR,))

    def _scale(self, decision: Decision) -> bool:
        """Bring the workers to the number decided; False if there is nothing to do, or not now."""
        if decision.target == self._pool.target or self._operations.busy:
            return False
        try:
            job = self._operations.scale(decision.target, "by the rules")
        except Refused as refused:
            _log.error("the workers cannot be scaled: {why}", why=refused)
            return False
        job.finished.addCallback(self._scaled)
        return True

    def _scaled(self, status: JobStatus) -> JobStatus:
        """Hear that our own change has ended, as it was meant or not."""
        self._known = self._pool.target
        return status

    def _note(
        self, before: int, target: int, decision: Decision | None, reasons: tuple[str, ...]
    ) -> None:
        """Remember a decision, and log it."""
        entry = DecisionStatus(
            at=datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds"),
            before=before,
            target=target,
            overloaded=self.overloaded,
            more_instances=decision is not None and decision.more_instances,
            reasons=reasons,
        )
        self._log.append(entry)
        _log.info(
            "{workers}: {reasons}",
            workers=f"{before} to {target} workers" if before != target else f"{target} workers",
            reasons="; ".join(reasons),
        )

    def _show(self, decision: Decision) -> None:
        metrics = self._metrics
        metrics.workers_wanted.set(decision.wanted)
        metrics.instances_wanted.set(decision.more_instances)
        for standing in decision.rules:
            level = float("nan") if standing.level is None else standing.level
            metrics.scaling_rule_level.labels(standing.rule).set(level)

    def status(self) -> ScalingStatus:
        """Say how many workers there shall be, and why."""
        decision = self._decision
        changes = [entry for entry in self._log if entry.before != entry.target]
        return ScalingStatus(
            target=self._pool.target,
            reasons=(() if decision is None else decision.reasons) + self._complaint(),
            last=_in_words(changes[-1]) if changes else None,
            min_workers=self.scaling.min_workers,
            max_workers=self.scaling.max_workers,
            wanted=self._pool.target if decision is None else decision.wanted,
            overloaded=self.overloaded,
            more_instances=decision is not None and decision.more_instances,
            rules=() if decision is None else decision.rules,
            decisions=tuple(self._log),
            measured=_measured(self._history[-1]) if self._history else {},
        )


def bounds_with(scaling: Scaling, workers: int) -> Scaling:
    """Make the bounds hold *workers*; a fixed number becomes that one."""
    low, high = scaling.min_workers, scaling.max_workers
    if low == high:
        low = high = workers
    return msgspec.structs.replace(
        scaling, min_workers=min(low, workers), max_workers=max(high, workers)
    )


def _measured(sample: Sample) -> dict[str, float | None]:
    return {
        name: None if (value := sample.value(name)) is None else round(value, 2) for name in METRICS
    }


def _differs(before: Decision | None, now: Decision) -> bool:
    """Say whether something but the number of workers has changed."""
    if before is None:
        return now.more_instances
    return before.more_instances != now.more_instances


def _in_words(entry: DecisionStatus) -> str:
    return f"{entry.at}: {entry.before} to {entry.target} workers: {'; '.join(entry.reasons)}"
