"""A fleet whose instances are restarted one after the other by their service managers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import threads
from twisted.internet.defer import Deferred, gatherResults

from hokm.tasks import run
from tests.conftest import Server
from tests.fakesystemd import FakeManager
from tests.fleet import Balancer, Fleet
from tests.integration.test_fleet import played_on
from tests.integration.test_matches import FAST, Table, check_so_far

LEASE = 60.0  # a restart is over before it ends, on a busy machine, too


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Start three instances, each under a service manager that keeps its players' sockets."""
    with ExitStack() as stack:
        made = Fleet(tmp_path, 0, lease=LEASE)
        stack.callback(made.stop)
        for number in range(3):
            folder = tmp_path / f"m{number}"
            folder.mkdir()
            manager = stack.enter_context(FakeManager(folder))
            made.add(number, manager=manager, **FAST, HOKM_DESCRIPTOR_STORE="true")
        yield made
        for server in made.instances:
            server.stop()  # before its manager ends


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_rolling_restart(fleet: Fleet) -> None:
    """No socket closes, relayed ones aside, whose player comes again; no play is lost."""
    balancer = Balancer([server.port for server in fleet.instances])
    tables = [Table(balancer.url, seed, think_seconds=0.02) for seed in range(6)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    # Others sit where a balancer that hashes brings them: at the instance that has their room.
    straight = [
        Table(server.url, seed, think_seconds=0.02)
        for seed, server in enumerate(fleet.instances * 3)
    ]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in straight])
    everybody = tables + straight
    for table in everybody:
        run(table.play_on(), "a table that plays on")
    await played_on(everybody, 30)
    owners = [fleet.owner(table.code) for table in everybody]
    for server in fleet.instances:
        await threads.deferToThread(restart, server)
        await played_on(everybody, 30)
    assert [client.resumes for table in straight for client in table.clients] == [0] * 36
    assert [owner for owner, _ in owners] == [fleet.owner(table.code)[0] for table in everybody]
    for table in everybody:
        await table.pause()
        check_so_far(fleet.instances[0], table)
        table.end()
    balancer.cut()
    first = fleet.instances[0]
    first.post("/api/leave")
    assert first.status()["instance"]["state"] == "leaving"
    await threads.deferToThread(restart, first)
    assert first.status()["instance"]["state"] == "active"


def restart(server: Server) -> None:
    """As `systemctl restart` does."""
    server.stop()
    server.start()
