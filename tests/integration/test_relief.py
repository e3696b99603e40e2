# mypy: disable-untyped-decorators=False
"""Rooms leave a worker that has too much to do: soon, and those first that make it work.

The workers are those of `crowd.stress`. How quick it is depends on what else the machine does, and
is printed.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import pytest_twisted
from crowd.command import STRESSED
from crowd.stress import VARIABLE, Stress
from crowd.table import Table, leave
from crowd.watch import Watch
from disturbance.server import Server
from disturbance.site import Site
from twisted.internet import reactor as installed

from tests.integration.test_matches import wait
from tests.integration.test_scaling import configuration

reactor: Any = installed
SCRIPTS = Path(__file__).parents[2] / "scripts"
SECONDS = 60.0  # for anything; how long it took is printed
ENOUGH = 100  # answers, of which the 99th percentile says something


class Place:
    """A server of two workers, and people at tables of the first one.

    It has no rules at first: as they come, one after the other, people are work, too.
    """

    def __init__(self, directory: Path) -> None:
        stress = directory / "stress.json"
        paths = os.pathsep.join([str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        environ = {VARIABLE: str(stress), "PYTHONPATH": paths}
        self.server = Server(2, "--config", configuration(directory), program=STRESSED, **environ)
        self.site = Site(url=self.server.url, admin=self.server.admin, reactor=reactor)
        self.watch = Watch(self.site)
        self.tables: list[Table] = []
        self.waits: deque[float] = deque(maxlen=ENOUGH)
        self._stress = stress

    async def open(self) -> None:
        """Wait until both workers are there, and what their start cost is forgotten."""
        await self.until(self.site.is_ready)
        await self.until(lambda: self.saw(lambda s: s["uptime_s"] > 8 and len(s["workers"]) == 2))

    async def seat(self, count: int, pace: float) -> None:
        """Have more tables, on the first worker."""
        for _ in range(count):
            seed = str(len(self.tables))
            table = Table(
                self.site, self.server.url, reactor, seed=seed, pace=pace, waited=self.waits.append
            )
            self.tables.append(table)
            await table.sit_down()
            assert await self.move_to_first(table) is not None

    async def move_to_first(self, table: Table) -> bool:
        """Have a table on the first worker; says whether it was there already."""
        path = f"/api/rooms/{table.code}/move"
        asked: Any = None

        async def ended() -> bool:
            nonlocal asked
            if asked is None or asked["state"] == "failed":
                status, answer = await self.site.operate("POST", path, {"worker": 1})
                if status == 409 and "error" in answer:
                    return False  # it is just moving
                asked = answer
            _, asked = await self.site.operate("GET", f"/api/jobs/{asked['id']}")
            return bool(asked["state"] == "done")

        await self.until(ended)
        return bool(asked["note"] == "it is there already")

    def read_anew(self) -> None:
        """Have the server read its file again."""
        worker = psutil.Process(self.watch.status["workers"][0]["pid"])
        os.kill(worker.ppid(), signal.SIGHUP)

    def burden(self, **stress: Any) -> None:
        """Put workers under stress."""
        self._stress.write_bytes(msgspec.json.encode(Stress(**stress)))

    async def saw(self, holds: Callable[[Any], bool]) -> bool:
        """Say whether something holds of the server's status."""
        await self.watch.look(0.0)
        return holds(self.watch.status)

    async def until(self, holds: Callable[[], Any]) -> float:
        """Wait until something holds; returns for how many seconds."""
        began = time.monotonic()
        while not await holds():
            assert time.monotonic() - began < SECONDS, self.watch.status
            await wait(0.1)
        return time.monotonic() - began

    async def check(self) -> None:
        """Prove that nobody lost a socket or a play."""
        assert sum(table.closed() for table in self.tables) == 0
        assert await leave(self.tables) == []


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Callable[[], Place]]:
    """Start servers that end with the test."""
    places: list[Place] = []

    def start() -> Place:
        places.append(Place(tmp_path))
        return places[-1]

    yield start
    for place in places:
        place.server.stop()
        place.server.log.unlink()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_players_leave_a_worker_that_is_pinned(
    open_place: Callable[[], Place], tmp_path: Path
) -> None:
    """It burns all of a core, 200 ms at a time: all rooms go, by the default rules, and play on."""
    place = open_place()
    await place.open()
    await place.seat(12, pace=0.3)
    await place.until(lambda: place.saw(lambda s: s["workers"][0]["rooms"] == 12))
    pinned = place.watch.status["workers"][0]
    (tmp_path / "hokm.toml").write_text("")  # the default rules
    place.read_anew()
    place.burden(pid=pinned["pid"], cpu=0.95, turn_s=0.2)
    began = time.monotonic()
    await place.until(lambda: place.saw(lambda s: s["workers"][0]["recent_lag_ms"] > 100))
    noticed = time.monotonic() - began
    await place.until(lambda: place.saw(lambda s: s["workers"][0]["rooms"] == 0))
    gone = time.monotonic() - began
    place.waits.clear()
    await place.until(lambda: place.saw(lambda s: len(place.waits) == ENOUGH))
    await place.until(
        lambda: place.saw(
            lambda s: s["workers"][1]["recent_lag_ms"] < s["workers"][0]["recent_lag_ms"] / 2
        )
    )
    second = place.watch.status["workers"][1]["recent_lag_ms"]
    p99 = sorted(place.waits)[int(0.99 * ENOUGH) - 1]
    print(
        f"pinned: lag seen after {noticed:.1f} s, all rooms gone after {gone:.1f} s;"
        f" the next {ENOUGH} answers after {time.monotonic() - began:.1f} s,"
        f" p99 {1000 * p99:.0f} ms, lag of their worker {second:.0f} ms"
    )
    await place.check()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_busy_rooms_leave_first(open_place: Callable[[], Place], tmp_path: Path) -> None:
    """Every play costs 5 ms: of many quiet tables and a few busy ones, only busy ones go."""
    place = open_place()
    await place.open()
    await place.seat(15, pace=3.0)
    await place.until(lambda: place.saw(lambda s: [w["rooms"] for w in s["workers"]] == [15, 0]))
    quiet, busy = place.tables[:10], place.tables[10:]
    for seat in (seat for table in busy for seat in table.seats):
        seat.pace = 0.01
    plays = [sum(seat.plays.total() for seat in table.seats) + 100 for table in busy]
    while any(sum(s.plays.total() for s in t.seats) < n for t, n in zip(busy, plays, strict=True)):
        await wait(0.1)  # each thinks its last long thought first
    configuration(tmp_path, ("busy", "cpu", "above", 15))
    place.read_anew()
    place.burden(record_s=0.005)
    took = await place.until(lambda: place.saw(lambda s: s["workers"][1]["rooms"] > 0))
    print(f"busy rooms left after {took:.1f} s")
    assert all([await place.move_to_first(table) for table in quiet])
    place.burden()
    await place.check()
