"""What a server is in its fleet: where the others find it, and whether players may come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from hokm import config
from hokm.control import messages as m
from hokm.metrics import Metrics
from hokm.supervisor.identity import Identity
from hokm.supervisor.instance import Instance
from hokm.supervisor.placement import Placement, RoomCode, WorkerId
from tests.unit.supervisor.fakes import FakeWorker, connections

LEFT = ("this instance has left its fleet",)
LEAVES = ("this instance leaves its fleet",)


def instance(*workers: FakeWorker, **options: str) -> Instance:
    """Make an instance whose public port is 8765, with some settings."""
    given = {name.replace("_", "-"): value for name, value in options.items()}
    settings = config.load(given, {}, lambda path: b"", 2)
    routing: Any = SimpleNamespace(
        placement=Placement(), connections=connections(), moves={}, take=None, is_here=None
    )
    pool: Any = list(workers)
    relay: Any = None
    store: Any = None
    return Instance(
        reactor=Clock(),
        settings=settings,
        identity=Identity("a", "holder"),
        store=store,
        port=8765,
        pool=pool,
        routing=routing,
        relay=relay,
        metrics=Metrics(),
        give_up=lambda reason: None,
    )


@pytest.mark.parametrize(
    ("options", "reaches_store_from", "address"),
    [
        ({}, "10.0.0.1", "10.0.0.1:8765"),
        ({}, "2001:db8::1", "[2001:db8::1]:8765"),
        ({}, "", "127.0.0.1:8765"),  # by a unix socket: the others are on this machine
        ({"listen": "tcp:80:interface=0.0.0.0"}, "10.0.0.1", "10.0.0.1:8765"),
        ({"listen": "tcp:80:interface=10.1.0.1"}, "10.0.0.1", "10.1.0.1:8765"),
        ({"advertise": "table-1.example.org:80"}, "10.0.0.1", "table-1.example.org:80"),
    ],
)
def test_where_the_others_find_it(
    options: dict[str, str], reaches_store_from: str, address: str
) -> None:
    """As it is told; else where it listens; else where it is seen by the store."""
    assert instance(**options)._advertise(reaches_store_from) == address


def test_workers_are_told_of_the_lease() -> None:
    """At their start, and at each renewal."""
    worker = FakeWorker(1)
    here = instance(worker, lease_seconds="9")
    told = here.configure(m.Configure(worker=1, store="redis://", settings=b""))
    assert (told.instance, told.lease_s, told.worker) == ("a", 9.0, 1)
    here._renewed(12.5, False)
    assert worker.told == [m.Leased(asked=12.5, anew=False)]


def test_whether_players_may_come() -> None:
    """While rooms are given up those who are here are served, and others should not come."""
    here = instance()
    assert here.unhealthy() == ("this instance has no lease",)
    here.fleet.lease.renewed(1e12, 1e12, anew=True)
    assert (here.unhealthy(), here.unready()) == ((), ())
    here.fleet.state = "leaving"
    here.leaving.under_way = True
    assert (here.unhealthy(), here.unready()) == ((), LEAVES)
    here.leaving.under_way = False
    placement, room = here._routing.placement, RoomCode("ROOM2345")
    placement.add(WorkerId(1))
    placement.pin(room, WorkerId(1))
    assert here.unhealthy() == ()  # it did not go, and is played on
    placement.unpin(room, WorkerId(1))
    assert here.unhealthy() == LEFT
