"""The failure table of a move, with real workers that die or hang at a chosen point of it.

What is injected lies in a module that Python imports at its start: it wraps the one method that
the fault strikes at, in whichever worker comes there first.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, gatherResults

from hokm.store.address import Address
from hokm.store.redis import RedisStore
from hokm.tasks import run
from tests.conftest import Server
from tests.integration.test_lives import both, check_kept, job
from tests.integration.test_matches import FAST, Table, check_so_far, wait
from tests.rawsocket import RawSocket

SECONDS = 20.0

FAULTS = """
import os, signal, sys

if "hokm.worker" in sys.orig_argv:
    from hokm.control import messages as m
    from hokm.worker.arrivals import Arrivals
    from hokm.worker.departures import Departures

    def strike(point):
        path = os.path.join(os.environ["FAULTS"], point)
        try:
            os.rename(path, path + " struck")  # only one worker, and only once
        except FileNotFoundError:
            return
        kind = open(path + " struck").read()
        os.kill(os.getpid(), signal.SIGKILL if kind == "die" else signal.SIGSTOP)

    def before(cls, name, point, concerns=lambda *args: True):
        method = getattr(cls, name)
        def wrapped(self, *args):
            if concerns(*args):
                strike(point)
            return method(self, *args)
        setattr(cls, name, wrapped)

    before(Departures, "begin", "source before its offer")
    before(Arrivals, "adopt", "target on the offer", lambda message, fds: message.move)
    before(Arrivals, "_prepare", "target before it is prepared")
    before(Arrivals, "commit", "target after the commit")

    init = Departures.__init__
    def wrapped(self, *, send, **rest):
        def sent(message):
            send(message)
            if isinstance(message, m.Offer):
                strike("source after its offer")
        init(self, send=sent, **rest)
    Departures.__init__ = wrapped
"""


class Faults:
    """Where workers find what is to happen to them."""

    def __init__(self, directory: Path) -> None:
        (directory / "sitecustomize.py").write_text(FAULTS)
        self._directory = directory
        self.environ = {"PYTHONPATH": str(directory), "FAULTS": str(directory)}

    def arm(self, point: str, kind: str) -> None:
        """Let a worker die or hang at *point*; written whole before it can be found."""
        new = self._directory / "new"
        new.write_text(kind)
        new.rename(self._directory / point)

    def struck(self, point: str) -> bool:
        """Say whether it has happened."""
        return (self._directory / f"{point} struck").exists()


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """Make a place for faults."""
    (tmp_path / "faults").mkdir()
    return Faults(tmp_path / "faults")


class Play:
    """Tables of a server that play on while something happens to one of their rooms."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tables = [Table(server.url, seed, think_seconds=0.02) for seed in range(3)]

    async def begin(self) -> None:
        """Sit down and play, with two workers."""
        await both(self.server)
        await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in self.tables])
        for table in self.tables:
            run(table.play_on(), "a table that plays on")

    async def move(self) -> Any:
        """Move the first table's room to the worker where it is not; the job's last status."""
        workers = [worker["id"] for worker in self.server.status()["workers"]]
        for worker in workers:
            path = f"/api/rooms/{self.tables[0].code}/move"
            ended = await job(self.server, path, {"worker": worker}, refused=True)
            if ended.get("note") != "it is there already":
                return ended
        raise AssertionError("the room is on every worker")

    async def go_on(self, seconds: float = SECONDS) -> float:
        """Wait until each table has played on; returns for how many seconds that took."""
        began = time.monotonic()
        before = [table.acknowledged for table in self.tables]
        while any(t.acknowledged < had + 2 for t, had in zip(self.tables, before, strict=True)):
            assert time.monotonic() - began < seconds, [table.plight() for table in self.tables]
            await wait(0.01)
        return time.monotonic() - began

    async def end(self) -> None:
        """Prove that nothing is lost or doubled, and no socket was closed."""
        for table in self.tables:
            await table.pause()
            check_so_far(self.server, table)
        check_kept(self.tables)
        for table in self.tables:
            table.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "kind", "reason", "most_s"),
    [
        ("target on the offer", "die", "worker_lost", 2.0),
        ("target before it is prepared", "die", "worker_lost", 2.0),
        ("target on the offer", "hang", "deadline", 7.0),
        ("target after the commit", "die", None, 2.0),
        ("source after its offer", "die", None, 2.0),
        ("source after its offer", "hang", None, 7.0),
        ("source before its offer", "die", "worker_lost", 2.0),
        ("source before its offer", "hang", "deadline", 7.0),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_worker_fails_in_a_move(
    start_server: Callable[..., Server],
    faults: Faults,
    point: str,
    kind: str,
    reason: str | None,
    most_s: float,
) -> None:
    """However it ends, the room plays on, on its own sockets, with each play once."""
    server = start_server(workers=2, **FAST, **faults.environ)
    play = Play(server)
    await play.begin()
    await play.go_on()
    faults.arm(point, kind)
    moving = play.move()
    ended = await moving
    assert faults.struck(point)
    if reason is not None:
        assert reason in ended["note"]
        assert server.status()["handoff"]["aborts"] == {reason: 1}
    print(f"{point}, {kind}: {ended['state']}, play went on after {await play.go_on():.2f} s")
    await both(server)
    took = await play.go_on()
    assert took < most_s
    await play.end()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_worker_without_descriptors_refuses(start_server: Callable[..., Server]) -> None:
    """The offer is truncated, the room stays where it is; with descriptors it moves."""
    server = start_server(workers=2, **FAST)
    play = Play(server)
    await play.begin()
    await play.go_on()
    limits = {}
    for pid in server.worker_pids():
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (fds + 2, limits[pid][1]))
    ended = await play.move()
    assert ended["state"] == "failed"
    assert server.status()["handoff"]["aborts"] == {"descriptors": 1}
    await play.go_on()
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    assert (await play.move())["state"] == "done"
    await play.go_on()
    await play.end()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
@pytest_twisted.ensureDeferred
async def test_a_drain_waits_for_the_store(
    start_server: Callable[..., Server], how: signal.Signals
) -> None:
    """Store frozen, and killed, while a worker drains: rooms pause, nothing is lost, it ends."""
    server = start_server(workers=2, **FAST)
    play = Play(server)
    await play.begin()
    await play.go_on()
    worker = server.status()["workers"][0]["id"]
    os.kill(server.store_pid(), how)
    asked = await threads.deferToThread(server.post, f"/api/workers/{worker}/drain")
    if how is signal.SIGSTOP:
        await wait(3.0)
        assert server.get(f"/api/jobs/{asked['id']}", admin=True)["state"] == "running"
        os.kill(server.store_pid(), signal.SIGCONT)
    until = time.monotonic() + SECONDS
    while (ended := server.get(f"/api/jobs/{asked['id']}", admin=True))["state"] == "running":
        assert time.monotonic() < until, ended
        await wait(0.05)
    assert ended["state"] == "done"
    assert worker not in [left["id"] for left in server.status()["workers"]]
    await play.go_on()
    await play.end()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_old_owner_that_wakes_up_writes_nothing(
    start_server: Callable[..., Server],
) -> None:
    """Its room was claimed while it stood still: what it decides then is neither kept nor told."""
    server = start_server(workers=1, **FAST)
    code = server_room(server)
    sara = RawSocket(server.port, code)
    sara.send({"type": "join", "id": 1, "name": "Sara"})
    token = sara.until("welcome")["token"]
    sara.answer(1)
    store = RedisStore(
        address=Address(path=str(server.state_dir / "store" / "valkey.sock")),
        reactor=reactor,
        random=random.Random(1),
        ttl_seconds=3600,
    )
    while not store.up:
        await wait(0.01)
    [worker] = server.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    claimed = await store.claim(code, "another")
    os.kill(worker, signal.SIGCONT)
    sara.send({"type": "say", "id": 2, "text": "ghost"})
    assert await threads.deferToThread(sara.receive) == 1012  # and no word before it
    found = await store.read(code)
    assert claimed is not None
    assert found == claimed
    store.close()
    again = RawSocket(server.port, code)
    again.send({"type": "join", "id": 3, "name": "Sara", "token": token})
    assert (await threads.deferToThread(again.until, "welcome"))["last_id"] == 1
    again.send({"type": "say", "id": 2, "text": "ghost"})
    assert (await threads.deferToThread(again.answer, 2))["type"] == "ok"


def server_room(server: Server) -> str:
    """Make a table; its code."""
    body = json.dumps({"options": {}}).encode()
    request = urllib.request.Request(server.url + "/api/rooms", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return str(json.load(response)["room_code"])
