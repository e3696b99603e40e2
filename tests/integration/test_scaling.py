# mypy: disallow-untyped-decorators=False
"""A real server scales itself: thresholds and times are small, everything else is as it is."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, threads

from hokm import wire
from hokm.client import CommandRefused, find_table
from hokm.scaling import DEFAULTS
from hokm.tasks import run
from tests.integration.test_hook import Operator
from tests.integration.test_matches import FAST, Table, check_so_far, wait
from tests.integration.test_sites import ask

CALM_S = 5.0  # moves go by the last 4 s
CALM_CPU = 0.08  # below all that rules here call busy
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
adds = "{adds}"
"""


def configuration(directory: Path, *rules: tuple[Any, ...], **settings: Any) -> str:
    """Write a file with these rules, and no default ones; returns its path.

    Args:
        rules: Of each name, metric, side, threshold and what it adds, if that is no worker.
        settings: More of `[scaling]`.
    """
    more = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    off = [f'[[scaling.rule]]\nname = "{rule.name}"\nenabled = false\n' for rule in DEFAULTS]
    own = []
    for name, metric, side, threshold, *adds in rules:
        what = adds[0] if adds else "worker"
        own.append(RULE.format(name=name, metric=metric, side=side, threshold=threshold, adds=what))
    file = directory / "hokm.toml"
    file.write_text(SCALING + "".join([*more, *off, *own]))
    return str(file)


def read_anew(server: Any, directory: Path, *rules: tuple[Any, ...], **settings: Any) -> None:
    """Have a server go by these rules from now on; arguments as for `configuration`."""
    configuration(directory, *rules, **settings)
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)


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


async def settle(server: Any) -> None:
    """Wait until what workers cost that start, and people that come, is out of the figures."""
    calm_since = time.monotonic()

    def settled(status: Any) -> bool:
        nonlocal calm_since
        if max(worker["cpu"] for worker in status["workers"]) > CALM_CPU:
            calm_since = time.monotonic()
        return time.monotonic() > calm_since + CALM_S

    await until(server, settled)


async def gather(server: Any, tables: list[Table], places: list[int]) -> None:
    """Have each table on its worker, while no rule moves rooms."""
    await until(server, lambda s: len(ready(s)) == 2)
    wanted = dict(zip((table.code for table in tables), places, strict=True))

    def move() -> bool:  # again what failed: a move has one second
        rooms = server.get("/api/rooms", admin=True)["rooms"]
        wrong = [room for room in rooms if room["worker"] != wanted[room["code"]]]
        for room in wrong:
            if not room["moving"]:
                code = room["code"]
                server.post(f"/api/rooms/{code}/move", {"worker": wanted[code]})
        return bool(wrong)

    end = time.monotonic() + 40.0
    while await threads.deferToThread(move):
        assert time.monotonic() < end
        await wait(0.1)
    counts = [places.count(worker) for worker in (1, 2)]
    await until(server, lambda s: [w["rooms"] for w in s["workers"]] == counts)


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
    server = start_server("--config", configuration(tmp_path), workers="1-3", **FAST)
    tables = await seat(server, 5, think_seconds=0.05)
    for table in tables:
        run(table.play_on(), "a table")
    await until(server, lambda s: s["connections"] == 20)  # all at once, for the rules
    read_anew(
        server,
        tmp_path,
        ("crowded", "connections_per_worker", "above", 8),
        ("deserted", "connections_per_worker", "below", 3),
    )
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
    server = start_server("--config", configuration(tmp_path), workers=2, **FAST)
    tables = await seat(server, 6, think_seconds=0.0)
    await gather(server, tables, [1] * 6)
    await settle(server)
    read_anew(server, tmp_path, ("busy", "cpu", "above", 10))
    for table in tables:
        run(table.play_on(), "a table")
    spread = await until(server, lambda s: min(w["rooms"] for w in s["workers"]) >= 2)
    assert spread["scaling"]["target"] == 2  # there is no more to be had: it is a fixed number
    await check(server, tables)
    for table in tables:
        table.end()
    assert "worker 1 has too much to do, and gives rooms away" in server.log.read_text()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_overloaded_server_makes_no_tables(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """With the limit on lag at next to nothing: who comes is told to try later, who plays plays."""
    server = start_server("--config", configuration(tmp_path, overload_lag_ms=0.001), workers=1)
    [table] = await seat(server, 1, think_seconds=0.2)
    run(table.play_on(), "a table")
    await until(server, lambda s: s["scaling"]["overloaded"])
    answer = await threads.deferToThread(ask, server.port, "/api/rooms", "POST")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert answer.json == {"error": {"code": "try_later", "message": wire.ERRORS["try_later"]}}
    with pytest.raises(CommandRefused, match="try_later"):
        await find_table(server.url, "Sara", reactor=reactor)
    played = table.acknowledged
    while table.acknowledged <= played + 4:
        await wait(0.05)
    await check(server, [table])
    table.end()
    [decision] = (await threads.deferToThread(server.status))["scaling"]["decisions"]
    assert decision["overloaded"] and "new rooms are refused" in decision["reasons"][-1]


@pytest_twisted.ensureDeferred
async def test_rules_are_read_anew(start_server: Callable[..., Any], tmp_path: Path) -> None:
    """At SIGHUP; the first of them has those told who can start another instance."""
    operator = Operator()
    told = tmp_path / "told"
    command = ["/bin/sh", "-c", f'echo "$HOKM_REASONS" > {told}']
    hooks: dict[str, Any] = {"instance_command": command, "instance_url": operator.url}
    config = configuration(tmp_path, **hooks)
    server = start_server("--config", config, workers=1)
    assert (await threads.deferToThread(server.status))["scaling"]["rules"] == []
    read_anew(server, tmp_path, ("some", "host_memory", "above", 0, "instance"), **hooks)
    full = await until(server, lambda s: s["scaling"]["more_instances"])
    assert [rule["rule"] for rule in full["scaling"]["rules"]] == ["some"]
    await until(server, lambda s: told.exists() and told.read_text())
    assert told.read_text().startswith("some: host_memory ")
    await until(server, lambda s: operator.told)
    [(_, wish)] = operator.told
    assert wish["reasons"][0].startswith("some: host_memory ")
    operator.port.stopListening()
    Path(config).write_text("[scaling]\ninterval_s = -1\n")
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    await until(server, lambda s: "the settings stay as they were" in server.log.read_text())
    assert "scaling.interval_s must be" in server.log.read_text()
    after = await threads.deferToThread(server.status)
    assert [rule["rule"] for rule in after["scaling"]["rules"]] == ["some"]


# In each process of the server; burns a core where the file names the process.
STRESS = """
import os, threading, time

def burn():
    while True:
        try:
            with open(os.environ["STRESS"]) as file:
                here = file.read() == str(os.getpid())
        except OSError:
            here = False
        until = time.monotonic() + 0.2
        while here and time.monotonic() < until:
            pass
        time.sleep(0 if here else 0.1)

threading.Thread(target=burn, daemon=True).start()
"""


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_rooms_leave_a_worker_that_burns_a_core(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """It is not its rooms that make it busy: all of them go, and the players play on."""
    (tmp_path / "sitecustomize.py").write_text(STRESS)
    stress = tmp_path / "stress"
    server = start_server(
        "--config",
        configuration(tmp_path),
        workers=2,
        PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]),
        STRESS=str(stress),
        **FAST,
    )
    tables = await seat(server, 6, think_seconds=0.2)
    await gather(server, tables, [1, 2] * 3)
    for table in tables:
        run(table.play_on(), "a table")
    await settle(server)
    # Rooms heat next to nothing; who burns is hot on a machine that has other things to do, too.
    hot = ("hot", "cpu", "above", 15)
    read_anew(server, tmp_path, hot, ("far", "rooms_per_worker", "above", 99))
    stress.write_text(str((await threads.deferToThread(server.worker_pids))[0]))
    await until(server, lambda s: s["workers"][0]["rooms"] == 0)
    stress.unlink()
    cool = await until(server, lambda s: s["workers"][0]["cpu"] < 0.5)
    assert cool["scaling"]["target"] == 2
    await check(server, tables)
    for table in tables:
        table.end()
