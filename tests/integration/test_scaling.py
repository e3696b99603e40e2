# mypy: disallow-untyped-decorators=False
"""A real server scales itself: thresholds and times are small, everything else is as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import threads

from hokm.tasks import run
from tests.integration.test_matches import FAST, Table, check_so_far, wait

QUIET = (
    "high_cpu_usage high_memory_usage high_player_density high_game_creation_rate hot_worker"
    " player_queue_length slow_event_loop full_machine_cpu full_machine_memory low_cpu_usage"
    " low_player_density"
)
SCALING = """
[scaling]
interval_s = 0.5
keep_s = 2
"""
RULE = """
[[scaling.rule]]
name = "{name}"
metric = "{metric}"
{side} = {threshold}
duration_s = 1
cooldown_s = 1
"""


def configuration(directory: Path, *rules: tuple[str, str, str, float]) -> str:
    """Write a file with these rules, and no default ones; returns its path."""
    off = [f'[[scaling.rule]]\nname = "{name}"\nenabled = false\n' for name in QUIET.split()]
    own = [
        RULE.format(name=name, metric=metric, side=side, threshold=threshold)
        for name, metric, side, threshold in rules
    ]
    file = directory / "hokm.toml"
    file.write_text(SCALING + "".join(off) + "".join(own))
    return str(file)


async def until(server: Any, holds: Callable[[Any], bool], seconds: float = 40.0) -> Any:
    """Wait until the server's status is as it should be; returns it."""
    end = time.monotonic() + seconds
    while True:
        status = await threads.deferToThread(server.status)
        if holds(status):
            return status
        assert time.monotonic() < end, status
        await wait(0.1)


async def seat(server: Any, count: int, think_seconds: float) -> list[Table]:
    """Make tables, and let them play match after match."""
    tables = [Table(server.url, seed=n, think_seconds=think_seconds) for n in range(count)]
    for table in tables:
        await table.sit_down()
    return tables


def ready(status: Any) -> list[Any]:
    """Return the workers that take rooms."""
    return [worker for worker in status["workers"] if worker["state"] == "ready"]


async def check(server: Any, tables: list[Table]) -> None:
    """Let the turns pass, and see that nobody lost a socket, and nothing that was acknowledged."""
    for table in tables:
        await table.pause()
    for table in tables:
        assert [client.resumes for client in table.clients] == [0] * 4, table.plight()
        await threads.deferToThread(check_so_far, server, table)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_workers_come_and_go_with_the_load(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Many players bring workers and get rooms of their own; few let them go; nobody notices."""
    config = configuration(
        tmp_path,
        ("crowded", "connections_per_worker", "above", 8),
        ("deserted", "connections_per_worker", "below", 3),
    )
    server = start_server("--config", config, workers="1-3", **FAST)
    tables = await seat(server, 5, think_seconds=0.05)
    for table in tables:
        run(table.play_on(), "a table")
    crowd = await until(
        server, lambda s: len(ready(s)) == 3 and all(w["rooms"] for w in s["workers"])
    )
    assert crowd["handoff"]["moves"] >= 2
    await check(server, tables)
    assert all(table.acknowledged for table in tables)
    for table in tables[1:]:
        table.end()
    alone = await until(server, lambda s: len(s["workers"]) == 1)
    steps = [(d["before"], d["target"]) for d in alone["scaling"]["decisions"]]
    assert steps == [(1, 3), (3, 2), (2, 1)]
    first, *others = alone["scaling"]["decisions"]
    assert first["reasons"][0].startswith("crowded: connections_per_worker ")
    assert all(d["reasons"][0].startswith("deserted: connections_per_worker ") for d in others)
    assert "2 to 1 workers" in alone["scaling"]["last"]
    await check(server, tables[:1])
    assert alone["connections"] == 4
    tables[0].end()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_rooms_leave_a_busy_worker(start_server: Callable[..., Any], tmp_path: Path) -> None:
    """All rooms on one worker, which has too much to do: half of them go, and play on."""
    config = configuration(tmp_path, ("busy", "cpu", "above", 10))
    server = start_server("--config", config, workers=2, **FAST)
    tables = await seat(server, 6, think_seconds=0.0)
    for table in tables:
        await threads.deferToThread(server.post, f"/api/rooms/{table.code}/move", {"worker": 1})
    await until(server, lambda s: [w["rooms"] for w in s["workers"]] == [6, 0])
    for table in tables:
        run(table.play_on(), "a table")
    spread = await until(server, lambda s: min(w["rooms"] for w in s["workers"]) >= 2)
    assert spread["scaling"]["target"] == 2  # there is no more to be had: it is a fixed number
    await check(server, tables)
    for table in tables:
        table.end()
    assert "worker 1 has too much to do, and gives rooms away" in server.log.read_text()
