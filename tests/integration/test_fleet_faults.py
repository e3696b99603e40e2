"""A fleet under faults by chance, several at once: each room has one owner, and nothing is lost.

HOKM_FLEET_SEED chooses the faults, HOKM_FLEET_FAULTS says how many there are.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import threads
from twisted.internet.defer import Deferred, gatherResults

from tests.conftest import Server
from tests.fleet import Balancer, Fleet, power_off, stop_all, wait
from tests.integration.test_fleet import played_on, sit_down
from tests.integration.test_matches import FAST, check_so_far

SEED = int(os.environ.get("HOKM_FLEET_SEED", "1"))
FAULTS = int(os.environ.get("HOKM_FLEET_FAULTS", "5"))
TABLES = 6
LEASE = 2.0
AGAIN_SECONDS = 120.0  # until an order is over, or a server is up


class Faults:
    """What can happen to an instance; each ends when that is over, but for what players feel."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.kinds: dict[str, Callable[[Server], Coroutine[Deferred[Any], Any, None]]] = {
            "worker killed": self.kill_worker,
            "powered off": self.power_off,
            "stands still": self.stand_still,
            "leaves": self.leave,
            "replaced": self.replace,
            "upgraded": self.upgrade,
        }

    async def kill_worker(self, server: Server) -> None:
        """Kill one of its workers."""
        os.kill(self._chance.choice(server.worker_pids()), signal.SIGKILL)

    async def power_off(self, server: Server) -> None:
        """Let all of it be gone at once, for less than its lease or more."""
        power_off(server)
        await wait(self._chance.uniform(0, 2 * LEASE))
        await threads.deferToThread(server.start)

    async def stand_still(self, server: Server) -> None:
        """Stop all of it, for less than its lease or more."""
        stop_all(server, signal.SIGSTOP)
        await wait(self._chance.uniform(0, 2 * LEASE))
        stop_all(server, signal.SIGCONT)

    async def leave(self, server: Server) -> None:
        """Let it hand over its rooms, stop and come back."""
        await self._order(server, "/api/leave")
        await threads.deferToThread(server.stop)
        await threads.deferToThread(server.start)

    async def replace(self, server: Server) -> None:
        """Replace its workers."""
        await self._order(server, "/api/replace")

    async def upgrade(self, server: Server) -> None:
        """Let its supervisor execute itself anew."""
        ordered = time.monotonic()
        server.post("/api/upgrade")
        await until(lambda: server.status()["uptime_s"] < time.monotonic() - ordered, server)

    async def _order(self, server: Server, path: str) -> None:
        server.post(path)
        await until(lambda: server.get("/api/jobs", admin=True)[-1]["state"] != "running", server)


async def until(holds: Callable[[], bool], server: Server) -> None:
    """Wait until something holds of a server that may not answer meanwhile."""
    end = time.monotonic() + AGAIN_SECONDS
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        assert time.monotonic() < end, server.log.read_text()[-4000:]
        await wait(0.1)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Start three instances of two workers each."""
    made = Fleet(tmp_path, 3, lease=LEASE, workers=2, **FAST)
    yield made
    made.stop()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_faults_by_chance(fleet: Fleet) -> None:
    """One or two at a time, at different instances; then all play on, and nothing is lost."""
    chance = random.Random(SEED)
    faults = Faults(chance)
    balancer = Balancer([server.port for server in fleet.instances])
    tables = await sit_down(fleet, balancer, TABLES)
    struck = 0
    while struck < FAULTS:
        victims = chance.sample(fleet.instances, chance.choice((1, 2)))
        kinds = [chance.choice(list(faults.kinds)) for _ in victims]
        named = ", ".join(
            f"{server.state_dir.name} {kind}" for server, kind in zip(victims, kinds, strict=True)
        )
        began = time.monotonic()
        await gatherResults(
            [
                Deferred.fromCoroutine(faults.kinds[kind](server))
                for server, kind in zip(victims, kinds, strict=True)
            ],
            consumeErrors=True,
        )
        over = time.monotonic()
        pause = await played_on(tables, LEASE + 60, plays=4)
        print(f"{named}: over after {over - began:.2f} s, all played on {pause:.2f} s later")
        for server in fleet.instances:
            await until(server.is_ready, server)
        struck += len(victims)
    for table in tables:
        await table.pause()
        check_so_far(fleet.instances[0], table)
        table.end()
    balancer.cut()
