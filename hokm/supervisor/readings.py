"""What is known of the workers' load and the machine's: for the rules, the moves and the status."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from hokm.control import messages as m
from hokm.metrics import Metrics
from hokm.scaling import Reading, WorkerReading
from hokm.supervisor.machine import Machine
from hokm.supervisor.pool import Pool
from hokm.supervisor.sampler import Sampler, Usage
from hokm.supervisor.status import WorkerStatus
from hokm.supervisor.tables import Tables
from hokm.supervisor.trends import Trends
from hokm.supervisor.worker import Worker

RECENT_S: Final = 3.0  # what moves of rooms go by: a move shows its whole effect after as long
MATCHES: Final = 10  # fewer say nothing about a match's length
MATCH_LOOKS: Final = 30  # that the length is taken from ...
MATCH_LOOK_S: Final = 60.0  # ... and how far they are apart: reading all processes' values costs


class Readings:
    """Reads everything; None where something cannot be read.

    Attributes:
        machine: What the workers run on.
        trends: What they did in the last minutes.
    """

    def __init__(self, *, clock: Any, pool: Pool, tables: Tables, metrics: Metrics) -> None:
        """Make one that has read nothing."""
        self.machine = Machine(now=time.monotonic)
        self.trends = Trends()
        self._clock = clock
        self._pool = pool
        self._tables = tables
        self._metrics = metrics
        self._sampler = Sampler(time.monotonic)
        self._matches: deque[tuple[int, float]] = deque(maxlen=MATCH_LOOKS)
        self._matches_at: float | None = None
        self._peak = 0  # players at once
        self._found: dict[int, int] = {}  # tables found in the lobby, by worker, dead ones included

    # --- once a second --------------------------------------------------------------------

    def look(self) -> None:
        """See what each worker uses, and show it."""
        metrics = self._metrics
        metrics.workers.set(len(self._pool.ready))
        metrics.workers_target.set(self._pool.target)
        players = 0
        for worker in self._pool.active:
            if worker.pid is not None:
                self._sampler.look(worker.pid)
            usage = self._usage(worker)
            if usage.cpu is not None:
                metrics.cpu_usage.labels(worker.id).set(usage.cpu)
            if usage.memory is not None:
                part = usage.memory / self.machine.memory
                metrics.memory_usage.labels(worker.id).set(part)
            if worker.stats is not None:
                players += worker.stats.players
                self._found[worker.id] = worker.stats.found
                self._show(worker.id, worker.stats)
            self.trends.add(self.status(worker))
        self._peak = max(self._peak, players)
        metrics.peak_players.set(self._peak)

    def _show(self, worker: int, stats: m.Stats) -> None:
        metrics = self._metrics
        metrics.error_rate.labels(worker).set(stats.error_rate)
        metrics.worker_lag.labels(worker).set(stats.loop_lag_ms / 1000)
        metrics.worker_rooms.labels(worker).set(stats.rooms)
        metrics.worker_connections.labels(worker).set(stats.connections)

    def _usage(self, worker: Worker) -> Usage:
        """Return what a worker used in the last second."""
        return self._sampler.usage(worker.pid, 1.0)

    def status(self, worker: Worker) -> WorkerStatus:
        """Say how a worker is."""
        stats, usage = worker.stats, self._usage(worker)
        return WorkerStatus(
            id=worker.id,
            pid=worker.pid,
            state=worker.state,
            rooms=stats.rooms if stats else 0,
            connections=stats.connections if stats else 0,
            cpu=round(usage.cpu or 0.0, 3),
            memory=usage.memory or 0,
            loop_lag_ms=round(stats.loop_lag_ms, 1) if stats else 0.0,
            recent_lag_ms=round(stats.recent_lag_ms or 0.0, 1) if stats else 0.0,
            players=stats.players if stats else 0,
            games=stats.active_games if stats else 0,
        )

    def forget(self, worker: Worker, pid: int | None) -> None:
        """Hear that a worker is gone."""
        if pid is not None:
            self._metrics.forget(pid)
            self._sampler.forget(pid)
        self._metrics.forget_worker(worker.id)
        self.trends.forget(worker.id)

    # --- what the rules go by -------------------------------------------------------------

    def take(self, seconds: float) -> Reading:
        """Read everything, as it was in the last *seconds*."""
        cpu, memory = self.machine.cpu(), self.machine.memory_used()
        unknown = float("nan")
        self._metrics.host_cpu_usage.set(unknown if cpu is None else cpu)
        part = unknown if memory is None else memory / self.machine.memory
        self._metrics.host_memory_usage.set(part)
        return Reading(
            at=self._clock.seconds(),
            target=self._pool.target,
            workers=tuple(self._read(worker, seconds) for worker in self._pool.ready),
            memory_limit=self.machine.memory,
            memory_used=memory,
            host_cpu=cpu,
            games_created=self._tables.created + sum(self._found.values()),
            queue_length=self._searching(),
            game_minutes=self._game_minutes(),
        )

    def _searching(self) -> int:
        """Return how many people wait in the lobby, wherever it is."""
        return sum(w.stats.searching for w in self._pool.active if w.stats is not None)

    def recent(self) -> tuple[WorkerReading, ...]:
        """Read the workers that take rooms, as they were in the last few seconds."""
        return tuple(self._read(w, RECENT_S, recent=True) for w in self._pool.ready)

    def _read(self, worker: Worker, seconds: float, *, recent: bool = False) -> WorkerReading:
        usage, stats = self._sampler.usage(worker.pid, seconds), worker.stats
        if stats is None:
            return WorkerReading(id=worker.id, cpu=usage.cpu, memory=usage.memory)
        lag = stats.recent_lag_ms if recent else stats.loop_lag_ms
        return WorkerReading(
            id=worker.id,
            cpu=usage.cpu,
            memory=usage.memory,
            connections=stats.connections,
            rooms=stats.rooms,
            loop_lag_ms=lag,
        )

    def _game_minutes(self) -> float | None:
        """Return the mean length of the latest matches; None when there were too few."""
        now = self._clock.seconds()
        if self._matches_at is None or abs(now - self._matches_at) >= MATCH_LOOK_S:
            self._matches_at = now
            self._matches.append(self._metrics.matches())
        (first, began), (last, ended) = self._matches[0], self._matches[-1]
        if last - first < MATCHES:
            return None
        return (ended - began) / (last - first) / 60
