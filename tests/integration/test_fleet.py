"""Several instances on one store: rooms have one owner, wherever their players come from."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import threads
from twisted.internet.defer import Deferred, gatherResults

from hokm import wire
from hokm.client import Client
from hokm.tasks import run
from tests.conftest import Server
from tests.fleet import Balancer, Fleet, power_off, stop_all, wait
from tests.integration.test_lives import upgrade
from tests.integration.test_matches import FAST, Table, check, check_so_far

ROOMS = int(os.environ.get("HOKM_FLEET_ROOMS", "9"))
PACE = float(os.environ.get("HOKM_FLEET_PACE", "0.004"))  # seconds of thought for each play
SECONDS = 30.0  # until something is found to hang


class Absence:
    """How long a client was without its place, at most."""

    def __init__(self, client: Client) -> None:
        self.longest = 0.0
        self.since: float | None = None
        lost, welcomed = client.lost, client._welcomed

        def note_lost(*what: Any) -> None:
            self.since = time.monotonic()
            lost(*what)

        def note_welcomed(welcome: Any) -> None:
            if self.since is not None:
                self.longest = max(self.longest, time.monotonic() - self.since)
                self.since = None
            welcomed(welcome)

        client.lost = note_lost  # type: ignore[method-assign]
        client._welcomed = note_welcomed  # type: ignore[method-assign]


@pytest.fixture
def start_fleet(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Start a fleet that ends with the test."""
    fleets: list[Fleet] = []

    def start(count: int, **options: Any) -> Fleet:
        fleets.append(Fleet(tmp_path, count, **{**FAST, **options}))
        return fleets[-1]

    yield start
    for fleet in fleets:
        fleet.stop()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start three instances that end with the last test of this file.

    They put no room away by themselves: a test would have to know when that is.
    """
    fleet = Fleet(tmp_path_factory.mktemp("three"), 3, **FAST, HOKM_WORKER_IDLE_SECONDS="3600")
    yield fleet
    fleet.stop()


@pytest.fixture
def fleet(three: Fleet) -> Fleet:
    """Start those of the three again that a test has ended."""
    for server in three.instances:
        if server.process is None:
            server.start()
    return three


@pytest_twisted.ensureDeferred
async def test_players_come_anywhere(fleet: Fleet) -> None:
    """Each player lands on an instance by chance; each room is played on one of them."""
    balancer = Balancer([server.port for server in fleet.instances])
    tables = [Table(balancer.url, seed, target=3) for seed in range(max(12, ROOMS))]
    await seat(tables)
    while len({fleet.owner(table.code)[0] for table in tables}) < 3:
        assert len(tables) < 10 * ROOMS
        tables.append(Table(balancer.url, len(tables), target=3))
        await tables[-1].sit_down()
    await gatherResults([Deferred.fromCoroutine(table.play()) for table in tables])
    owners = [fleet.owner(table.code) for table in tables]
    assert {epoch for _, epoch in owners} == {1}
    assert {instance for instance, _ in owners} == {"i0", "i1", "i2"}
    relays = sum(fleet.metric(number, "hokm_relays_total") for number in range(3))
    print(f"{len(tables)} rooms, {4 * len(tables)} players, {relays:.0f} of them relayed")
    assert relays > len(tables)
    for table in tables:
        check(fleet.instances[0], table)
        table.end()
    balancer.cut()


async def played_on(tables: list[Table], seconds: float, *, plays: int = 1) -> float:
    """Wait until each table has played on; returns how long that took."""
    before = [table.acknowledged for table in tables]
    began = time.monotonic()
    while any(t.acknowledged < had + plays for t, had in zip(tables, before, strict=True)):
        assert time.monotonic() - began < seconds, [table.plight() for table in tables]
        await wait(0.01)
    return time.monotonic() - began


async def seat(tables: list[Table]) -> None:
    """Let all sit down, a few at a time."""
    for first in range(0, len(tables), 10):
        few = tables[first : first + 10]
        await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in few])


async def sit_down(fleet: Fleet, balancer: Balancer, count: int) -> list[Table]:
    """Have tables play on and on."""
    tables = [Table(balancer.url, seed, think_seconds=PACE) for seed in range(count)]
    await seat(tables)
    for table in tables:
        run(table.play_on(), "a table that plays on")
    await played_on(tables, SECONDS)
    return tables


def test_an_id_is_one_servers(fleet: Fleet, tmp_path: Path) -> None:
    """A second server with the id of a living one ends, and says why."""
    with pytest.raises(AssertionError, match="another hokm is instance i0 on this store"):
        fleet.server(tmp_path / "double", 0)
    until = time.monotonic() + SECONDS  # a lease is lost while the machine is too busy
    while True:
        status = fleet.instances[0].status()
        assert status["instance"]["id"] == "i0"
        ids = [member["id"] for member in status["fleet"]]
        if status["instance"]["has_lease"] and ids == ["i0", "i1", "i2"]:
            return
        assert time.monotonic() < until, status
        time.sleep(0.1)


def name(fleet: Fleet, server: Server) -> str:
    """Return an instance's id."""
    return f"i{fleet.instances.index(server)}"


def fullest(fleet: Fleet, tables: list[Table]) -> tuple[Server, list[Table]]:
    """Return the instance with the most rooms, and these."""
    owners = [fleet.owner(table.code)[0] for table in tables]
    most = max(set(owners), key=owners.count)
    there = [table for table, owner in zip(tables, owners, strict=True) if owner == most]
    return fleet.instances[int(most[1:])], there


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_instance_is_powered_off(fleet: Fleet) -> None:
    """Its players go on elsewhere once its lease is over, and no acknowledged play is lost."""
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, ROOMS)
    server, there = fullest(fleet, tables)
    other = next(one for one in fleet.instances if one is not server)
    power_off(server)
    await hear()
    pause = await played_on(tables, fleet.lease + SECONDS)
    print(f"{len(there)} of {ROOMS} rooms were on it; all went on after {pause:.2f} s")
    assert name(fleet, server) not in {fleet.owner(table.code)[0] for table in tables}
    for table in tables:
        await table.pause()
        check_so_far(other, table)
        table.end()
    balancer.cut()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_instance_leaves(fleet: Fleet) -> None:
    """Its players are back at the table within a second, those who come there still, too.

    What a busy machine adds to that is seen by players elsewhere, who lose their connections
    meanwhile.
    """
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, ROOMS)
    server, there = fullest(fleet, tables)
    other, elsewhere = fullest(fleet, [table for table in tables if table not in there])
    losing = {client: Absence(client) for table in elsewhere for client in table.clients}
    absences = [
        Absence(client) for table in tables if table not in elsewhere for client in table.clients
    ]
    rooms = server.get("/api/rooms", admin=True)["total"]
    assert rooms >= len(there)  # there may be deserted ones
    server.post("/api/leave")
    until = time.monotonic() + SECONDS
    for client in cycle(losing):
        come_again_at(client, other.port)
        await wait(0.05)
        [job] = server.get("/api/jobs", admin=True)
        if job["state"] != "running" and all(absence.since is None for absence in absences):
            break
        assert time.monotonic() < until, job
    assert (job["state"], job["done"]) == ("done", rooms), job
    await played_on(tables, SECONDS)
    assert name(fleet, server) not in {fleet.owner(table.code)[0] for table in tables}
    while server.status()["rooms"]:  # the workers report once a second
        assert time.monotonic() < until
        await wait(0.1)
    longest, usual = (
        max(absence.longest for absence in some) for some in (absences, losing.values())
    )
    print(
        f"{len(there)} of {ROOMS} rooms left; nobody was away for more than {longest:.2f} s,"
        f" nor for more than {usual:.2f} s who only lost a connection"
    )
    assert longest < 0.9 + usual
    moved = [w for table in there for w in table.witnesses if "moved" in w.notices]
    assert len(moved) == 4 * len(there)
    with pytest.raises(OSError, match="503"):
        server.get("/health")
    await upgrade(server)  # the next life does not come back to the fleet
    assert server.status()["instance"]["state"] == "leaving"
    server.stop()
    await played_on(tables, SECONDS)
    for table in tables:
        await table.pause()
        check_so_far(other, table)
        table.end()
    balancer.cut()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_upgrade_keeps_the_lease(fleet: Fleet) -> None:
    """A supervisor that executes itself anew is the same holder: rooms and sockets stay."""
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, 3)
    server, _ = fullest(fleet, tables)
    owners = [fleet.owner(table.code) for table in tables]
    resumes = [client.resumes for table in tables for client in table.clients]
    await upgrade(server)
    await played_on(tables, SECONDS)
    assert [fleet.owner(table.code) for table in tables] == owners
    assert [client.resumes for table in tables for client in table.clients] == resumes
    assert server.status()["instance"]["id"] == name(fleet, server)
    for table in tables:
        await table.pause()
        check_so_far(server, table)
        table.end()
    balancer.cut()


class Ear:
    """Hears what one client is told, and when."""

    def __init__(self, client: Client) -> None:
        self.heard: list[tuple[float, wire.Message]] = []
        self._pass_on = client._on_event
        client._on_event = self._hear

    def _hear(self, message: wire.Message) -> None:
        self.heard.append((time.monotonic(), message))
        if self._pass_on is not None:
            self._pass_on(message)

    def since(self, when: float) -> list[tuple[float, str]]:
        """Return the kinds of what was heard since then, notices left out, and how long after."""
        return [
            (at - when, type(message).__name__)
            for at, message in self.heard
            if at > when and not isinstance(message, wire.Notice)
        ]


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_instance_loses_the_store(start_fleet: Callable[..., Fleet]) -> None:
    """It stops answering before its lease ends; who leaves it plays on elsewhere; it heals."""
    fleet = start_fleet(1, lease=6.0)
    link = Balancer([fleet.store_port])
    lonely = await threads.deferToThread(fleet.add, 1, redis=link.port, **FAST)
    first, balancer = Balancer([lonely.port]), Balancer([fleet.instances[0].port])
    tables = await sit_down(fleet, first, 4)
    assert {fleet.owner(table.code)[0] for table in tables} == {"i1"}
    ears = [Ear(client) for table in tables for client in table.clients]
    link.hold(True)
    cut = time.monotonic()
    asked = 0.0
    while fleet.ask("EXISTS", "service:hokm:instances:i1") != b":0":
        assert time.monotonic() < cut + fleet.lease + SECONDS
        if time.monotonic() > asked + 0.4:  # each answer has all the others sent again
            asked = time.monotonic()
            for table in tables:
                run(ignore(table.clients[0].sync()), "a sync")
        await wait(0.05)
    await hear()
    ended = time.monotonic()
    await wait(0.5)
    last = max((at for ear in ears for at, _ in ear.since(cut)), default=0.0)
    print(f"it answered for {last:.2f} s, and its lease ran for {ended - cut:.2f} s")
    assert last < ended - cut
    assert all(not ear.since(ended) for ear in ears)
    assert all(w.notices[-1] == "paused" for table in tables for w in table.witnesses)
    # Two tables' players find the other instance; the other two stay.
    for client in [client for table in tables[:2] for client in table.clients]:
        come_again_at(client, balancer.port)
    await played_on(tables[:2], SECONDS)
    assert [fleet.owner(table.code) for table in tables] == [("i0", 2)] * 2 + [("i1", 1)] * 2
    link.hold(False)
    await played_on(tables, SECONDS)
    assert [fleet.owner(table.code) for table in tables] == [("i0", 2)] * 2 + [("i1", 1)] * 2
    for table in tables:
        await table.pause()
        check_so_far(fleet.instances[0], table)
        table.end()
    await threads.deferToThread(lonely.stop)  # which needs the link
    for one in (link, first, balancer):
        one.cut()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_instance_stands_still(start_fleet: Callable[..., Fleet]) -> None:
    """When it wakes others have its rooms: it says not a word of them."""
    fleet = start_fleet(2, lease=2.0)
    sleeper, other = fleet.instances
    first, balancer = Balancer([sleeper.port]), Balancer([other.port])
    tables = await sit_down(fleet, first, 2)
    stop_all(sleeper, signal.SIGSTOP)
    await wait(fleet.lease / 2)  # until it is late with its lease: nobody is relayed to it
    stayed = [table.clients[0] for table in tables]
    ears = [Ear(client) for client in stayed]
    for table in tables:
        run(ignore(table.clients[0].sync()), "a sync")
        for client in table.clients[1:]:
            come_again_at(client, balancer.port)
    until = time.monotonic() + SECONDS
    while {fleet.owner(table.code) for table in tables} != {("i1", 2)}:
        assert time.monotonic() < until, [table.plight() for table in tables]
        await wait(0.1)
    resumes = [client.resumes for client in stayed]
    woke = time.monotonic()
    stop_all(sleeper, signal.SIGCONT)
    while [client.resumes for client in stayed] != [before + 1 for before in resumes]:
        assert time.monotonic() < woke + SECONDS, [table.plight() for table in tables]
        await wait(0.02)
    await played_on(tables, SECONDS)
    assert all(ear.since(woke)[0][1] == "Welcome" for ear in ears)
    assert {fleet.owner(table.code) for table in tables} == {("i1", 2)}
    for table in tables:
        await table.pause()
        check_so_far(other, table)
        table.end()
    first.cut()
    balancer.cut()


def come_again_at(client: Client, port: int) -> None:
    """Have a client lose its connection, and make the next ones to another port."""
    client._url = client._url.replace(f":{client._port}/", f":{port}/")
    client._port = port
    client.drop()


async def hear() -> None:
    """Hear what was said before: a balancer passes it on first."""
    for _ in range(10):
        await wait(0)


async def ignore(answer: Deferred[None]) -> None:
    """Await what may fail."""
    with contextlib.suppress(Exception):
        await answer
