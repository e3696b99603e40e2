"""The program's lives under play: it executes itself, is started again, replaces its workers."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import struct
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_twisted
from twisted.internet import reactor, threads

from hokm import wire
from hokm.client import create_room
from hokm.supervisor import keeping
from tests.conftest import Server
from tests.fakesystemd import FakeManager
from tests.integration.test_matches import FAST, Table, disturb, wait
from tests.rawsocket import RawSocket

JOB_SECONDS = 60.0
FILE_DESCRIPTOR_STORE_MAX = 16  # in etc/systemd/hokm.service

# Workers that are started from now on end at once, as those of a bad release.
BAD_RELEASE = """
import os, sys
if "hokm.worker" in sys.orig_argv and os.path.exists(os.environ["BAD_RELEASE"]):
    os._exit(1)
"""


async def job(server: Server, path: str, body: Any = None, refused: bool = False) -> Any:
    """Ask for something and wait until it has ended; returns the job's last status.

    Args:
        refused: Whether that it failed may be the very answer (409).
    """
    try:
        asked = await threads.deferToThread(server.post, path, body)
    except urllib.error.HTTPError as error:
        assert refused and error.code == 409
        return json.load(error)
    until = time.monotonic() + JOB_SECONDS
    while asked["state"] == "running":
        assert time.monotonic() < until, asked
        await wait(0.05)
        asked = await threads.deferToThread(server.get, f"/api/jobs/{asked['id']}", True)
    return asked


def uptime(server: Server) -> float:
    """Return for how many seconds this life has lasted; for ever while none answers."""
    try:
        return float(server.status()["uptime_s"])
    except OSError:
        return math.inf


async def upgrade(server: Server) -> None:
    """Have the supervisor execute itself, and wait until its next life answers."""
    ordered = time.monotonic()
    await threads.deferToThread(server.post, "/api/upgrade")
    until = ordered + JOB_SECONDS
    while uptime(server) > time.monotonic() - ordered:
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        await wait(0.05)


async def both(server: Server) -> set[int]:
    """Return the pids of two workers, once they take rooms."""
    until = time.monotonic() + JOB_SECONDS
    while len(pids := server.worker_pids()) < 2:
        assert time.monotonic() < until
        await wait(0.05)
    return set(pids)


def check_kept(tables: list[Table]) -> None:
    """Prove that no client has lost its socket, and none had to ask for its place again."""
    assert all(client.resumes == 0 for table in tables for client in table.clients)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_the_supervisor_executes_itself(start_server: Callable[..., Server]) -> None:
    """Pid, workers, store and sockets stay; the next life knows them all, and can do it again."""
    server = start_server(workers=2, **FAST)
    assert server.process is not None
    store, workers = server.store_pid(), await both(server)

    async def fault(number: int) -> None:
        await upgrade(server)
        assert server.store_pid() == store
        if number == 0:
            assert set(server.worker_pids()) == workers
        else:  # its next life sees to dying children, too
            os.kill(server.worker_pids()[0], signal.SIGKILL)

    tables, pauses = await disturb(server, 3, fault)
    check_kept(tables)
    assert server.process.poll() is None
    assert max(pauses) < JOB_SECONDS
    print(f"3 executions: longest until play went on {max(pauses):.2f} s")
    os.kill(server.store_pid(), signal.SIGKILL)
    until = time.monotonic() + 10
    while not server.is_ready():
        assert time.monotonic() < until
        await wait(0.05)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_end_that_is_asked_for_while_it_executes_itself(
    start_server: Callable[..., Server],
) -> None:
    """SIGTERM while Python starts is not lost, and leaves no process behind."""
    server = start_server(workers=1)
    assert server.process is not None
    children = psutil.Process(server.process.pid).children()
    code = Path(f"/proc/{server.process.pid}/environ")
    before = code.read_bytes()
    server.post("/api/upgrade")
    until = time.monotonic() + JOB_SECONDS
    while code.read_bytes() == before:  # it changes with the execution
        assert time.monotonic() < until
    assert await threads.deferToThread(server.stop) == -signal.SIGTERM
    _, left = psutil.wait_procs(children, timeout=20)
    assert not left


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_half_heads_that_are_reset_while_it_executes_itself(
    start_server: Callable[..., Server],
) -> None:
    """They cost nobody else anything: the next life serves, and hears a signal."""
    server = start_server(workers=1)
    assert server.process is not None
    code = Path(f"/proc/{server.process.pid}/environ")
    ordered, started = time.monotonic(), code.read_bytes()
    server.post("/api/upgrade")
    heads = []
    until = time.monotonic() + JOB_SECONDS
    while code.read_bytes() == started:  # it changes with the execution
        assert time.monotonic() < until
        heads.append(socket.create_connection(("127.0.0.1", server.port)))
        heads[-1].sendall(b"GET /ws?room_code=")
        await wait(0.05)
    for head in heads:
        head.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head.close()
    while uptime(server) > time.monotonic() - ordered or not server.is_ready():
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        await wait(0.05)
    assert (await threads.deferToThread(RawSocket, server.port, wire.LOBBY)).status == 101
    assert await threads.deferToThread(server.stop) == -signal.SIGTERM


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_reload_that_is_asked_for_while_it_executes_itself(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """SIGHUP, again and again until the next life answers: it ends nobody, and is heard."""
    settings = tmp_path / "hokm.toml"
    settings.write_text("")
    server = start_server("--config", str(settings), workers=1)
    process = server.process
    assert process is not None
    code = Path(f"/proc/{process.pid}/environ")
    ordered, old = time.monotonic(), code.read_bytes()
    server.post("/api/upgrade")
    until = time.monotonic() + JOB_SECONDS
    while code.read_bytes() == old:  # it changes with the execution
        assert time.monotonic() < until
    while uptime(server) > time.monotonic() - ordered:
        process.send_signal(signal.SIGHUP)
        assert process.poll() is None
        assert time.monotonic() < until, server.log.read_text()[-2000:]
    assert "the rules of scaling are read anew" in server.log.read_text()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_code_that_does_not_start_is_not_executed(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """The job fails and says why; the old life goes on."""
    settings = tmp_path / "hokm.toml"
    settings.write_text("")
    server = start_server("--config", str(settings), workers=1)
    settings.write_text("workres = 3\n")
    ended = await job(server, "/api/upgrade")
    assert ended["state"] == "failed"
    assert "workres is no setting" in ended["note"]
    assert server.is_ready()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeManager]:
    """Run a service manager with a store for descriptors."""
    with FakeManager(tmp_path) as made:
        yield made


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_service_manager_restarts_the_program(
    start_server: Callable[..., Server], manager: FakeManager
) -> None:
    """`systemctl restart`: all processes are new, and the sockets the same."""
    server = start_server(workers=2, manager=manager, **FAST, HOKM_DESCRIPTOR_STORE="true")
    waits = []

    def restart() -> None:
        began = time.monotonic()
        server.stop()
        server.start()
        waits.append(time.monotonic() - began)

    async def fault(number: int) -> None:
        pids = server.worker_pids()
        await threads.deferToThread(restart)
        assert not set(pids) & set(server.worker_pids())

    tables, pauses = await disturb(server, 3, fault)
    check_kept(tables)
    assert manager.refused == []
    print(f"3 restarts: {max(waits):.2f} s, longest until play went on {max(pauses):.2f} s")
    server.stop()  # before its manager ends


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_supervisor_that_is_killed_loses_no_socket(
    start_server: Callable[..., Server], manager: FakeManager
) -> None:
    """`kill -9`: what the service manager has kept is enough to go on, again and again."""
    server = start_server(workers=2, manager=manager, **FAST, HOKM_DESCRIPTOR_STORE="true")

    def again() -> None:
        server.kill()
        server.start()

    async def fault(number: int) -> None:
        await upgrade(server)  # the next life knows what this one has stored
        pids = server.worker_pids()
        await threads.deferToThread(again)
        assert not set(pids) & set(server.worker_pids())

    tables, pauses = await disturb(server, 3, fault, rest_seconds=2 * keeping.SECONDS)
    check_kept(tables)
    assert manager.refused == []
    assert len(manager.stored) <= FILE_DESCRIPTOR_STORE_MAX
    print(f"3 kills: longest until play went on {max(pauses):.2f} s")
    server.stop()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_what_is_kept_does_not_hold_a_connection_open(
    start_server: Callable[..., Server], manager: FakeManager
) -> None:
    """A player who is shown out sees it, though the service manager has a copy of his socket."""
    server = start_server(
        workers=1,
        manager=manager,
        HOKM_DESCRIPTOR_STORE="true",
        HOKM_WORKER_JOIN_SECONDS="6",
    )
    room = (await create_room(server.url, {}, reactor=reactor)).room_code
    before = set(manager.stored)
    with contextlib.closing(RawSocket(server.port, room)) as player:
        until = time.monotonic() + JOB_SECONDS
        while set(manager.stored) == before:
            assert time.monotonic() < until
            await wait(0.05)
        player.sock.settimeout(JOB_SECONDS)
        opcode, _ = await threads.deferToThread(player.receive_frame)
        assert opcode == 8
        while await threads.deferToThread(player.sock.recv, 100):
            pass
    assert set(manager.stored) != before
    server.stop()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_stop_for_good_tells_the_players(
    start_server: Callable[..., Server], manager: FakeManager
) -> None:
    """Who sends SIGUSR1 before the end says that no next life follows: players hear 1012."""
    server = start_server(workers=1, manager=manager, HOKM_DESCRIPTOR_STORE="true")
    room = (await create_room(server.url, {}, reactor=reactor)).room_code
    with contextlib.closing(RawSocket(server.port, room)) as player:
        player.send({"type": "join", "id": 1, "name": "Sara"})
        player.until("welcome")
        assert server.process is not None
        server.process.send_signal(signal.SIGUSR1)
        await threads.deferToThread(server.stop)
        while isinstance(told := player.receive(), dict):
            pass
        assert told == wire.RESUME


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_what_the_service_manager_lost_resumes_by_token(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """A store that is too small loses sockets; their players come back, and nothing is lost."""
    with FakeManager(tmp_path, fdstore_max=3) as small:
        server = start_server(workers=1, manager=small, **FAST, HOKM_DESCRIPTOR_STORE="true")

        async def fault(number: int) -> None:
            await threads.deferToThread(server.stop)
            await threads.deferToThread(server.start)

        tables, _ = await disturb(server, 2, fault)
        assert sum(client.resumes for table in tables for client in table.clients) > 0
        server.stop()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_bad_release_leaves_the_old_workers(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Workers that do not start replace none; once they start, all are replaced, under play."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(BAD_RELEASE)
    flag = tmp_path / "bad"
    server = start_server(
        workers=2, **FAST, PYTHONPATH=str(tmp_path / "path"), BAD_RELEASE=str(flag)
    )
    old = await both(server)

    async def fault(number: int) -> None:
        if number == 0:
            flag.touch()
            ended = await job(server, "/api/replace")
            assert (ended["state"], ended["done"]) == ("failed", 0)
            assert set(server.worker_pids()) == old
            flag.unlink()
        else:
            assert (await job(server, "/api/replace"))["state"] == "done"
            assert not old & set(server.worker_pids())

    tables, _ = await disturb(server, 2, fault)
    check_kept(tables)
    assert server.status()["handoff"]["aborts"] == {}
