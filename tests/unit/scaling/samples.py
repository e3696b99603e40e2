"""Histories for the tests of scaling."""

from __future__ import annotations

from typing import Any

from hokm.scaling import DEFAULTS, History, Rule, Sample, Scaling

INTERVAL_S = 5.0

# A server of two workers that has its work: no rule is met, and one worker could not do it.
BUSY: dict[str, Any] = {
    "cpu": 50.0,
    "memory": 30.0,
    "connections_per_worker": 60.0,
    "rooms_per_worker": 15.0,
    "max_worker_cpu": 55.0,
    "loop_lag_ms": 5.0,
    "typical_lag_ms": 4.0,
    "game_creation_rate": 1.0,
    "queue_length": 0,
    "host_cpu": 40.0,
    "host_memory": 40.0,
    "games_created": 100,
    "game_minutes": 30.0,
}


def scaling(**changes: Any) -> Scaling:
    """Make the default rules for 1 to 8 workers."""
    return Scaling(**{"min_workers": 1, "max_workers": 8, "interval_s": INTERVAL_S} | changes)


def sample(at: float, workers: int = 2, **values: Any) -> Sample:
    """Make a sample of a busy server but for *values*."""
    target = values.pop("target", workers)
    return Sample(at=at, target=target, workers=workers, **BUSY | values)


def series(*parts: tuple[float, dict[str, Any]], workers: int = 2) -> History:
    """Make samples every 5 s from parts, each (seconds, values); the last part has its end, too."""
    found: list[Sample] = []
    at = 0.0
    for seconds, values in parts:
        count = int(seconds / INTERVAL_S)
        found += [
            sample(at + n * INTERVAL_S, **{"workers": workers} | values) for n in range(count)
        ]
        at += count * INTERVAL_S
    last = parts[-1][1]
    return (*found, sample(at, **{"workers": workers} | last))


def blind(at: float, workers: int = 2) -> Sample:
    """Make a sample of which nothing is known."""
    return Sample(at=at, target=workers, workers=workers)


def rule(name: str) -> Rule:
    """Return a default rule."""
    return next(rule for rule in DEFAULTS if rule.name == name)
