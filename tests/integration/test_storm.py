# mypy: disallow-untyped-decorators=False
"""All players of many tables lose their connections at once, and come back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor as installed
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from hokm import wire
from hokm.client import Client, create_room, join
from tests.conftest import Server

reactor: Any = installed
ROOT = Path(__file__).parents[2]
TABLES = 100
SECONDS = 60.0  # until all must be back, on a machine that does much else
CALM_SECONDS = 0.5  # how long is looked how fast somebody plays at another table
PART = 0.05  # of that pace he must keep meanwhile; it is a third to a half
LIMITS = {
    "HOKM_WEB_ROOMS_PER_MINUTE": "10000",
    "HOKM_WEB_ROOMS_PER_MINUTE_IN_ALL": "10000",
    "HOKM_WORKER_MESSAGES_PER_SECOND": "10000",
    "HOKM_WORKER_BURST": "10000",
}


async def table(server: Server) -> list[Client]:
    """Make a table and seat four people."""
    made = await create_room(server.url, reactor=reactor)
    host = await join(server.url, made.room_code, "0", reactor=reactor, token=made.host_token)
    others = [join(server.url, made.room_code, n, reactor=reactor) for n in "123"]
    return [host, *await gatherResults(others)]


class Restless:
    """Another table, at which somebody plays on and on; his program is another one than ours.

    Attributes:
        plays: How many of his plays the server has answered.
    """

    def __init__(self, url: str) -> None:
        self.plays = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.restless", url], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def look(self) -> int:
        """Count on; returns the plays."""
        assert self._process.poll() is None and self._process.stdout is not None
        while text := self._process.stdout.read(1 << 16):
            self.plays += text.count(b"\n")
        return self.plays

    async def pace(self) -> float:
        """Return how many plays a second he has when nothing else happens here."""
        played, began = self.look(), reactor.seconds()
        await deferLater(reactor, CALM_SECONDS)
        return (self.look() - played) / (reactor.seconds() - began)

    def end(self) -> None:
        """Let him go."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def seen(client: Client) -> Any:
    """Return what a player sees that a storm must not change."""
    state: wire.State = client.state
    return state.seat, state.host, state.commitment, [seat and seat.name for seat in state.seats]


async def wait_for(condition: Callable[[], bool]) -> None:
    """Let the reactor turn until *condition* holds."""
    until = reactor.seconds() + SECONDS
    while not condition():
        assert reactor.seconds() < until, "did not happen in time"
        await deferLater(reactor, 0.005)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_storm(start_server: Callable[..., Server]) -> None:
    """All have their seats again, nobody was turned away, and another table played on."""
    server = start_server(workers=1, **LIMITS)
    clients = [client for _ in range(TABLES) for client in await table(server)]
    other = Restless(server.url)
    try:
        await wait_for(lambda: other.look() > 0)
        before = [seen(client) for client in clients]
        calm = await other.pace()
        played, began = other.look(), reactor.seconds()
        for client in clients:
            client.drop()
        await wait_for(lambda: all(client.resumes for client in clients))
        pace = (other.look() - played) / (reactor.seconds() - began)
        assert pace >= PART * min(calm, await other.pace())
    finally:
        other.end()
    assert [client.resumes for client in clients] == [1] * len(clients)
    for client in clients:
        await client.sync()
    assert [seen(client) for client in clients] == before
    assert all(seat.connected for client in clients for seat in client.state.seats)
    with urllib.request.urlopen(f"{server.admin}/metrics") as response:
        refused = re.findall(
            rb"^hokm_connections_refused_total\{[^}]*\} (.*)$", response.read(), re.MULTILINE
        )
    assert set(map(float, refused)) == {0.0}
    for client in clients:
        client.end()
    await gatherResults([client.closed for client in clients])
