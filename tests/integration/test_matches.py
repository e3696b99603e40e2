"""Whole matches over real sockets, through kills of workers, store and server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from ports import free_ports
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from hokm import wire
from hokm.client import Client, create_room, join
from hokm.client.bot import Player
from hokm.store.embedded import find_server
from hokm.tasks import run
from tests.referee import check_proof, replay

QUICK = {"pause_seconds": 0, "bot_seconds": 0, "grace_seconds": 600, "turn_seconds": 600}
FAST = {
    "HOKM_WORKER_MESSAGES_PER_SECOND": "2000",
    "HOKM_WORKER_BURST": "2000",
    "HOKM_WEB_ROOMS_PER_MINUTE": "10000",
    "HOKM_WEB_ROOMS_PER_MINUTE_IN_ALL": "10000",
    "HOKM_SCALING_OVERLOAD_LAG_MS": "60000",  # tables are made, however slow the machine is
}
MANY = int(os.environ.get("HOKM_KILLS", "6"))


class Witness:
    """Sees all that one client is told, and proves that nothing is missing or doubled."""

    def __init__(self) -> None:
        self.seq: int | None = None
        self.faults: list[str] = []
        self.notices: list[str] = []
        self.stall = 0.0  # seconds: the longest time between two cards
        self._played: float | None = None
        self.last: Any = None

    def hear(self, message: Any) -> None:
        """Take one message of the server."""
        self.last = message
        if isinstance(message, wire.CardPlayed):
            now = time.monotonic()
            self.stall = max(self.stall, now - (self._played or now))
            self._played = now
        if isinstance(message, wire.Welcome | wire.StateMessage):
            self.seq = message.state.seq
        elif isinstance(message, wire.Notice):
            self.notices.append(message.kind)
        elif (seq := getattr(message, "seq", None)) is not None:
            if self.seq is not None and seq != self.seq + 1:
                self.faults.append(f"{seq} came after {self.seq}")
            self.seq = seq


class Table:
    """Four clients at one table."""

    def __init__(self, url: str, seed: int, target: int = 100, think_seconds: float = 0.0) -> None:
        self.url = url
        self.think_seconds = think_seconds
        self.random = random.Random(seed)
        self.target = target
        self.clients: list[Client] = []
        self.players: list[Player] = []
        self.witnesses = [Witness() for _ in range(4)]
        self.code = ""

    async def sit_down(self) -> None:
        made = await create_room(self.url, {**QUICK, "target": self.target}, reactor=reactor)
        self.code = made.room_code
        for number in range(4):
            client = await join(
                self.url,
                made.room_code,
                f"player {number}",
                reactor=reactor,
                token=made.host_token if number == 0 else None,
                on_event=self.witnesses[number].hear,
                random=random.Random(number),
            )
            self.clients.append(client)
            self.players.append(
                Player(client, random=self.random, think_seconds=self.think_seconds)
            )

    async def play(self) -> None:
        await self.clients[0].start()
        await gatherResults([Deferred.fromCoroutine(p.play_match()) for p in self.players])

    async def play_on(self) -> None:
        """Play match after match until the turns are let pass."""
        while all(player.going for player in self.players):
            await self.play()

    @property
    def acknowledged(self) -> int:
        """How many plays the server has answered with ok."""
        return sum(player.acknowledged for player in self.players)

    def plight(self) -> list[str]:
        """Tell how each client is, for the message of a failed test."""
        return [
            f"{client.unanswered} unanswered, {client.resumes} resumes, closed {client.closed}, "
            f"last heard {witness.last}, refused {player.refused}, "
            f"turn {client.state and client.state.turn}, seat {client.state and client.state.seat}"
            for client, witness, player in zip(
                self.clients, self.witnesses, self.players, strict=True
            )
        ]

    async def pause(self) -> None:
        """Let turns pass, and bring all clients up to date."""
        for player in self.players:
            player.going = False
        while self._is_busy():
            await wait(0.01)
        for client in self.clients:
            await client.sync()

    def _is_busy(self) -> bool:
        """Whether a card may still be played: a player that thinks has not sent it yet."""
        acting = any(player.acting for player in self.players)
        return acting or any(client.unanswered for client in self.clients)

    def end(self) -> None:
        for client in self.clients:
            client.end()


def check_history(server: Any, table: Table) -> int:
    """Replay all hands of a table; returns how many cards were played."""
    hands = server.get(f"/api/rooms/{table.code}/history")["hands"]
    score = [0, 0]
    for hand in hands:
        check_proof(hand["proof"])
        winner, tricks, points = replay(hand)
        score[winner] += points
        result = hand["result"]
        assert (winner, list(tricks), points, score) == (
            result["winner"],
            result["tricks"],
            result["points"],
            result["score"],
        )
    assert max(score) >= table.target
    return sum(len(trick["cards"]) for hand in hands for trick in hand["plays"])


def check(server: Any, table: Table) -> None:
    """Prove that each acknowledged play is in the history once, and that nobody missed anything."""
    played = check_history(server, table)
    acknowledged = sum(player.acknowledged for player in table.players)
    assert acknowledged == played
    assert [witness.faults for witness in table.witnesses] == [[], [], [], []]
    assert [player.refused for player in table.players] == [[], [], [], []]


def wait(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds)  # type: ignore[arg-type] # it is IReactorTime


@pytest_twisted.ensureDeferred
async def test_matches_over_sockets(start_server: Callable[..., Any]) -> None:
    """Twenty matches of four clients end with histories that an independent fold confirms."""
    server = start_server(workers=2, **FAST)
    tables = [Table(server.url, seed, target=7) for seed in range(20)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    await gatherResults([Deferred.fromCoroutine(table.play()) for table in tables])
    for table in tables:
        check(server, table)
        table.end()


@pytest_twisted.ensureDeferred
async def test_no_room_is_split(start_server: Callable[..., Any]) -> None:
    """Four hundred connections of a hundred rooms: the players of each room meet."""
    server = start_server(workers=2, **FAST)
    until = time.monotonic() + 20
    while len(server.worker_pids()) < 2:
        assert time.monotonic() < until
        await wait(0.05)
    tables = [Table(server.url, seed, target=1) for seed in range(100)]
    for first in range(0, 100, 20):
        few = tables[first : first + 20]
        await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in few])
    for table in tables:
        state = await table.clients[0].until(lambda s: None not in s.seats)
        assert all(seat.connected for seat in state.seats if seat)
    until = time.monotonic() + 20

    def count(what: str) -> int:
        return sum(worker[what] for worker in server.status()["workers"])

    while (count("rooms"), count("connections")) != (100, 400):
        assert time.monotonic() < until, server.status()["workers"]
        await wait(0.2)  # the workers report once a second
    workers = server.status()["workers"]
    assert max(worker["rooms"] for worker in workers) <= 56
    for table in tables:
        table.end()


async def disturb(
    server: Any, times: int, fault: Callable[[int], Any], rest_seconds: float = 0.2
) -> tuple[list[Table], list[float]]:
    """Play at four tables while *fault* strikes *times*.

    In the end every acknowledged play is in the store, once, and nothing else is.

    Args:
        rest_seconds: The least time between two faults.

    Returns:
        The tables; how long play was held up at any of them, for each fault.
    """
    # Fast enough that commits are under way at each fault, slow enough for a table's 1024 hands.
    tables = [Table(server.url, seed, think_seconds=0.004) for seed in range(4)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table that plays on")
    pauses = []
    for number in range(times):
        await wait(rest_seconds + random.Random(number).uniform(0.0, 0.4))
        before = [table.acknowledged for table in tables]
        began = time.monotonic()
        await fault(number)
        ended = time.monotonic()
        while any(t.acknowledged <= had for t, had in zip(tables, before, strict=True)):
            assert time.monotonic() - ended < 60, [table.plight() for table in tables]
            await wait(0.01)
        pauses.append(time.monotonic() - began)
    until = time.monotonic() + 30
    while not server.is_ready():  # the supervisor asks for the store once a second
        assert time.monotonic() < until
        await wait(0.1)
    for table in tables:
        await table.pause()
        check_so_far(server, table)
        table.end()
    return tables, pauses


def check_so_far(server: Any, table: Table) -> None:
    """Prove that what was acknowledged is what was played, in past hands and in this one."""
    hands = server.get(f"/api/rooms/{table.code}/history")["hands"]
    numbers = [(hand["match_no"], hand["hand_no"]) for hand in hands]
    assert numbers == sorted(set(numbers))
    for hand in hands:
        winner, tricks, points = replay(hand)
        result = hand["result"]
        assert (winner, list(tricks), points) == (
            result["winner"],
            result["tricks"],
            result["points"],
        )
    played = sum(len(trick["cards"]) for hand in hands for trick in hand["plays"])
    state = table.clients[0].state
    assert state is not None
    if state.phase == "play":
        assert state.table is not None
        played += 4 * sum(state.tricks) + len(state.table.cards)
    assert table.acknowledged == played
    assert [witness.faults for witness in table.witnesses] == [[], [], [], []]
    assert [player.refused for player in table.players] == [[], [], [], []]


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_workers_are_killed(start_server: Callable[..., Any]) -> None:
    """A worker with rooms is killed, again and again: no socket closes, and no play is lost."""
    server = start_server(workers=2, **FAST)

    async def fault(number: int) -> None:
        until = time.monotonic() + 20
        while any(worker["state"] != "ready" for worker in server.status()["workers"]):
            assert time.monotonic() < until
            await wait(0.05)
        rooms = server.get("/api/rooms", admin=True)["rooms"]
        pids = {worker["id"]: worker["pid"] for worker in server.status()["workers"]}
        os.kill(pids[rooms[number % len(rooms)]["worker"]], signal.SIGKILL)

    # A worker that dies within 2 s of being ready is started again with a growing delay.
    tables, pauses = await disturb(server, MANY, fault, rest_seconds=1.2)
    print(f"{MANY} kills of a worker: longest pause {max(pauses):.2f} s")
    handoff = server.status()["handoff"]
    assert all(client.resumes == 0 for table in tables for client in table.clients)
    assert handoff["distrusted"] == 0
    assert handoff["adopted"] >= 4 * handoff["recovered"] >= 4 * MANY


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_the_server_is_restarted(start_server: Callable[..., Any]) -> None:
    """The whole server stops and starts, and is killed and starts: the same holds."""
    server = start_server(workers=2, **FAST)

    async def fault(number: int) -> None:
        if number % 2:
            server.kill()
        else:
            assert await threads.deferToThread(server.stop) == -signal.SIGTERM
        await threads.deferToThread(server.start)

    _, pauses = await disturb(server, 4, fault)
    print(f"4 restarts of the server: longest pause {max(pauses):.2f} s")


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_an_outside_store_is_away(start_server: Callable[..., Any], tmp_path: Path) -> None:
    """A store of the operator's is killed and comes back after five seconds: the same holds."""
    [port] = free_ports(1)
    program = [find_server(), "--port", str(port), "--dir", str(tmp_path), "--appendonly", "yes"]
    program += ["--requirepass", "its/password", "--save", "", "--bind", "127.0.0.1"]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    stores = [start()]
    try:
        server = start_server(
            "--redis", f"redis://:its%2Fpassword@127.0.0.1:{port}/2", workers=2, **FAST
        )

        async def fault(number: int) -> None:
            stores[-1].kill()
            stores[-1].wait()
            await wait(5.0)
            stores.append(start())

        tables, pauses = await disturb(server, 2, fault)
        print(f"2 absences of the store: longest pause {max(pauses):.2f} s, 5 of them the absence")
        for table in tables:
            for witness in table.witnesses:
                # A store that fsyncs on a busy disk is away for a moment of its own, too.
                absences = len(witness.notices) // 2
                assert witness.notices == ["paused", "resumed"] * absences
                assert absences >= 2
        until = time.monotonic() + 20
        while not server.status()["store"]["up"]:
            assert time.monotonic() < until
            await wait(0.1)
        assert server.status()["store"] == {
            "up": True,
            "kind": "shared",
            "address": f"redis://127.0.0.1:{port}/2",
        }
        server.stop()
        assert "password" not in server.log.read_text()
    finally:
        stores[-1].kill()
        stores[-1].wait()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_the_store_is_killed(start_server: Callable[..., Any]) -> None:
    """The store dies, and stands still for seconds: tables pause visibly and lose nothing."""
    server = start_server(workers=2, **FAST)

    async def fault(number: int) -> None:
        pid = server.store_pid()
        if number % 2:
            os.kill(pid, signal.SIGSTOP)
            await wait(5.0)
            os.kill(pid, signal.SIGCONT)
        else:
            os.kill(pid, signal.SIGKILL)

    tables, _ = await disturb(server, 4, fault)
    for table in tables:
        for witness in table.witnesses:
            assert witness.notices[:2] == ["paused", "resumed"]
    assert all(client.resumes == 0 for table in tables for client in table.clients)
