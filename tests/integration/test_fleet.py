"""Several instances on one store: rooms have one owner, wherever their players come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from hokm.client import Client
from hokm.tasks import run
from tests.conftest import Server
from tests.fleet import Balancer, Fleet, power_off, wait
from tests.integration.test_matches import FAST, Table, check, check_so_far


class Absence:
    """How long a client was without its place, at most."""

    def __init__(self, client: Client) -> None:
        self.longest = 0.0
        self._since: float | None = None
        lost, welcomed = client.lost, client._welcomed

        def note_lost(*what: Any) -> None:
            self._since = time.monotonic()
            lost(*what)

        def note_welcomed(welcome: Any) -> None:
            if self._since is not None:
                self.longest = max(self.longest, time.monotonic() - self._since)
                self._since = None
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


@pytest_twisted.ensureDeferred
async def test_players_come_anywhere(start_fleet: Callable[..., Fleet]) -> None:
    """Each player lands on an instance by chance; each room is played on one of them."""
    fleet = start_fleet(3)
    balancer = Balancer([server.port for server in fleet.instances])
    tables = [Table(balancer.url, seed, target=3) for seed in range(12)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    await gatherResults([Deferred.fromCoroutine(table.play()) for table in tables])
    owners = [fleet.owner(table.code) for table in tables]
    assert {epoch for _, epoch in owners} == {1}
    assert {instance for instance, _ in owners} == {"i0", "i1", "i2"}
    assert sum(fleet.metric(number, "hokm_relays_total") for number in range(3)) > 12
    for table in tables:
        check(fleet.instances[0], table)
        table.end()
    balancer.cut()


async def played_on(tables: list[Table], seconds: float) -> float:
    """Wait until each table has played on; returns how long that took."""
    before = [table.acknowledged for table in tables]
    began = time.monotonic()
    while any(t.acknowledged <= had for t, had in zip(tables, before, strict=True)):
        assert time.monotonic() - began < seconds, [table.plight() for table in tables]
        await wait(0.01)
    return time.monotonic() - began


async def sit_down(fleet: Fleet, balancer: Balancer, count: int) -> list[Table]:
    """Have tables play on and on."""
    tables = [Table(balancer.url, seed, think_seconds=0.004) for seed in range(count)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table that plays on")
    await played_on(tables, 10)
    return tables


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
async def test_an_instance_is_powered_off(start_fleet: Callable[..., Fleet]) -> None:
    """Its players go on elsewhere once its lease is over, and no acknowledged play is lost."""
    fleet = start_fleet(3)
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, 9)
    server, there = fullest(fleet, tables)
    other = next(one for one in fleet.instances if one is not server)
    power_off(server)
    await wait(0.2)  # what it had said is heard by then
    pause = await played_on(tables, fleet.lease + 10)
    print(f"{len(there)} of 9 rooms were on it; all went on after {pause:.2f} s")
    assert name(fleet, server) not in {fleet.owner(table.code)[0] for table in tables}
    for table in tables:
        await table.pause()
        check_so_far(other, table)
        table.end()
    balancer.cut()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_instance_leaves(start_fleet: Callable[..., Fleet]) -> None:
    """Its players are back at the table within a second, those who come there still, too."""
    fleet = start_fleet(3)
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, 9)
    server, there = fullest(fleet, tables)
    other = next(one for one in fleet.instances if one is not server)
    absences = [Absence(client) for table in tables for client in table.clients]
    server.post("/api/leave")
    until = time.monotonic() + 15
    while server.get("/api/jobs", admin=True)[-1]["state"] == "running":
        assert time.monotonic() < until
        await wait(0.05)
    [job] = server.get("/api/jobs", admin=True)
    assert (job["state"], job["done"]) == ("done", len(there)), job
    await played_on(tables, 5)
    assert name(fleet, server) not in {fleet.owner(table.code)[0] for table in tables}
    while server.status()["rooms"]:  # the workers report once a second
        assert time.monotonic() < until
        await wait(0.1)
    longest = max(absence.longest for absence in absences)
    print(f"{len(there)} of 9 rooms left; nobody was away for more than {longest:.2f} s")
    assert longest < 1.0
    moved = [w for table in there for w in table.witnesses if "moved" in w.notices]
    assert len(moved) == 4 * len(there)
    with pytest.raises(OSError, match="503"):
        server.get("/health")
    server.stop()
    await played_on(tables, 5)
    for table in tables:
        await table.pause()
        check_so_far(other, table)
        table.end()
    balancer.cut()
