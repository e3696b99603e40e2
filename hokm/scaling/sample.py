"""From what was read of the workers and the machine to the metrics that the rules are about.

What could not be read is None and stays None: missing is missing, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median_low
from typing import Final, TypeAlias

from msgspec import Struct

from hokm.scaling.rules import Scaling

RATE_S: Final = 120.0  # over which creations are counted: the guide's rule on them looks as long


class WorkerReading(Struct, frozen=True, kw_only=True):
    """What was read of one worker that takes rooms; None where it could not be read.

    Attributes:
        cpu: Part of one core since the last look, 0 to 1 and a little more.
        memory: Bytes, page cache not counted.
        loop_lag_ms: 99th percentile of the last 30 s.
    """

    id: int
    cpu: float | None = None
    memory: int | None = None
    connections: int | None = None
    rooms: int | None = None
    loop_lag_ms: float | None = None


class Reading(Struct, frozen=True, kw_only=True):
    """One look at everything; None where something could not be read.

    Attributes:
        at: Seconds of the clock that `now` is of.
        target: How many workers there shall be.
        workers: Those that take rooms; neither spares nor workers that are being emptied.
        memory_limit: Bytes that machine or cgroup have.
        memory_used: Bytes of it in use, page cache not counted.
        host_cpu: Use of all CPUs that this server may use, 0 to 1.
        games_created: Rooms created since some time or other.
        queue_length: Players waiting for a table; 0 where nobody can.
        game_minutes: Mean length of the latest matches; None until enough have ended.
    """

    at: float
    target: int
    workers: tuple[WorkerReading, ...]
    memory_limit: int | None = None
    memory_used: int | None = None
    host_cpu: float | None = None
    games_created: int | None = None
    queue_length: int | None = None
    game_minutes: float | None = None


class Sample(Struct, frozen=True, kw_only=True):
    """The metrics at one time, as `hokm.scaling.metric.METRICS` describes them; None: not known.

    Attributes:
        at, target, games_created, game_minutes: See `Reading`.
        workers: How many workers the values are of.
    """

    at: float
    target: int
    workers: int
    cpu: float | None = None
    memory: float | None = None
    connections_per_worker: float | None = None
    rooms_per_worker: float | None = None
    max_worker_cpu: float | None = None
    loop_lag_ms: float | None = None
    typical_lag_ms: float | None = None
    game_creation_rate: float | None = None
    queue_length: float | None = None
    host_cpu: float | None = None
    host_memory: float | None = None
    games_created: int | None = None
    game_minutes: float | None = None

    def value(self, metric: str) -> float | None:
        """Return a metric by its name."""
        found: float | None = getattr(self, metric)
        return found


History: TypeAlias = tuple[Sample, ...]  # the oldest first


def remember(history: History, sample: Sample, horizon_s: float) -> History:
    """Put a sample to the others, and forget what is older than *horizon_s*.

    Where the clock has gone back, what is not older than the sample is forgotten, too: the rules
    begin anew.
    """
    oldest = sample.at - horizon_s
    begin, end = 0, len(history)
    while begin < end and history[begin].at < oldest:
        begin += 1
    while begin < end and history[end - 1].at >= sample.at:
        end -= 1
    return (*history[begin:end], sample)


def measure(reading: Reading, history: History, scaling: Scaling) -> Sample:
    """Make the metrics of one look.

    A mean or maximum over workers of whom one could not be read is not known: that one may be the
    one that matters.

    Args:
        history: The samples before; the rate of creations is counted from them.
    """
    workers = reading.workers
    cpu = _known(worker.cpu for worker in workers)
    memory = _known(worker.memory for worker in workers)
    lags = _lags(workers)
    return Sample(
        at=reading.at,
        target=reading.target,
        workers=len(workers),
        cpu=_percent(_mean(cpu), 1),
        memory=_percent(_mean(memory), _share(reading.memory_limit, scaling.max_workers)),
        connections_per_worker=_mean(_known(worker.connections for worker in workers)),
        rooms_per_worker=_mean(_known(worker.rooms for worker in workers)),
        max_worker_cpu=_percent(max(cpu) if cpu else None, 1),
        loop_lag_ms=max(lags) if lags else None,
        typical_lag_ms=typical_lag(workers),
        game_creation_rate=_rate(reading, history),
        queue_length=reading.queue_length,
        host_cpu=_percent(reading.host_cpu, 1),
        host_memory=_percent(reading.memory_used, reading.memory_limit),
        games_created=reading.games_created,
        game_minutes=reading.game_minutes,
    )


def _known(values: Iterable[float | None]) -> list[float]:
    """Return all values, or none if one is missing."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return known if len(known) == len(listed) else []


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _percent(value: float | None, whole: float | None) -> float | None:
    return 100 * value / whole if value is not None and whole else None


def _share(limit: int | None, workers: int) -> float | None:
    return None if limit is None else limit / workers


def _lags(workers: tuple[WorkerReading, ...]) -> list[float]:
    """Return the lags of those that have rooms; on the others nobody waits."""
    rooms = _known(worker.rooms for worker in workers)
    if rooms and not any(rooms):
        return [0.0]
    return _known(w.loop_lag_ms for w, held in zip(workers, rooms, strict=False) if held)


def typical_lag(workers: tuple[WorkerReading, ...]) -> float | None:
    """Return the lag of the worker in the middle, of those with rooms; None where it is not known.

    0 where none has any.
    """
    lags = _lags(workers)
    return median_low(lags) if lags else None


def _rate(reading: Reading, history: History) -> float | None:
    """Return rooms created per minute; None until half of the time to count over has passed."""
    if reading.games_created is None:
        return None
    count, first = reading.games_created, None
    for sample in reversed(history):
        if reading.at - sample.at > RATE_S:
            break
        if sample.games_created is None:
            continue
        if sample.games_created > count:
            break  # it began anew in between
        first, count = sample, sample.games_created
    if first is None or reading.at - first.at < RATE_S / 2:
        return None
    return 60 * (reading.games_created - count) / (reading.at - first.at)
