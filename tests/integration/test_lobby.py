"""Quick match over real sockets: people who do not know one another find a table."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet import threads
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.protocols.portforward import ProxyClient, ProxyClientFactory, ProxyFactory, ProxyServer

from hokm.client import Client, find_table
from hokm.client.bot import Player
from tests.integration.test_matches import FAST
from tests.valkeys import Valkey

reactor: Any = installed

QUICK = {
    **FAST,
    "HOKM_TABLE_TURN_SECONDS": "600",
    "HOKM_TABLE_PAUSE_SECONDS": "0",
    "HOKM_TABLE_BOT_SECONDS": "0",
    "HOKM_TABLE_TARGET": "1",
    "HOKM_WORKER_FILL_SECONDS": "1",
}
PATIENT = {**QUICK, "HOKM_WORKER_FILL_SECONDS": "600"}  # no bots, however slow the machine is


def look(
    server: Any, number: int, heard: list[Any] | None = None, **options: Any
) -> Deferred[Client]:
    """Begin to look for a table."""
    return Deferred.fromCoroutine(
        find_table(
            server.url,
            f"player {number}",
            reactor=reactor,
            on_progress=None if heard is None else heard.append,
            random=random.Random(number),
            **options,
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
    server = start_server(workers=2, **PATIENT)
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
    server.stop()
    server = start_server(workers=2, **QUICK)
    heard: list[Any] = []
    seed = "ab" * 16
    alone = await look(server, 9, heard, seed=seed)
    assert heard[0].people == 1 and 2 < heard[0].seconds_left <= 3
    assert [seat.kind for seat in alone.state.seats].count("bot") == 3
    await finish([alone])
    hands = server.get(f"/api/rooms/{alone.room_code}/history")["hands"]
    assert {hand["proof"]["seeds"][alone.state.seat] for hand in hands} == {seed}


@pytest_twisted.ensureDeferred
async def test_the_search_survives_a_worker(start_server: Callable[..., Any]) -> None:
    """The lobby's worker is killed while three wait: the fourth completes their table."""
    server = start_server(workers=2, **PATIENT)
    heard: list[Any] = []
    three = [look(server, number, heard) for number in range(3)]
    while not any(message.people == 3 for message in heard):
        await deferLater(reactor, 0.01)
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    clients = await gatherResults([*three, look(server, 3)])
    assert len({client.room_code for client in clients}) == 1
    await finish(clients)


class Far(ProxyClient):
    """The store's end of one connection."""

    def dataReceived(self, data: bytes) -> None:
        if self.peer.lost == "answer":
            self.peer.factory.lose()
        else:
            super().dataReceived(data)


class Near(ProxyServer):
    """A server's end of one connection; what is lost of it, nothing comes after."""

    class clientProtocolFactory(ProxyClientFactory):
        protocol = Far

    lost = ""

    def dataReceived(self, data: bytes) -> None:
        if self.factory.next and b"enqueued" in data:
            self.lost, self.factory.next = self.factory.next, ""
        if self.lost == "request":
            self.factory.lose()
        else:
            super().dataReceived(data)


class Link(ProxyFactory):
    """Between a server and its store; loses what either says of the lobby, when it is told to.

    Attributes:
        next: What is lost next: a "request", or its "answer".
        lost: Fires when it is.
    """

    protocol = Near

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.next = ""
        self.lost: Deferred[None] = Deferred()

    def lose(self) -> None:
        if not self.lost.called:
            self.lost.callback(None)


@pytest_twisted.ensureDeferred
async def test_what_a_killed_lobby_had_not_said(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Nobody is forgotten: not whose place was not stored, or not told, nor who had just met.

    Who made four of them, and heard nothing yet, has no token for that table: he waits anew.
    """
    store = Valkey(tmp_path / "store")
    link = Link(store.port)
    listening = reactor.listenTCP(0, link, interface="127.0.0.1")
    address = f"redis://127.0.0.1:{listening.getHost().port}"
    server = await threads.deferToThread(start_server, "--redis", address, workers=1, **PATIENT)
    heard: list[list[Any]] = []
    found: list[Deferred[Client]] = []
    for people, lost in (1, ""), (2, "request"), (3, "answer"), (1, "answer"):
        [pid] = await threads.deferToThread(server.worker_pids)
        link.next, link.lost = lost, Deferred()
        heard.append([])
        found.append(look(server, len(found), heard[-1]))
        if lost:
            await link.lost.addTimeout(40, reactor)
            os.kill(pid, signal.SIGKILL)
        waiting = heard[-people:]
        until = reactor.seconds() + 40
        while not all(told and told[-1].people == people for told in waiting):
            assert reactor.seconds() < until, heard
            await deferLater(reactor, 0.01)
    *met, anew = found
    clients = await gatherResults(met).addTimeout(40, reactor)
    assert len({client.room_code for client in clients}) == 1
    anew.addErrback(lambda failure: failure.trap(CancelledError) and None)
    anew.cancel()
    for client in clients:
        client.end()
    await threads.deferToThread(server.stop)  # which needs the link
    listening.stopListening()
    store.kill()
