"""What processes use is counted once each, whatever becomes of them and of this program."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hokm.metrics import Metrics
from hokm.supervisor.consumption import Consumption


class Process:
    """A process whose figures a test sets."""

    def __init__(self) -> None:
        self.cpu = 1.0
        self.disk: tuple[int, int] | None = (100, 200)
        self.descriptors = 25
        self.gone = False

    def oneshot(self) -> Any:
        return nullcontext()

    def cpu_times(self) -> Any:
        if self.gone:
            raise psutil.NoSuchProcess(1)
        return SimpleNamespace(user=self.cpu, system=0.0)

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=1500, shared=500)

    def io_counters(self) -> Any:
        if self.disk is None:
            raise psutil.AccessDenied
        return SimpleNamespace(read_bytes=self.disk[0], write_bytes=self.disk[1])

    def num_fds(self) -> int:
        return self.descriptors

    def rlimit(self, what: int) -> tuple[int, int]:
        return 100, 200


class World:
    """Processes by pid, and what was counted of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, first_life: bool = True) -> None:
        self.processes: dict[int, tuple[str, Process]] = {}
        self.traffic = (10, 20)
        self.metrics = Metrics()
        self.consumption = Consumption(
            metrics=self.metrics,
            processes=lambda: [(kind, pid) for pid, (kind, _) in self.processes.items()],
            traffic=lambda: self.traffic,
            store_dir=None,
            first_life=first_life,
        )
        monkeypatch.setattr(psutil, "Process", lambda pid: self.processes[pid][1])

    def start(self, pid: int, kind: str = "worker 1") -> Process:
        """Have one more process."""
        process = Process()
        self.processes[pid] = kind, process
        return process

    def look(self) -> dict[str, float]:
        """Look once; returns the samples, by name and the values of their labels."""
        self.consumption.look()
        return {
            " ".join((sample.name.removeprefix("hokm_"), *sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
        }


def test_what_the_dead_have_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU and disk of whoever has the same name are added up, and never go down."""
    world = World(monkeypatch)
    one, other = world.start(1), world.start(2, "store")
    found = world.look()
    assert (found["cpu_seconds_total worker 1"], found["memory_bytes worker 1"]) == (1.0, 1000)
    assert found["disk_bytes_total written worker 1"] == 200
    one.cpu, other.disk = 3.5, (150, 260)
    found = world.look()
    assert (found["cpu_seconds_total worker 1"], found["cpu_seconds_total store"]) == (3.5, 1.0)
    assert found["disk_bytes_total read store"] == 150
    one.gone = True
    found = world.look()
    assert found["cpu_seconds_total worker 1"] == 3.5
    assert "memory_bytes worker 1" not in found and "descriptor_usage worker 1" not in found
    del world.processes[1]
    world.start(1).cpu = 0.25  # another process, which the system gave the same number
    assert world.look()["cpu_seconds_total worker 1"] == 3.75


def test_what_cannot_be_read_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without access to its figures a process has no disk use, rather than none of it."""
    world = World(monkeypatch)
    process = world.start(1)
    process.disk = None
    found = world.look()
    assert not [name for name in found if name.startswith("disk_bytes")]
    assert "memory_bytes store" not in found and "store_disk_usage" not in found
    process.disk = (5000, 5000)
    assert world.look()["disk_bytes_total read worker 1"] == 0
    process.disk = (5001, 5002)
    found = world.look()
    read, written = (found[f"disk_bytes_total {way} worker 1"] for way in ("read", "written"))
    assert (read, written) == (1, 2)


def test_a_life_before_has_counted_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what lived on only the growth is counted; of what starts from now on all."""
    world = World(monkeypatch, first_life=False)
    process = world.start(1, "supervisor")
    found = world.look()
    assert (found["cpu_seconds_total supervisor"], found["network_bytes_total in"]) == (0, 0)
    process.cpu, world.traffic = 1.5, (13, 20)
    world.start(2)
    found = world.look()
    assert found["cpu_seconds_total supervisor"] == 0.5
    assert found["cpu_seconds_total worker 1"] == 1.0
    assert (found["network_bytes_total in"], found["network_bytes_total out"]) == (3, 0)


def test_descriptors_are_a_part_of_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each process: a full one does not hide behind the others."""
    world = World(monkeypatch)
    world.start(1, "supervisor")
    world.start(2, "worker 2").descriptors = 90
    found = world.look()
    assert (found["descriptor_usage supervisor"], found["descriptor_usage worker 2"]) == (0.25, 0.9)


def test_a_machine_of_its_own(tmp_path: Path) -> None:
    """This process, this machine's disk and its network are read for real."""
    metrics = Metrics()
    consumption = Consumption(
        metrics=metrics,
        processes=lambda: [("supervisor", os.getpid()), ("worker 1", 2**22 + 1)],
        traffic=lambda: (0, 0),
        store_dir=tmp_path,
        first_life=True,
    )
    consumption.look()
    consumption.look()
    text = metrics.render().decode()
    used = float(text.split('hokm_cpu_seconds_total{process="supervisor"} ')[1].split()[0])
    times = psutil.Process().cpu_times()
    assert 0 < used <= times.user + times.system
    full = float(text.split("\nhokm_store_disk_usage ")[1].split()[0])
    usage = shutil.disk_usage(tmp_path)
    assert full == pytest.approx(usage.used / (usage.used + usage.free), abs=0.05)
    assert 'hokm_memory_bytes{process="worker 1"}' not in text
    assert 'hokm_host_network_bytes_total{direction="in"}' in text
