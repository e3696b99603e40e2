"""What this server may have of the machine, and what of that is in use.

A limit of a control group, its own or one above it, is what counts (`hokm.scaling.cgroup`); where
there is none, the machine itself. Both versions of control groups are understood.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil

from hokm.scaling import cgroup

_NANOSECONDS: Final = 1e9
_MICROSECONDS: Final = 1e6


class Machine:
    """The machine, as far as it is ours.

    Attributes:
        cpus: CPUs that may be used, in all.
        memory: Bytes that may be had.
    """

    def __init__(self, *, now: Callable[[], float], root: Path = Path("/")) -> None:
        """Find the limits; they are taken as constant.

        Args:
            now: Seconds of a clock that never goes back.
            root: Where `proc` and `sys` are.
        """
        self._now = now
        self._usable = sorted(os.sched_getaffinity(0))
        self.cpus = float(len(self._usable))
        self.memory = total = int(psutil.virtual_memory().total)
        self._cpu_group: Path | None = None
        self._memory_group: Path | None = None
        for group in _groups(root, "cpu"):
            cpus = cgroup.cpus(len(self._usable), _quota(group))
            if cpus < self.cpus:
                self.cpus, self._cpu_group = cpus, group
        for group in _groups(root, "memory"):
            limit = _read(group / "memory.max", group / "memory.limit_in_bytes")
            memory = cgroup.memory_limit(total, limit)
            if memory < self.memory:
                self.memory, self._memory_group = memory, group
        self._before: tuple[float, float] | None = None

    def memory_used(self) -> int | None:
        """Return the bytes in use, page cache not counted; None when that cannot be read."""
        group = self._memory_group
        if group is None:
            memory = psutil.virtual_memory()
            return int(memory.total - memory.available)
        current = _read(group / "memory.current", group / "memory.usage_in_bytes")
        return cgroup.memory_used(current, _read(group / "memory.stat"))

    def cpu(self) -> float | None:
        """Return the use of all CPUs since the last call, 0 to 1; None at the first one."""
        spent, before = self._cpu_seconds(), self._before
        self._before = None if spent is None else (self._now(), spent)
        if before is None or self._before is None:
            return None
        passed = (self._before[0] - before[0]) * self.cpus
        return max(0.0, self._before[1] - before[1]) / passed if passed > 0 else None

    def _cpu_seconds(self) -> float | None:
        """Return the CPU time that was spent since some time or other, by anybody."""
        group = self._cpu_group
        if group is None:
            times = psutil.cpu_times(percpu=True)
            mine = [times[cpu] for cpu in self._usable if cpu < len(times)]
            return float(sum(t.user + t.nice + t.system + t.irq + t.softirq for t in mine))
        if (usage := _read(group / "cpuacct.usage")) is not None:
            return int(usage) / _NANOSECONDS
        lines = (_read(group / "cpu.stat") or "").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("usage_usec ")]
        return int(found[0]) / _MICROSECONDS if found else None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the directories of our control group and of those above it."""
    base = root / "sys/fs/cgroup"
    unified = (base / "cgroup.controllers").exists()
    base = base if unified else base / controller
    own = "/"
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if (number == "0") if unified else controller in controllers.split(","):
            own = path
    group = base / own.lstrip("/")
    # In a container the path may be the host's, and the root what we see of it.
    while group != base:
        if group.is_dir():
            yield group
        group = group.parent
    yield base


def _quota(group: Path) -> str | None:
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return _read(group / "cpu.max") if quota is None else f"{quota} {period}"


def _read(*files: Path) -> str | None:
    """Return the text of the first file that can be read."""
    for file in files:
        try:
            return file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return None
