"""A store that is spoken to in TLS, and one with users of few rights."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
import trustme
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.internet import threads
from twisted.internet.task import deferLater

from hokm.client import find_table
from hokm.store.address import parse
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, StoreAway, Verdict
from tests.conftest import missing
from tests.valkeys import Place, Valkey

reactor: Any = installed
ROOM = "ROOM2345"
ROOT = Path(__file__).parents[2]
GRANT = re.compile(r"^user hokm on >PASSWORD (.*)$", re.MULTILINE)


class Guarded:
    """A Redis that speaks TLS, with a user who may do what hokm does."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server", "apt install redis-server")
        directory.mkdir()
        self.authority = trustme.CA()
        self.ca = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        own = self.authority.issue_cert("127.0.0.1", "localhost")
        own.private_key_pem.write_to_path(directory / "key.pem")
        own.cert_chain_pems[0].write_to_path(directory / "cert.pem")
        users = directory / "users.acl"
        [rights] = GRANT.findall((ROOT / "docs" / "operations" / "store.md").read_text())
        users.write_text(f"user default on nopass ~* +@all\nuser hokm on >s3cret {rights}\n")
        [self.port] = free_ports(1)
        self.server = Valkey(
            directory / "data",
            *("--tls-port", str(self.port), "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(directory / "cert.pem")),
            *("--tls-key-file", str(directory / "key.pem")),
            *("--tls-ca-cert-file", str(self.ca), "--aclfile", str(users), "--save", ""),
            place=Place("127.0.0.1", program=program),
        )

    def url(self, ca: Path | None, login: str = "hokm:s3cret", host: str = "127.0.0.1") -> str:
        """Where hokm finds it."""
        return f"rediss://{login}@{host}:{self.port}/1" + (f"?ca={ca}" if ca else "")


@pytest_twisted.async_yield_fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    """Run one for a test."""
    one = Guarded(tmp_path / "guarded")
    yield one
    one.server.kill()


def connect(url: str) -> RedisStore:
    return RedisStore(
        address=parse(url), reactor=reactor, random=Random(1), ttl_seconds=3600, timeout=2.0
    )


async def is_up(store: RedisStore, seconds: float) -> bool:
    """Say whether a store can be used within so many seconds."""
    end = reactor.seconds() + seconds
    while reactor.seconds() < end:
        try:
            await store.commit([])
        except StoreAway:
            await deferLater(reactor, 0.02)
        else:
            return True
    return False


@pytest_twisted.ensureDeferred
async def test_a_server_with_few_rights(guarded: Guarded, start_server: Callable[..., Any]) -> None:
    """Encrypted, with the rights that the documents name, nothing that hokm does is denied."""
    server = start_server(
        *("--redis", guarded.url(guarded.ca), "--durability", "stored"),
        HOKM_WORKER_FILL_SECONDS="0.2",
        HOKM_LEASE_SECONDS="3",
    )
    client = await find_table(server.url, "Sara", reactor=reactor)
    assert server.get("/api/tables") == {"tables": []}
    assert server.get(f"/api/rooms/{client.room_code}/history")["hands"] == []
    client.end()
    assert await threads.deferToThread(server.stop) is not None
    assert guarded.server.ask("ACL", "LOG") == []
    assert "s3cret" not in server.log.read_text()


@pytest_twisted.ensureDeferred
async def test_all_that_a_store_does(guarded: Guarded) -> None:
    """Encrypted, a room is made, written and read."""
    store = connect(guarded.url(guarded.ca))
    try:
        assert await is_up(store, 20)
        assert await store.create(ROOM, b"snapshot 0")
        claimed = await store.claim(ROOM, "test")
        assert claimed is not None
        commit = Entry(room=ROOM, epoch=claimed.epoch, position=0, record=b"r", hands=(b"h",))
        assert await store.commit([commit]) == [Verdict.DONE]
        again = Entry(
            room=ROOM, epoch=claimed.epoch, position=1, record=b"r", snapshot=b"snapshot 2"
        )
        assert await store.commit([again, again]) == [Verdict.DONE, Verdict.DONE]
        assert await store.hands(ROOM) == [b"h"]
        found = await store.read(ROOM)
        assert found is not None and found.snapshot == b"snapshot 2"
    finally:
        store.close()


@pytest.mark.parametrize("flaw", ["unknown authority", "the system's", "wrong name", "password"])
@pytest_twisted.ensureDeferred
async def test_who_is_not_trusted(guarded: Guarded, tmp_path: Path, flaw: str) -> None:
    """A server that nobody vouches for, or that has another name, is never told anything."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    urls = {
        "unknown authority": guarded.url(other),
        "the system's": guarded.url(None),
        "wrong name": guarded.url(guarded.ca, host="127.0.0.2"),
        "password": guarded.url(guarded.ca, login="hokm:guess"),
    }
    store = connect(urls[flaw])
    try:
        assert not await is_up(store, 1.5)
        assert guarded.server.ask("DBSIZE") == 0
    finally:
        store.close()
