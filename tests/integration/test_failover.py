"""A shared store with a replica: who is told what when its master dies, and what can be lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet import threads
from twisted.internet.task import deferLater

from hokm.store.address import parse
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, StoreAway, Verdict
from tests.integration.test_matches import FAST, disturb
from tests.valkeys import Watched

reactor: Any = installed
FAILOVER_SECONDS = 30.0
ROOM = "ROOM2345"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Run a store with a replica and Sentinels for one test."""
    one = Watched(tmp_path / "stores")
    yield one
    one.stop()


@pytest_twisted.async_yield_fixture
async def connect() -> AsyncIterator[Callable[..., RedisStore]]:
    """Make clients of stores, for one test."""
    stores: list[RedisStore] = []

    def make(url: str, replicas: int = 0) -> RedisStore:
        stores.append(
            RedisStore(
                address=parse(url),
                reactor=reactor,
                random=Random(1),
                ttl_seconds=3600,
                replicas=replicas,
                timeout=0.5,
            )
        )
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def entry(epoch: int, position: int) -> Entry:
    return Entry(room=ROOM, epoch=epoch, position=position, record=b"%d" % position)


async def until(what: Callable[[], Any], seconds: float = FAILOVER_SECONDS) -> Any:
    """Try again until it succeeds."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await what()
        except StoreAway:
            assert time.monotonic() < end
            await deferLater(reactor, 0.02)


async def begin(store: RedisStore) -> int:
    """Make a room and claim it; returns the epoch."""
    await until(lambda: store.create(ROOM, b"snapshot 0"))  # or it was made, and that not heard
    claimed = await until(lambda: store.claim(ROOM, "test"))
    assert claimed is not None
    return int(claimed.epoch)


async def records(store: RedisStore) -> list[bytes]:
    """Return what a store knows of the room."""
    read = await until(lambda: store.read(ROOM))
    assert read is not None
    return list(read.records)


@pytest_twisted.ensureDeferred
async def test_the_new_master_is_found(
    watched: Watched, connect: Callable[..., RedisStore]
) -> None:
    """The master is killed: writes fail, then go on at the new one, which has all of them."""
    store = connect(watched.url, replicas=0)
    epoch = await begin(store)
    for position in range(20):
        if position == 10:
            replica = connect(f"redis://127.0.0.1:{watched.replica.port}")
            while len(await records(replica)) < position:
                await deferLater(reactor, 0.02)
            watched.master.kill()
        assert await until(lambda: store.commit([entry(epoch, position)])) == [  # noqa: B023
            Verdict.DONE
        ]
    assert watched.replica.ask("ROLE")[0] == "master"
    assert await records(store) == [b"%d" % position for position in range(20)]


@pytest_twisted.ensureDeferred
async def test_what_is_lost_with_the_master(
    tmp_path: Path, connect: Callable[..., RedisStore]
) -> None:
    """Cut off from its replica, a master alone acknowledges what can be lost; replicated, nothing.

    The replica is promoted while the master still runs, as in a partition: what the master takes
    from then on dies with it.
    """
    watched = Watched(tmp_path / "stores")
    try:
        where = f"redis://127.0.0.1:{watched.master.port}"
        stored, replicated = connect(where), connect(where, replicas=1)
        epoch = await begin(stored)
        assert await until(lambda: replicated.commit([entry(epoch, 0)])) == [Verdict.DONE]
        watched.replica.ask("REPLICAOF", "NO", "ONE")
        assert await until(lambda: stored.commit([entry(epoch, 1)])) == [Verdict.DONE]
        with pytest.raises(StoreAway):
            await replicated.commit([entry(epoch, 2)])
        connection = replicated._factory.connection
        assert connection is not None
        connection.abort()  # what a new connection repeats must wait for the replica as well
        await deferLater(reactor, 0.2)
        with pytest.raises(StoreAway):
            await replicated.commit([entry(epoch, 2)])
        watched.master.kill()
        survivor = connect(f"redis://127.0.0.1:{watched.replica.port}")
        assert await records(survivor) == [b"0"]
    finally:
        watched.stop()


@pytest_twisted.ensureDeferred
async def test_a_demoted_master_is_left(
    watched: Watched, connect: Callable[..., RedisStore]
) -> None:
    """In an orderly fail-over there are two masters for a second: the old one is not believed."""
    store = connect(watched.url, replicas=1)
    epoch = await begin(store)
    assert await until(lambda: store.commit([entry(epoch, 0)])) == [Verdict.DONE]
    watched.sentinels[0].ask("SENTINEL", "FAILOVER", "tables")
    end = time.monotonic() + FAILOVER_SECONDS
    while watched.replica.ask("ROLE")[0] != "master":
        assert time.monotonic() < end
        await deferLater(reactor, 0.05)
    assert await until(lambda: store.commit([entry(epoch, 1)])) == [Verdict.DONE]
    assert await records(connect(f"redis://127.0.0.1:{watched.replica.port}")) == [b"0", b"1"]


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_games_go_on_at_the_new_master(
    start_server: Callable[..., Any], watched: Watched
) -> None:
    """The master is killed under matches: tables pause visibly, then play on; no play is lost."""
    server = start_server("--redis", watched.url, "--durability", "replicated", workers=2, **FAST)

    async def fault(number: int) -> None:
        await threads.deferToThread(watched.master.kill)
        end = time.monotonic() + FAILOVER_SECONDS
        while not watched.has_switched():
            assert time.monotonic() < end
            await deferLater(reactor, 0.05)
        # A master without a replica acknowledges nothing here: the old one comes back as one.
        await threads.deferToThread(watched.take_back)

    tables, pauses = await disturb(server, 1, fault)
    print(f"fail-over: longest pause {max(pauses):.2f} s")
    for table in tables:
        for witness in table.witnesses:
            assert witness.notices[:2] == ["paused", "resumed"]
    assert all(client.resumes == 0 for table in tables for client in table.clients)
