"""Instances on hosts of their own, whose cables are pulled: a partition, and a dead machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, gatherResults

from hokm.tasks import run
from tests.fleet import Balancer, wait
from tests.hosts import Host, Hosts, require_hosts, start_store
from tests.integration.test_fleet import played_on
from tests.integration.test_matches import FAST, Table, check_so_far

LEASE = 3.0
PROMISED = 10.0  # seconds beyond the lease, docs/operations/fleet.md


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Start three instances on three hosts, and be at the switch."""
    require_hosts()
    network = Hosts(1, 2, 3)
    try:
        with network.at_the_switch():
            store = start_store(network, tmp_path)
            instances = [Host(network, number, tmp_path, **FAST) for number in (1, 2, 3)]
            try:
                for instance in instances:
                    instance.until_ready()
                yield instances
            finally:
                for instance in instances:
                    instance.process.terminate()
                for instance in instances:
                    instance.stop()
                store.kill()
                store.wait()
    finally:
        network.remove()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_cable_is_pulled(hosts: list[Host]) -> None:
    """Its host's players go on elsewhere; it says nothing that it may not say; it comes back.

    Nobody is told that the host is gone: no connection to it ends by itself.
    """
    balancer = Balancer([host.address for host in hosts])
    tables = [Table(balancer.url, seed, think_seconds=0.02) for seed in range(9)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table that plays on")
    await played_on(tables, 10)
    fleet = hosts[0].status()["fleet"]
    assert [(m["id"], m["address"]) for m in fleet] == [
        (host.id, f"{host.address[0]}:8765") for host in hosts
    ]
    lonely = max(hosts, key=lambda host: host.status()["rooms"])
    others = [host for host in hosts if host is not lonely]
    assert sum(host.status()["instance"]["relays"] for host in others) > 0
    before = sum(host.status()["rooms"] for host in hosts)

    lonely.network.cable(lonely.number, plugged=False)
    cut = time.monotonic()
    await wait(1.0)
    balancer.drop(lonely.address)  # as its health checks tell it
    await played_on(tables, LEASE + PROMISED)
    print(f"a host is gone: all {before} rooms went on after {time.monotonic() - cut:.2f} s")
    assert len(others[0].status()["fleet"]) == 2

    lonely.network.cable(lonely.number, plugged=True)
    until = time.monotonic() + 15
    while len(others[0].status()["fleet"]) < 3 or not lonely.is_ready():
        assert time.monotonic() < until, lonely.log.read_text()
        await wait(0.1)
    balancer.servers.append(lonely.address)
    while lonely.status()["rooms"]:  # others have them
        assert time.monotonic() < until, lonely.log.read_text()
        await wait(0.1)
    await played_on(tables, 10)
    for table in tables:
        await table.pause()
        check_so_far(others[0], table)
        table.end()
    balancer.cut()


@pytest_twisted.ensureDeferred
async def test_no_thread_stays_at_the_switch() -> None:
    """What the tests after these start in a thread runs in this machine's own network."""
    require_hosts()
    hosts = Hosts(1)
    try:
        await of_all_threads()  # which are there already, as after other tests
        with hosts.at_the_switch():
            assert set(await of_all_threads()) == {where()}
        assert set(await of_all_threads()) == {where()}
    finally:
        hosts.remove()


def of_all_threads() -> Deferred[list[str]]:
    """Return the networks that the reactor's threads are in."""
    pool: Any = reactor
    most = pool.getThreadPool().max
    all_there = threading.Barrier(most)

    def meet() -> str:
        all_there.wait(10)
        return where()

    return gatherResults([threads.deferToThread(meet) for _ in range(most)])


def where() -> str:
    """Return the network that this thread is in."""
    return str(Path("/proc/thread-self/ns/net").readlink())
