"""What a control group leaves of the machine: a container with 2 CPUs of 64 is a 2-CPU machine.

These read the texts of the group's files, of both versions (Linux, Documentation/admin-guide:
cgroup-v2.rst, cgroup-v1/memory.rst); who has no such file passes None.
"""

from __future__ import annotations


def cpus(usable: int, quota: str | None) -> float:
    """Return how many CPUs the group may use in all.

    Args:
        usable: CPUs that the process may run on (`os.sched_getaffinity`).
        quota: `cpu.max`; of version 1 `cpu.cfs_quota_us` and `cpu.cfs_period_us` with a blank
            between.
    """
    match (quota or "").split():
        case [runtime, period] if _number(runtime) > 0 and _number(period) > 0:
            return min(float(usable), _number(runtime) / _number(period))
    return float(usable)


def memory_limit(machine: int, limit: str | None) -> int:
    """Return how many bytes the group may have.

    Args:
        machine: Bytes of the whole machine.
        limit: `memory.max`; of version 1 `memory.limit_in_bytes`, which is huge where there is
            none.
    """
    bound = _number((limit or "").strip())
    return min(machine, bound) if bound > 0 else machine


def memory_used(current: str | None, stat: str | None) -> int | None:
    """Return the bytes in use without the page cache, which is given back when it is needed.

    Args:
        current: `memory.current`; of version 1 `memory.usage_in_bytes`.
        stat: `memory.stat`.

    Returns:
        None where one of them cannot be read: without the cache the figure says nothing.
    """
    lines = [line.split() for line in (stat or "").splitlines()]
    values = {line[0]: _number(line[1]) for line in lines if len(line) == 2}
    used = _number((current or "").strip())
    for cache, shared in (("total_cache", "total_shmem"), ("file", "shmem")):
        if used >= 0 and cache in values:
            # Shared memory is counted as cache, and cannot be given back.
            return max(0, used - values[cache] + values.get(shared, 0))
    return None


def _number(text: str) -> int:
    """Return a number; -1 for `max` and whatever else is none."""
    return int(text) if text.isascii() and text.isdigit() else -1
