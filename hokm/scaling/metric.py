"""What the rules can be about: every metric, its unit, and how it follows the number of workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct


class Metric(Struct, frozen=True):
    """One metric.

    Attributes:
        unit: Empty for a plain number.
        kind: `shared` is a mean over the workers, so that twice the workers halve it; `peak` is
            that of the worst one, which more workers help only if rooms leave it; `whole` is the
            instance's or the machine's.
        help: What it is.
    """

    unit: str
    kind: Literal["shared", "peak", "whole"]
    help: str


METRICS: Final[Mapping[str, Metric]] = {
    "cpu": Metric("%", "shared", "part of one core that a worker uses, mean over the workers"),
    "memory": Metric(
        "%",
        "shared",
        "a worker's memory, mean, as part of its share: what the machine or cgroup has, "
        "divided by `max_workers`",
    ),
    "connections_per_worker": Metric("", "shared", "open connections of a worker, mean"),
    "rooms_per_worker": Metric("", "shared", "rooms in memory of a worker, mean"),
    "max_worker_cpu": Metric("%", "peak", "part of one core that the busiest worker uses"),
    "loop_lag_ms": Metric(
        "ms",
        "peak",
        "how late timers run, 99th percentile, on the worker with rooms where it is worst",
    ),
    "typical_lag_ms": Metric(
        "ms", "peak", "the same, on the worker with rooms that stands in the middle"
    ),
    "game_creation_rate": Metric("per min", "whole", "rooms created, over the last 2 minutes"),
    "queue_length": Metric("", "whole", "players waiting for a table"),
    "host_cpu": Metric("%", "whole", "use of all CPUs that this server may use, by anybody"),
    "host_memory": Metric(
        "%", "whole", "memory in use in the machine or cgroup, page cache not counted"
    ),
}
