"""Metrics of several processes, shown as one set of them.

A worker's values lie in memory-mapped files (prometheus_client's multiprocess mode, switched on
by an environment variable that `prepare` returns and the worker is started with). The supervisor's
own values are plain ones in its memory. `Shared` adds up both, so a metric may be fed on either
side. A dead process's gauges go; its counters and histograms stay in the sums, and so do those of
the supervisor's life before, which it executed itself out of. The invariant: what is shown of a
counter goes down with a restart of the whole server only, and then to zero.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported

Labels: TypeAlias = tuple[tuple[str, str], ...]
Count: TypeAlias = tuple[str, str, Labels, float]  # a sample: of which metric, its name, labels
_Sums: TypeAlias = dict[str, dict[tuple[str, Labels], float]]  # by metric


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


class Shared(Collector):
    """The sum of this process's metrics, the living workers' and what has been counted before.

    Samples are added one by one, by name and labels. That is right for counters, for histograms
    (their buckets are cumulative in each source) and for gauges that are counts; the other gauges
    have a `worker` label or are set in the supervisor only, and so no two sources. NaN is what is
    not known, and adds nothing: of what nobody knows there is no sample.
    """

    def __init__(self, own: CollectorRegistry, directory: Path | None) -> None:
        """Make a collector.

        Args:
            own: This process's metrics; no other is shown.
            directory: That of `prepare`; None where there are no other processes.
        """
        self._own = own
        self._directory = directory
        self._before: _Sums = _no_sums()

    def collect(self) -> Iterator[Metric]:
        """Yield each metric of this process, with all sources in it."""
        own = list(self._own.collect())
        sums = _no_sums()
        for metric in own:
            _add(sums, metric)
        for metric in self._read("*.db"):
            _add(sums, metric)
        for name, sample, labels, value in _flat(self._before):
            sums[name][sample, labels] += value
        for metric in own:
            total = Metric(metric.name, metric.documentation, metric.type)
            for (sample, labels), value in sums[metric.name].items():
                total.add_sample(sample, dict(labels), value)
            yield total

    def forget(self, pid: int) -> None:
        """Drop a dead process's gauges and its files; what it counted stays in the sums."""
        pattern = f"*_{pid}.db"
        for metric in self._read(pattern):
            if metric.type != "gauge":
                _add(self._before, metric)
        for file in self._files(pattern):
            file.unlink()

    def counted(self) -> list[Count]:
        """Return what this process and dead ones have counted: for the life after this one."""
        sums = _no_sums()
        for metric in self._own.collect():
            if metric.type != "gauge":
                _add(sums, metric)
        return [*_flat(sums), *_flat(self._before)]

    def go_on(self, counted: Iterable[Count]) -> None:
        """Count on from what an earlier life of this process has counted."""
        for name, sample, labels, value in counted:
            self._before[name][sample, labels] += value

    def _files(self, pattern: str) -> list[Path]:
        return [] if self._directory is None else sorted(self._directory.glob(pattern))

    def _read(self, pattern: str) -> list[Metric]:
        # A process makes an empty file first; killed then, it leaves one that cannot be read.
        files = [str(file) for file in self._files(pattern) if file.stat().st_size]
        if not files:
            return []
        return list(MultiProcessCollector.merge(files))


def _no_sums() -> _Sums:
    return defaultdict(lambda: defaultdict(float))


def _add(sums: _Sums, metric: Metric) -> None:
    for sample in metric.samples:
        if sample.name.endswith("_created") or math.isnan(sample.value):
            continue  # a start time, of which a sum makes no sense; or not known
        sums[metric.name][sample.name, tuple(sorted(sample.labels.items()))] += sample.value


def _flat(sums: _Sums) -> Iterator[Count]:
    for name, samples in sums.items():
        for (sample, labels), value in samples.items():
            if value:
                yield name, sample, labels, value
