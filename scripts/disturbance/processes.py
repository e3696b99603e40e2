"""What the kernel tells of the processes under test."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

from disturbance.site import Worker


def own_cpu_seconds() -> float:
    """Return the CPU time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def descriptors(workers: Sequence[Worker]) -> dict[str, int]:
    """Count the open descriptors of the supervisor and of each worker.

    Returns:
        By name; empty where the processes cannot be seen: on another machine, or another user's.
    """
    counts: dict[str, int] = {}
    try:
        for worker in workers:
            if "supervisor" not in counts:
                counts["supervisor"] = _count(_parent(worker.pid))
            counts[f"worker {worker.id}"] = _count(worker.pid)
    except OSError:
        return {}
    return counts


def _count(pid: int | None) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _parent(pid: int | None) -> int:
    # The second field, the command, is in parentheses and may hold anything, proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])
