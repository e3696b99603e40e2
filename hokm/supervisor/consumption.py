"""What this server's processes use of CPU, memory, disk, network and descriptors: for the metrics.

What a process used is counted from its figures at one look to those at the next, so that nothing
goes down when it dies. The invariant: no use is counted twice, whatever this program's lives are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import psutil
from prometheus_client import Counter

from hokm.metrics import WAYS, Metrics
from hokm.store.embedded import EmbeddedServer
from hokm.supervisor.gates import Gates
from hokm.supervisor.pool import Pool
from hokm.supervisor.sampler import own_memory

LOOK_S: Final = 5.0  # between two looks; what a process used since the last one dies with it
_DISK_WAYS: Final = ("read", "written")

Bytes: TypeAlias = tuple[int, int]  # in and out, or read and written


def processes(pool: Pool, gates: Gates, store: EmbeddedServer | None) -> Iterator[tuple[str, int]]:
    """Yield what this server consists of: names for the label `process`, and pids."""
    yield "supervisor", os.getpid()
    for worker in pool:
        if worker.pid is not None:
            yield f"worker {worker.id}", worker.pid
    for number, pid in enumerate(gates.pids(), 1):
        yield f"gate {number}", pid
    if store is not None and store.pid is not None:
        yield "store", store.pid


@dataclass(slots=True)
class _Seen:
    process: psutil.Process
    cpu: float
    disk: Bytes | None


class Consumption:
    """Looks at everything, now and then."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        processes: Callable[[], Iterable[tuple[str, int]]],
        traffic: Callable[[], Bytes],
        store_dir: Path | None,
        first_life: bool,
    ) -> None:
        """Make one that has seen nothing.

        Args:
            processes: See `processes`.
            traffic: Returns how many bytes came and went on players' connections, in all.
            store_dir: Where the embedded store has its files; None where there is none.
            first_life: Whether no earlier life of this program has counted anything.
        """
        self._metrics = metrics
        self._processes = processes
        self._traffic = traffic
        self._store_dir = store_dir
        self._seen: dict[int, _Seen] = {}
        self._shown: set[str] = set()  # names of processes
        self._all_is_new = first_life  # so that of what is seen first all is counted, else nothing
        self._network: Bytes | None = (0, 0) if first_life else None
        self._host_network: Bytes | None = None
        self._host_disk: Bytes | None = None

    def look(self) -> None:
        """Count what was used since the last look; what cannot be read is not counted."""
        metrics = self._metrics
        self._look_at_processes()
        now = self._traffic()
        _count(metrics.network_bytes, WAYS, self._network, now)
        self._network = now
        host = _host_network()
        _count(metrics.host_network_bytes, WAYS, self._host_network, host)
        self._host_network = host
        disk = _host_disk()
        _count(metrics.host_disk_bytes, _DISK_WAYS, self._host_disk, disk)
        self._host_disk = disk
        if self._store_dir is not None:
            metrics.store_disk_usage.set(_full(self._store_dir))

    def _look_at_processes(self) -> None:
        seen, self._seen = self._seen, {}
        shown, self._shown = self._shown, set()
        for name, pid in self._processes():
            try:
                here = seen.get(pid) or self._meet(pid)
                self._look_at(name, here)
            except psutil.Error:
                continue  # it is gone
            self._seen[pid] = here
            self._shown.add(name)
        self._all_is_new = True  # who comes from now on is ours from its start
        for name in shown - self._shown:
            self._metrics.memory_bytes.remove(name)
            self._metrics.descriptor_usage.remove(name)

    def _meet(self, pid: int) -> _Seen:
        process = psutil.Process(pid)
        if self._all_is_new:
            return _Seen(process, 0.0, (0, 0))
        return _Seen(process, _cpu(process), _disk(process))

    def _look_at(self, name: str, seen: _Seen) -> None:
        metrics, process = self._metrics, seen.process
        with process.oneshot():
            cpu, disk, memory = _cpu(process), _disk(process), own_memory(process)
        descriptors = _descriptors(process)
        metrics.memory_bytes.labels(name).set(memory)
        metrics.descriptor_usage.labels(name).set(descriptors)
        metrics.cpu_seconds.labels(name).inc(max(0.0, cpu - seen.cpu))
        _count(metrics.disk_bytes, _DISK_WAYS, seen.disk, disk, name)
        seen.cpu, seen.disk = cpu, disk


def _count(
    counter: Counter,
    ways: tuple[str, str],
    before: Bytes | None,
    now: Bytes | None,
    *labels: str,
) -> None:
    """Count by how much both figures have grown; from 0 on where they are read first."""
    if now is None:
        return
    for way, old, new in zip(ways, before or now, now, strict=True):
        counter.labels(*labels, way).inc(max(0, new - old))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _disk(process: psutil.Process) -> Bytes | None:
    try:
        counters = process.io_counters()
    except psutil.AccessDenied:  # not ours, or hidden by the system
        return None
    return int(counters.read_bytes), int(counters.write_bytes)


def _descriptors(process: psutil.Process) -> float:
    limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
    return float(process.num_fds() / limit)


def _host_network() -> Bytes | None:
    try:
        found = psutil.net_io_counters(pernic=True)
    except OSError:
        return None
    mine = [counters for name, counters in found.items() if name != "lo"]
    return sum(c.bytes_recv for c in mine), sum(c.bytes_sent for c in mine)


def _host_disk() -> Bytes | None:
    try:
        found = psutil.disk_io_counters()
    except (OSError, RuntimeError):  # there is no such file, or psutil cannot read it
        return None
    return None if found is None else (int(found.read_bytes), int(found.write_bytes))


def _full(directory: Path) -> float:
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return float("nan")
    return usage.used / (usage.used + usage.free)
