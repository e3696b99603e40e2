"""What is read of control groups, from made-up files; and of processes."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from hokm.supervisor.machine import Machine
from hokm.supervisor.sampler import Sampler, Usage


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def tree(root: Path, **files: str) -> Path:
    """Write files, named by their paths with __ for /."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(root: Path, group: str, **files: str) -> None:
    """Write the files of a group of version 2."""
    here = root / "sys/fs/cgroup" / group
    here.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (here / name.replace("_", ".", 1)).write_text(text)


def test_a_group_and_one_above_it(tmp_path: Path) -> None:
    """CPUs are limited here, memory one level up; use is that of the group with the limit."""
    tree(tmp_path, proc__self__cgroup="0::/all/hokm\n")
    v2(tmp_path, "", cgroup_controllers="cpu memory")
    v2(tmp_path, "all", memory_max="1000000", memory_current="600000")
    v2(tmp_path, "all", memory_stat="anon 100\nfile 250000\nshmem 50000\n", cpu_max="max 100000")
    v2(tmp_path, "all/hokm", cpu_max="50000 100000", memory_max="max")
    v2(tmp_path, "all/hokm", cpu_stat="usage_usec 1000000\nuser_usec 1\n")
    now = Now()
    machine = Machine(now=now, root=tmp_path)
    assert (machine.cpus, machine.memory) == (0.5, 1_000_000)
    assert machine.memory_used() == 400_000
    assert machine.cpu() is None  # since when?
    now.seconds = 10.0
    v2(tmp_path, "all/hokm", cpu_stat="usage_usec 3500000\n")
    assert machine.cpu() == 0.5
    (tmp_path / "sys/fs/cgroup/all/hokm/cpu.stat").unlink()
    assert machine.cpu() is None


def test_version_1_in_a_container(tmp_path: Path) -> None:
    """The path is the host's, and the group is what we see as the root."""
    tree(tmp_path, proc__self__cgroup="4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n")
    tree(
        tmp_path,
        sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us="25000\n",
        sys__fs__cgroup__cpu__cpu_dot_cfs_period_us="100000\n",
        sys__fs__cgroup__cpu__cpuacct_dot_usage="5000000000\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes="2000000\n",
        sys__fs__cgroup__memory__memory_dot_usage_in_bytes="900000\n",
        sys__fs__cgroup__memory__memory_dot_stat="total_cache 300000\ntotal_shmem 0\n",
    )
    now = Now()
    machine = Machine(now=now, root=tmp_path)
    assert (machine.cpus, machine.memory) == (0.25, 2_000_000)
    assert machine.memory_used() == 600_000
    machine.cpu()
    now.seconds = 4.0
    tree(tmp_path, sys__fs__cgroup__cpu__cpuacct_dot_usage="5800000000\n")
    used = machine.cpu()
    assert used is not None and abs(used - 0.8) < 1e-9


def test_no_group(tmp_path: Path) -> None:
    """Without limits it is the machine as it is."""
    machine = Machine(now=Now(), root=tmp_path)
    assert machine.cpus == len(os.sched_getaffinity(0))
    assert machine.memory == psutil.virtual_memory().total
    used = machine.memory_used()
    assert used is not None and 0 < used < machine.memory


class Process:
    """A process whose figures a test sets."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.gone = False

    def oneshot(self) -> Any:
        return nullcontext()

    def cpu_times(self) -> Any:
        if self.gone:
            raise psutil.NoSuchProcess(7)
        return SimpleNamespace(user=self.spent / 2, system=self.spent / 2)

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=7, shared=2)


def test_cpu_over_a_time(monkeypatch: Any) -> None:
    """CPU is what was used over as long as was asked for, or as long as is known; never guessed."""
    process, now = Process(), Now()
    monkeypatch.setattr(psutil, "Process", lambda pid: process)
    sampler = Sampler(now)
    assert sampler.usage(7, 1.0) == Usage()
    for second in range(10):
        now.seconds = float(second)
        sampler.look(7)
        process.spent += 0.1 if second < 7 else 0.9
        if second == 0:
            assert sampler.usage(7, 1.0).cpu is None
    last = sampler.usage(7, 1.0)
    assert last.memory == 5 and last.cpu is not None and abs(last.cpu - 0.9) < 1e-9
    four = sampler.usage(7, 4.0).cpu
    assert four is not None and abs(four - 0.5) < 1e-9
    whole = sampler.usage(7, 600.0).cpu
    assert whole is not None and abs(whole - 2.5 / 9) < 1e-9
    process.gone = True
    sampler.look(7)
    assert sampler.usage(7, 1.0) == Usage()
    assert sampler.usage(None, 1.0) == Usage()
