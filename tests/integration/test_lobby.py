"""Quick match over real sockets: people who do not know one another find a table."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from hokm.client import Client, find_table
from hokm.client.bot import Player
from tests.integration.test_matches import FAST

QUICK = {
    **FAST,
    "HOKM_TABLE_TURN_SECONDS": "600",
    "HOKM_TABLE_PAUSE_SECONDS": "0",
    "HOKM_TABLE_BOT_SECONDS": "0",
    "HOKM_TABLE_TARGET": "1",
    "HOKM_WORKER_FILL_SECONDS": "1",
}


def look(server: Any, number: int, heard: list[Any] | None = None) -> Deferred[Client]:
    """Begin to look for a table."""
    return Deferred.fromCoroutine(
        find_table(
            server.url,
            f"player {number}",
            reactor=reactor,
            on_progress=None if heard is None else heard.append,
            random=random.Random(number),
        )
    )


async def finish(clients: list[Client]) -> None:
    """Play the match to its end, and go."""
    players = [Player(client, random=random.Random(1)) for client in clients]
    await gatherResults([Deferred.fromCoroutine(player.play_match()) for player in players])
    for client in clients:
        client.end()


@pytest_twisted.ensureDeferred
async def test_four_at_once_and_one_alone(start_server: Callable[..., Any]) -> None:
    """Eight people are two tables; the ninth plays with three bots. All matches are played."""
    server = start_server(workers=2, **QUICK)
    clients = await gatherResults([look(server, number) for number in range(8)])
    codes = [client.state.seats for client in clients]
    assert all(None not in seats for seats in codes)
    tables: dict[str, list[Client]] = {}
    for client in clients:
        tables.setdefault(client.room_code, []).append(client)
    assert [len(company) for company in tables.values()] == [4, 4]
    for company in tables.values():
        assert sorted(client.state.seat for client in company) == [0, 1, 2, 3]
        await finish(company)
    heard: list[Any] = []
    alone = await look(server, 9, heard)
    assert heard[0].people == 1 and 2 < heard[0].seconds_left <= 3
    assert [seat.kind for seat in alone.state.seats].count("bot") == 3
    await finish([alone])


@pytest_twisted.ensureDeferred
async def test_the_search_survives_a_worker(start_server: Callable[..., Any]) -> None:
    """The lobby's worker is killed while three wait: the fourth completes their table."""
    server = start_server(workers=2, **QUICK)
    heard: list[Any] = []
    three = [look(server, number, heard) for number in range(3)]
    while not any(message.people == 3 for message in heard):
        await deferLater(reactor, 0.01)
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    clients = await gatherResults([*three, look(server, 3)])
    assert len({client.room_code for client in clients}) == 1
    await finish(clients)
