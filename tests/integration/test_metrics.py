"""Metrics of several processes: the sum over the living, and what the dead have counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hokm.metrics import Metrics
from hokm.multiprocess import prepare

# Feeds some metrics, says so, and lives on until its input ends.
WORKER = """
import sys
from hokm.metrics import Metrics
metrics = Metrics()
plays, worker = int(sys.argv[1]), sys.argv[2]
metrics.plays.inc(plays)
metrics.rooms.set(plays)
metrics.cpu_usage.labels(worker).set(0.5)
metrics.messages_refused.labels("bad_card").inc()
for _ in range(plays):
    metrics.commit_time.observe(0.002)
print("fed", flush=True)
sys.stdin.read()
"""


class Worker:
    """A process with metrics of its own."""

    def __init__(self, environment: dict[str, str], plays: int, worker: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(plays), str(worker)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"fed\n"

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def spawned() -> Iterator[list[Worker]]:
    """Collect workers, to end them whatever happens."""
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.kill()


def samples(metrics: Metrics) -> dict[str, float]:
    """Read the rendered text back: sample with labels -> value."""
    return {
        sample.name + "".join(f"|{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_sums_over_processes(tmp_path: Path, spawned: list[Worker]) -> None:
    """Workers and supervisor are added up; a dead worker's gauges go and its counters stay."""
    environment = prepare(tmp_path)
    metrics = Metrics(workers=tmp_path)
    metrics.rooms.set(1)
    metrics.plays.inc()
    metrics.host_cpu_usage.set(0.5)
    spawned += [Worker(environment, 10, 1), Worker(environment, 20, 2)]
    found = samples(metrics)
    assert (found["hokm_plays_total"], found["hokm_rooms"]) == (31, 31)
    assert found["hokm_messages_refused_total|code=bad_card"] == 2
    assert found["hokm_commit_seconds_count"] == 30
    assert found["hokm_commit_seconds_bucket|le=0.0025"] == 30
    assert found["hokm_commit_seconds_bucket|le=+Inf"] == 30
    assert found["hokm_commit_seconds_sum"] == pytest.approx(0.06)
    assert found["hokm_cpu_usage|worker=1"] == found["hokm_cpu_usage|worker=2"] == 0.5
    assert not any("pid=" in name for name in found)
    # What is not known in a worker is no part of the sum.
    assert found["hokm_host_cpu_usage"] == 0.5
    assert "hokm_store_up" not in found

    spawned[0].kill()
    metrics.forget(spawned[0].pid)
    found = samples(metrics)
    assert (found["hokm_plays_total"], found["hokm_rooms"]) == (31, 21)
    assert found["hokm_commit_seconds_bucket|le=+Inf"] == found["hokm_commit_seconds_count"] == 30
    assert "hokm_cpu_usage|worker=1" not in found
    assert not list(tmp_path.glob(f"*_{spawned[0].pid}.db"))


def test_every_death_is_remembered(tmp_path: Path, spawned: list[Worker]) -> None:
    """The counts of one dead worker after the other add up, and forgetting twice adds nothing."""
    environment = prepare(tmp_path)
    metrics = Metrics(workers=tmp_path)
    for plays in (1, 2):
        worker = Worker(environment, plays, 1)
        spawned.append(worker)
        worker.kill()
        metrics.forget(worker.pid)
        metrics.forget(worker.pid)
    found = samples(metrics)
    assert (found["hokm_plays_total"], found["hokm_rooms"]) == (3, 0)
    assert found["hokm_commit_seconds_bucket|le=0.005"] == 3
    assert list(tmp_path.glob("*.db")) == []
