"""Instances on hosts of their own: by way of real balancers, and with cables that are pulled.

HOKM_HOST_ROOMS says at how many tables is played.
"""

from __future__ import annotations

import os
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
from tests import balancers
from tests.certificates import Authority
from tests.fleet import Balancer, wait
from tests.hosts import STORE, Host, Hosts, require_hosts
from tests.integration.test_fleet import played_on
from tests.integration.test_matches import FAST, Table, check_so_far
from tests.valkeys import Watched

ROOMS = int(os.environ.get("HOKM_HOST_ROOMS", "12"))
LEASE = 3.0
SECONDS = 30.0  # until something is found to hang
PROMISED = 10.0  # seconds beyond the lease, docs/operations/fleet.md


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Start three instances on three hosts, their stores on a fourth, and be at the switch."""
    require_hosts()
    network = Hosts(1, 2, 3)
    try:
        with network.at_the_switch():
            stores = Watched(tmp_path / "stores", network.place(STORE))
            instances = [
                Host(network, number, tmp_path, stores.url, **FAST) for number in (1, 2, 3)
            ]
            try:
                for instance in instances:
                    instance.until_ready()
                yield instances
            finally:
                for instance in instances:
                    instance.process.terminate()
                for instance in instances:
                    instance.stop()
                stores.stop()
    finally:
        network.remove()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [balancers.HAProxy, balancers.Nginx])
@pytest_twisted.ensureDeferred
async def test_players_come_by_chance(
    hosts: list[Host], kind: type[balancers.Balancer], tmp_path: Path
) -> None:
    """A balancer splits each table's players over all hosts; each table plays on one of them."""
    pem = Authority(tmp_path).bundle(tmp_path)
    addresses = [f"{name}:{port}" for name, port in (host.address for host in hosts)]
    balancer = kind(tmp_path / "balancer", addresses, pem, at_random=True)
    try:
        url = f"http://127.0.0.1:{balancer.port}"
        tables = [Table(url, seed, think_seconds=0.004 * ROOMS) for seed in range(ROOMS)]
        for first in range(0, ROOMS, 20):
            few = tables[first : first + 20]
            await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in few])
        for table in tables:
            run(table.play_on(), "a table that plays on")
        await played_on(tables, 2 * SECONDS, plays=20)
        for table in tables:
            await table.pause()
        statuses = [host.status() for host in hosts]
        relays = sum(status["instance"]["relays"] for status in statuses)
        rooms = [len(host.get("/api/rooms", admin=True)["rooms"]) for host in hosts]
        print(f"{balancer.name}: rooms {rooms}, {relays} of {4 * ROOMS} players are passed on")
        assert sum(rooms) == ROOMS
        assert relays > ROOMS
        for table in tables:
            check_so_far(hosts[0], table)
            assert [client.resumes for client in table.clients] == [0] * 4
            table.end()
    finally:
        balancer.stop()


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
    await played_on(tables, SECONDS)
    await until_fleet(hosts[0], hosts)
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
    await until_fleet(others[0], others)

    lonely.network.cable(lonely.number, plugged=True)
    until = time.monotonic() + SECONDS
    await until_fleet(others[0], hosts)
    while not lonely.is_ready():
        assert time.monotonic() < until, lonely.log.read_text()
        await wait(0.1)
    balancer.servers.append(lonely.address)
    while lonely.status()["rooms"]:  # others have them
        assert time.monotonic() < until, lonely.log.read_text()
        await wait(0.1)
    await played_on(tables, SECONDS)
    for table in tables:
        await table.pause()
        check_so_far(others[0], table)
        table.end()
    balancer.cut()


async def until_fleet(host: Host, members: list[Host]) -> None:
    """Wait until all that an instance knows in the fleet are these, itself included."""
    until = time.monotonic() + SECONDS
    wanted = [(member.id, f"{member.address[0]}:8765") for member in members]
    while (fleet := [(m["id"], m["address"]) for m in host.status()["fleet"]]) != wanted:
        assert time.monotonic() < until, fleet
        await wait(0.1)


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
        all_there.wait(SECONDS)
        return where()

    return gatherResults([threads.deferToThread(meet) for _ in range(most)])


def where() -> str:
    """Return the network that this thread is in."""
    return str(Path("/proc/thread-self/ns/net").readlink())
