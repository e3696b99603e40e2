"""What a control group leaves of the machine, by the texts of its files."""

from __future__ import annotations

import pytest

from hokm.scaling import cgroup


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        (None, 8),
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("50000 100000", 0.5),
        ("1600000 100000", 8),
        ("-1\n 100000\n", 8),
        ("100000\n 50000\n", 2),
        ("", 8),
        ("0 0", 8),
        ("many", 8),
    ],
)
def test_cpus(quota: str | None, cpus: float) -> None:
    """Its quota, where it has one that is less than the CPUs it may run on."""
    assert cgroup.cpus(8, quota) == cpus


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, 1000),
        ("max\n", 1000),
        ("600\n", 600),
        ("9223372036854771712\n", 1000),
        ("0", 1000),
        ("x", 1000),
    ],
)
def test_memory_limit(limit: str | None, expected: int) -> None:
    """Its own, where that is less than the machine has."""
    assert cgroup.memory_limit(1000, limit) == expected


V2 = "anon 500\nfile 300\nshmem 40\ninactive_file 250\n"
V1 = "cache 1\nrss 500\nshmem 1\ntotal_cache 300\ntotal_rss 500\ntotal_shmem 40\n"


@pytest.mark.parametrize(
    ("current", "stat", "used"),
    [
        ("900\n", V2, 640),
        ("900\n", V1, 640),
        ("100", V2, 0),
        ("900", "file 300\n", 600),
        (None, V2, None),
        ("900", None, None),
        ("900", "anon 500\n", None),
        ("much", V2, None),
    ],
)
def test_memory_used(current: str | None, stat: str | None, used: int | None) -> None:
    """Without the page cache, but with shared memory; not known is not zero."""
    assert cgroup.memory_used(current, stat) == used
