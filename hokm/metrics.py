"""Every metric: its name, type, labels and help; and how many processes show one set of them.

A worker's values lie in memory-mapped files (prometheus_client's multiprocess mode, switched on
by an environment variable that `prepare` returns and the worker is started with). The supervisor's
own values are plain ones in its memory. `render` adds up both, so a metric may be fed on either
side. A dead worker's gauges go; its counters and histograms stay in the sums.

Exposed are all metrics from the start; those whose labels are not known beforehand (`worker`,
`reason`) by their name and type only.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from hokm.wire import ERRORS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # of `render`
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_GAME: Final = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0)


def prepare(directory: Path, *, keep: bool = False) -> dict[str, str]:
    """Make *directory* ready for the workers' values, and remove those of an earlier run.

    Memory (`/run`, `/dev/shm`) suits best: the files are written all the time and worth nothing
    after the run.

    Args:
        keep: Whether workers of an earlier life of the program live on, and with them their files.

    Returns:
        Variables that each worker must have in its environment from its start.

    Raises:
        OSError: The directory cannot be used. The caller reports it and does not start.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in () if keep else directory.glob("*.db"):
        old.unlink()
    return {VARIABLE: str(directory)}


def never_forks() -> None:
    """Spare each count a system call, in a process that shows its values in files.

    prometheus_client asks for the pid at each of them, to notice a fork: 8 % of a worker's CPU. A
    worker does not fork. To be called before any metric is made.
    """
    if VARIABLE in os.environ:
        pid = os.getpid()
        values.ValueClass = values.MultiProcessValue(lambda: pid)


def observe_all(histogram: Histogram, amounts: Sequence[float]) -> None:
    """Observe many amounts at the cost of about one: each write to the file counts.

    It reaches into prometheus_client, which has no call for it; tests/unit/test_pins.py pins what.
    """
    buckets: dict[int, int] = defaultdict(int)
    for amount in amounts:
        buckets[bisect_left(histogram._upper_bounds, amount)] += 1
    for bucket, count in buckets.items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(sum(amounts))


class Metrics:
    """The metrics of one process; in the supervisor, of all."""

    def __init__(self, *, workers: Path | None = None) -> None:
        """Make all metrics, at zero.

        Args:
            workers: The directory that `prepare` made; None where there is no other process to
                show: in the workers and in tests.
        """
        self._registry = CollectorRegistry()
        self._shown = CollectorRegistry()
        self._shared = _Shared(self._registry, workers)
        self._shown.register(self._shared)
        self._make_gauges()
        self._make_counters()
        self._make_histograms()

    def render(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self._shown)

    def forget(self, pid: int) -> None:
        """Drop a dead worker's gauges and its files; what it counted stays in the sums."""
        self._shared.forget(pid)

    def forget_worker(self, worker: int) -> None:
        """Drop what was shown of a worker under its number."""
        for gauge in (self.cpu_usage, self.memory_usage, self.error_rate):
            gauge.remove(worker)

    def matches(self) -> tuple[int, float]:
        """Return how many matches have ended in all processes, and their seconds in all."""
        values = {
            sample.name: sample.value
            for metric in self._shared.collect()
            if metric.name == "hokm_game_duration_seconds"
            for sample in metric.samples
        }
        count = values.get("hokm_game_duration_seconds_count", 0.0)
        return int(count), values.get("hokm_game_duration_seconds_sum", 0.0)

    def _make_gauges(self) -> None:
        self.active_games = self._gauge("hokm_active_games", "Matches being played.")
        self.connected_players = self._gauge(
            "hokm_connected_players", "Seats whose player is connected."
        )
        self.websocket_connections = self._gauge(
            "hokm_websocket_connections", "Open WebSocket connections, spectators included."
        )
        self.rooms = self._gauge("hokm_rooms", "Rooms held in memory.")
        self.workers = self._gauge("hokm_workers", "Worker processes that take rooms.")
        self.workers_wanted = self._gauge(
            "hokm_workers_wanted", "Workers that the scaling rules ask for, bounds left aside."
        )
        self.instances_wanted = self._gauge(
            "hokm_instances_wanted", "1 while another instance is wanted, else 0."
        )
        self.overloaded = self._gauge("hokm_overloaded", "1 while new rooms are refused, else 0.")
        self.scaling_rule_level = self._gauge(
            "hokm_scaling_rule_level",
            "How near a rule's metric is to its threshold: from 1 on it is there.",
            "rule",
        )
        self.player_queue_length = self._gauge(
            "hokm_player_queue_length", "Players waiting for a table."
        )
        self.store_up = self._gauge("hokm_store_up", "1 while the store answers, else 0.")
        self.error_rate = self._gauge(
            "hokm_error_rate",
            "Part of the last minute's messages that the server failed to serve, 0 to 1.",
            "worker",
        )
        self.cpu_usage = self._gauge(
            "hokm_cpu_usage", "Part of one core that the worker uses, 0 to 1.", "worker"
        )
        self.memory_usage = self._gauge(
            "hokm_memory_usage",
            "Worker's resident memory as part of what it may have, 0 to 1.",
            "worker",
        )

    def _make_counters(self) -> None:
        self.games_created = self._counter("hokm_games_created_total", "Rooms created.")
        self.games_completed = self._counter(
            "hokm_games_completed_total", "Matches played to the end."
        )
        self.player_joins = self._counter(
            "hokm_player_joins_total", "Seats taken or resumed by players."
        )
        self.plays = self._counter("hokm_plays_total", "Cards played, by bots too.")
        self.commits = self._counter("hokm_commits_total", "Calls of the store's commit script.")
        self.worker_restarts = self._counter(
            "hokm_worker_restarts_total", "Workers started anew after they died."
        )
        self.scaling_events = self._counter(
            "hokm_scaling_events_total", "Changes of the number of workers.", "direction"
        )
        self.messages_refused = self._counter(
            "hokm_messages_refused_total", "Messages answered with an error.", "code"
        )
        self.connections_refused = self._counter(
            "hokm_connections_refused_total", "Connections turned away.", "reason"
        )
        self.moves = self._counter("hokm_moves_total", "Rooms moved between living workers.")
        self.move_aborts = self._counter(
            "hokm_move_aborts_total", "Moves that left the room where it was.", "reason"
        )
        self.adopted_connections = self._counter(
            "hokm_adopted_connections_total",
            "Connections of dead workers that others went on with.",
        )
        self.distrusted_streams = self._counter(
            "hokm_distrusted_streams_total",
            "Connections of dead workers that were closed since a frame was cut.",
            "trust",
        )
        for direction in ("up", "down"):
            self.scaling_events.labels(direction)
        for code in ERRORS:
            self.messages_refused.labels(code)

    def _make_histograms(self) -> None:
        self.response_time = self._histogram(
            "hokm_response_time_seconds", "From a message's arrival to its answer, commit included."
        )
        self.commit_time = self._histogram(
            "hokm_commit_seconds", "One call of the store's commit script."
        )
        self.event_loop_lag = self._histogram(
            "hokm_event_loop_lag_seconds", "How late a worker's timers ran."
        )
        self.handoff_pause = self._histogram(
            "hokm_handoff_pause_seconds", "How long a room stood still while it moved."
        )
        self.recovery_pause = self._histogram(
            "hokm_recovery_pause_seconds", "How long a room stood still after its worker's death."
        )
        self.game_duration = self._histogram(
            "hokm_game_duration_seconds", "Length of a match.", _GAME
        )

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(name, help, labels, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float] = _FAST) -> Histogram:
        return Histogram(name, help, buckets=buckets, registry=self._registry)


class _Shared(Collector):
    """The sum of this process's metrics, the living workers' and what dead ones have counted.

    Samples are added one by one, by name and labels. That is right for counters, for histograms
    (their buckets are cumulative in each source) and for gauges that are counts; the other gauges
    have a `worker` label, and so no two sources.
    """

    def __init__(self, own: CollectorRegistry, directory: Path | None) -> None:
        self._own = own
        self._directory = directory
        self._departed: dict[str, Metric] = {}  # counters and histograms of dead workers

    def collect(self) -> Iterator[Metric]:
        return _added(self._own.collect(), [*self._read("*.db"), *self._departed.values()])

    def forget(self, pid: int) -> None:
        pattern = f"*_{pid}.db"
        left = [metric for metric in self._read(pattern) if metric.type != "gauge"]
        for metric in _added(left, self._departed.values()):
            self._departed[metric.name] = metric
        for file in self._files(pattern):
            file.unlink()

    def _files(self, pattern: str) -> list[Path]:
        return [] if self._directory is None else sorted(self._directory.glob(pattern))

    def _read(self, pattern: str) -> list[Metric]:
        files = [str(file) for file in self._files(pattern)]
        if not files:
            return []
        return list(MultiProcessCollector.merge(files))


def _added(metrics: Iterable[Metric], more: Iterable[Metric]) -> Iterator[Metric]:
    """Yield *metrics*, with the samples of those of the same name in *more* added to theirs."""
    others: dict[str, list[Metric]] = defaultdict(list)
    for metric in more:
        others[metric.name].append(metric)
    for metric in metrics:
        sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
        for source in (metric, *others[metric.name]):
            for sample in source.samples:
                if not sample.name.endswith("_created"):  # a start time; sums make no sense
                    sums[sample.name, tuple(sorted(sample.labels.items()))] += sample.value
        total = Metric(metric.name, metric.documentation, metric.type)
        for (name, labels), value in sums.items():
            total.add_sample(name, dict(labels), value)
        yield total
