"""Every metric: its name, type, labels and help.

All are exposed from the start; those whose labels are not known beforehand (as `worker`),
and gauges of what is not known yet, by their name and type only: missing is missing, never zero.
docs/operations/metrics.md is made of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hokm.multiprocess import Count, Shared
from hokm.wire import ERRORS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # of `render`

# In seconds. What is promised lies on a bound, so that a share of it can be told exactly: pauses of
# 50 ms, answers in 100 and 200 ms, recovery in 1 s.
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
_GAME: Final = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0)

WAYS: Final = ("in", "out")  # values of the label `direction` of a network
_REFUSALS: Final = (  # the listener's reasons, the routing's and the workers'
    *("bad_request", "head_too_large", "head_timeout", "crowded", "gone"),
    *("no_worker", "no_owner", "worker_full"),
)


class Listed(Struct, frozen=True):
    """What docs/operations/metrics.md says of one metric."""

    topic: str
    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str


class Metrics:
    """The metrics of one process; in the supervisor, of all.

    Attributes:
        listed: All of them, in the order of the document.
    """

    def __init__(self, *, workers: Path | None = None) -> None:
        """Make all metrics, at zero or not known.

        Args:
            workers: The directory that `hokm.multiprocess.prepare` made; None where there is no
                other process to show: in the workers and in tests.
        """
        self.listed: list[Listed] = []
        self._topic = ""
        self._registry = CollectorRegistry()
        self._shown = CollectorRegistry()
        self._shared = Shared(self._registry, workers)
        self._shown.register(self._shared)
        self._make_players_and_games()
        self._make_service()
        self._make_store()
        self._make_workers()
        self._make_machine()
        self._make_scaling()
        self._make_moves()
        self._make_fleet()

    def render(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self._shown)

    def forget(self, pid: int) -> None:
        """Drop a dead worker's gauges and its files; what it counted stays in the sums."""
        self._shared.forget(pid)

    def forget_worker(self, worker: int) -> None:
        """Drop what was shown of a worker under its number."""
        for gauge in self._of_workers:
            gauge.remove(worker)

    def counted(self) -> list[Count]:
        """Return what was counted here and by dead workers: for the life after this one."""
        return self._shared.counted()

    def go_on(self, counted: Iterable[Count]) -> None:
        """Count on from what an earlier life of this process has counted."""
        self._shared.go_on(counted)

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

    # --- the metrics ----------------------------------------------------------------------

    def _make_players_and_games(self) -> None:
        self._topic = "Players and games"
        self.connected_players = self._gauge(
            "hokm_connected_players", "Seats whose player is connected."
        )
        self.peak_players = self._gauge(
            "hokm_peak_connected_players",
            "Most seats whose player was connected at once, since the supervisor started.",
            known=False,
        )
        self.websocket_connections = self._gauge(
            "hokm_websocket_connections", "Open WebSocket connections, spectators included."
        )
        self.connections = self._counter(
            "hokm_connections_total", "WebSocket connections that came."
        )
        self.gate_connections = self._gauge(
            "hokm_gate_connections", "Connections through the gate: by TLS, or to other instances."
        )
        self.active_games = self._gauge("hokm_active_games", "Matches being played.")
        self.rooms = self._gauge("hokm_rooms", "Rooms held in memory.")
        self.player_queue_length = self._gauge(
            "hokm_player_queue_length", "Players waiting for a table."
        )
        self.games_created = self._counter("hokm_games_created_total", "Rooms created.")
        self.games_completed = self._counter(
            "hokm_games_completed_total", "Matches played to the end."
        )
        self.game_duration = self._histogram(
            "hokm_game_duration_seconds", "Length of a match.", _GAME
        )
        self.player_joins = self._counter(
            "hokm_player_joins_total", "Seats taken or resumed by players."
        )
        self.plays = self._counter("hokm_plays_total", "Cards played, by bots too.")
        self.guests = self._gauge(
            "hokm_guests",
            "Browsers in which somebody played, each counted once: today so far, yesterday, in the "
            "last 7 and in the last 30 whole days (UTC). Of all that share the store.",
            "period",
        )
        self.guest_retention = self._gauge(
            "hokm_guest_retention",
            "Part of the guests of a day who came again so many days later, 0 to 1: yesterday. Of "
            "all that share the store.",
            "days",
        )

    def _make_service(self) -> None:
        self._topic = "How players are served"
        self.healthy = self._gauge("hokm_healthy", "1 while /health says 200, else 0.", known=False)
        self.response_time = self._histogram(
            "hokm_response_time_seconds", "From a message's arrival to its answer, commit included."
        )
        self.error_rate = self._of_worker(
            "hokm_error_rate",
            "Part of the last minute's messages that the server failed to serve, 0 to 1.",
        )
        self.messages_refused = self._counter(
            "hokm_messages_refused_total", "Messages answered with an error.", "code"
        )
        self.connections_refused = self._counter(
            "hokm_connections_refused_total", "Connections turned away.", "reason"
        )
        for code in ERRORS:
            self.messages_refused.labels(code)
        for reason in _REFUSALS:
            self.connections_refused.labels(reason)

    def _make_store(self) -> None:
        self._topic = "The store"
        self.store_up = self._gauge(
            "hokm_store_up", "1 while the store answers, else 0.", known=False
        )
        self.commit_time = self._histogram(
            "hokm_commit_seconds", "One call of the store's commit script."
        )
        self.commits = self._counter("hokm_commits_total", "Calls of the store's commit script.")
        self.store_disk_usage = self._gauge(
            "hokm_store_disk_usage",
            "Part of the embedded store's disk that is full, 0 to 1.",
            known=False,
        )

    def _make_workers(self) -> None:
        self._topic = "Workers"
        self.workers = self._gauge("hokm_workers", "Worker processes that take rooms.")
        self.workers_target = self._gauge(
            "hokm_workers_target", "How many there are to be.", known=False
        )
        self.cpu_usage = self._of_worker(
            "hokm_cpu_usage", "Part of one core that the worker uses, 0 to 1."
        )
        self.memory_usage = self._of_worker(
            "hokm_memory_usage",
            "Worker's memory, page cache not counted, as part of what it may have, 0 to 1.",
        )
        self.worker_lag = self._of_worker(
            "hokm_worker_lag_seconds",
            "How late the worker's timers ran, 99th percentile of its last 30 s.",
        )
        self.worker_rooms = self._of_worker("hokm_worker_rooms", "Rooms that the worker has.")
        self.worker_connections = self._of_worker(
            "hokm_worker_connections", "Connections that the worker has."
        )
        self.event_loop_lag = self._histogram(
            "hokm_event_loop_lag_seconds", "How late the workers' timers ran."
        )
        self.worker_restarts = self._counter(
            "hokm_worker_restarts_total", "Workers started anew after they died."
        )

    def _make_machine(self) -> None:
        self._topic = "What is used of the machine"
        self.cpu_seconds = self._counter(
            "hokm_cpu_seconds_total", "CPU time that this server's processes used.", "process"
        )
        self.memory_bytes = self._gauge(
            "hokm_memory_bytes",
            "Memory of this server's processes, page cache not counted.",
            "process",
        )
        self.disk_bytes = self._counter(
            "hokm_disk_bytes_total",
            "Bytes that this server's processes had read from disks, and written to them.",
            "process",
            "direction",
        )
        self.network_bytes = self._counter(
            "hokm_network_bytes_total", "Bytes of players' WebSockets.", "direction"
        )
        self.descriptor_usage = self._gauge(
            "hokm_descriptor_usage",
            "Part of its allowed descriptors that a process has open, 0 to 1.",
            "process",
        )
        self.host_cpu_usage = self._gauge(
            "hokm_host_cpu_usage",
            "Use of all CPUs that this server may use, by anybody, 0 to 1.",
            known=False,
        )
        self.host_memory_usage = self._gauge(
            "hokm_host_memory_usage",
            "Memory in use in the machine or cgroup, page cache not counted, 0 to 1.",
            known=False,
        )
        self.host_network_bytes = self._counter(
            "hokm_host_network_bytes_total",
            "Bytes through the network interfaces, loopback not counted.",
            "direction",
        )
        self.host_disk_bytes = self._counter(
            "hokm_host_disk_bytes_total", "Bytes of the machine's disks, by anybody.", "direction"
        )

    def _make_scaling(self) -> None:
        self._topic = "Scaling"
        self.scaling_events = self._counter(
            "hokm_scaling_events_total", "Changes of the number of workers.", "direction"
        )
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
        for direction in ("up", "down"):
            self.scaling_events.labels(direction)

    def _make_fleet(self) -> None:
        self._topic = "Several instances"
        self.instances = self._gauge(
            "hokm_instances", "Instances that share the store and live, this one included."
        )
        self.lease_age = self._gauge(
            "hokm_lease_age_seconds", "Since this instance's lease was renewed; 0 without a fleet."
        )
        self.relays = self._counter(
            "hokm_relays_total", "Connections relayed to the instance that has their room."
        )

    def _make_moves(self) -> None:
        self._topic = "Moves and crashes"
        self.moves = self._counter("hokm_moves_total", "Rooms moved between living workers.")
        self.handoff_pause = self._histogram(
            "hokm_handoff_pause_seconds", "How long a room stood still while it moved."
        )
        self.move_aborts = self._counter(
            "hokm_move_aborts_total", "Moves that left the room where it was.", "reason"
        )
        self.recovery_pause = self._histogram(
            "hokm_recovery_pause_seconds", "How long a room stood still after its worker's death."
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

    # --- making them ----------------------------------------------------------------------

    def _gauge(self, name: str, help: str, *labels: str, known: bool = True) -> Gauge:
        """Make a gauge; one that is not *known* yet is shown once it is set."""
        self.listed.append(Listed(self._topic, name, "gauge", labels, help))
        gauge = Gauge(name, help, labels, registry=self._registry, multiprocess_mode="livesum")
        if not known:
            gauge.set(float("nan"))
        return gauge

    def _of_worker(self, name: str, help: str) -> Gauge:
        return self._gauge(name, help, "worker")

    @property
    def _of_workers(self) -> tuple[Gauge, ...]:
        return (
            self.cpu_usage,
            self.memory_usage,
            self.error_rate,
            self.worker_lag,
            self.worker_rooms,
            self.worker_connections,
        )

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        self.listed.append(Listed(self._topic, name, "counter", labels, help))
        return Counter(name, help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float] = _FAST) -> Histogram:
        self.listed.append(Listed(self._topic, name, "histogram", (), help))
        return Histogram(name, help, buckets=buckets, registry=self._registry)


def markdown() -> str:
    """Write docs/operations/metrics.md."""
    lines = ["# Metrics", "", _PREFACE]
    topic = ""
    for metric in Metrics().listed:
        if metric.topic != topic:
            topic = metric.topic
            lines += ["", f"## {topic}", "", "| name | type | labels | what |", "|---" * 4 + "|"]
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


_PREFACE: Final = """\
Made from `hokm/metrics.py` by `scripts/docs`. What to look at, and which alerts there are:
[monitoring.md](monitoring.md).

One server shows the values of all its processes at `/metrics` of its admin port. Counters and
histograms hold what dead workers have counted, too, and go on when the supervisor executes itself
anew; they begin at zero when the server is started. A gauge that is not known, as a worker's CPU
at the first look or the disk of a store that is elsewhere, has no sample. Of a histogram NAME
there are `NAME_bucket`, `NAME_sum` and `NAME_count`.

Labels have few values: `worker` is a small number that is used again; `process` is `supervisor`,
`store` (the embedded one), `worker 1` and so on (spares too), or `gate 1`; `direction` is `in` or
`out`, `read` or `written`, `up` or `down`; `code` is an error of the protocol, `rule` a rule of
scaling; `period` is `today`, `day`, `week` or `month`, `days` 1, 7 or 30; `reason` and `trust` are
what they say."""
