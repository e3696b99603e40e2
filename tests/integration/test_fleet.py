"""Several instances on one store: rooms have one owner, wherever their players come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from tests.fleet import Balancer, Fleet
from tests.integration.test_matches import FAST, Table, check


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
