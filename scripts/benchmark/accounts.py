"""What a process has used, by the kernel's own accounts, and on which cores it may run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all its threads (Node has several), user and system.

    Source: proc(5), `schedstat`: nanoseconds that a thread was on a CPU, not sampled by ticks.
    """
    spent = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            spent += int((thread / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended just now
    return spent / 1e9


def private_kb(pid: int) -> int:
    """Return the memory that a process shares with no other, in KiB; none of the kernel's."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def pin(pid: int, cores: Iterable[int]) -> None:
    """Let a process, all its threads, run on *cores* only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), set(cores))
