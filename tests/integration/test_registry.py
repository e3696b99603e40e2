"""The scripts of a fleet on a real server, beside what the simulation takes them for."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm.fleet import Member
from hokm.store import address
from hokm.store.embedded import find_server
from hokm.store.redis import RedisStore
from hokm.store.registry import IdTaken, Registry
from hokm.store.store import Entry, OwnedElsewhere, StoreAway
from tests.simulation.fleet import Store as Model
from tests.simulation.fleet import World

reactor: Any = installed
IDS = ("a", "b", "c")
LEASE = 600.0  # ends only where the test says so


class Shared:
    """A server, with a client for each of three instances."""

    def __init__(self, directory: Path) -> None:
        [port] = free_ports(1)
        program = [find_server(), "--port", str(port), "--dir", str(directory), "--save", ""]
        self.server = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        where = address.parse(f"redis://127.0.0.1:{port}/0")
        self.stores = {
            id: RedisStore(
                address=where,
                reactor=reactor,
                random=Random(1),
                ttl_seconds=3600,
                timeout=20.0,
                instance=id,
            )
            for id in IDS
        }
        self.registries = {id: Registry(store) for id, store in self.stores.items()}

    async def until_up(self) -> None:
        until = reactor.seconds() + 30
        while not all(store.up for store in self.stores.values()):
            assert reactor.seconds() < until
            await deferLater(reactor, 0.02)

    async def call(self, *words: str) -> Any:
        """Ask the server something else."""
        return await self.stores["a"].ask(lambda connection: connection.call(*words))

    def close(self) -> None:
        for store in self.stores.values():
            store.close()
        self.server.kill()
        self.server.wait()


@pytest_twisted.async_yield_fixture
async def shared(tmp_path: Path) -> AsyncIterator[Shared]:
    """Run a server for a test."""
    found = Shared(tmp_path)
    await found.until_up()
    yield found
    found.close()


def member(id: str, holder: str | None = None) -> Member:
    """Make an instance."""
    return Member(id=id, holder=holder or id, address="127.0.0.1:1")


class Both:
    """The server and the model: each is told the same, and says the same."""

    def __init__(self, shared: Shared, room: str, random: Random) -> None:
        self.world = World(random)
        self.model = Model(self.world, [room])
        self.shared = shared
        self.room = room
        self.epochs = dict.fromkeys(IDS, 0)
        self.positions = dict.fromkeys(IDS, 0)

    async def renew(self, id: str) -> None:
        real = await self.shared.registries[id].renew(lambda host: member(id), LEASE)
        anew, others = self.model.renew(member(id), LEASE)
        assert real.anew == anew
        assert sorted(m.id for m in real.others) == sorted(m.id for m in others)

    async def lapse(self, id: str) -> None:
        await self.shared.call("DEL", f"service:hokm:instances:{id}")
        self.model.quit(id)

    async def quit(self, id: str) -> None:
        await self.shared.registries[id].quit(id, id)
        self.model.quit(id)

    async def claim(self, id: str) -> None:
        said = []
        for claim in (self._claim_real, self._claim_model):
            try:
                said.append(await claim(id))
            except (StoreAway, OwnedElsewhere) as refused:
                said.append((type(refused), getattr(refused, "instance", None)))
        assert said[0] == said[1]
        if isinstance(said[0][0], int):
            self.epochs[id], self.positions[id] = said[0][:2]

    async def _claim_real(self, id: str) -> Any:
        claimed = await self.shared.stores[id].claim(self.room, f"{id}/worker-1")
        assert claimed is not None
        return claimed.epoch, claimed.position, claimed.records

    async def _claim_model(self, id: str) -> Any:
        claimed = self.model.claim(self.room, id)
        return claimed.epoch, claimed.position, claimed.records

    async def commit(self, id: str) -> None:
        if not self.epochs[id]:
            return
        name = b"%s %d" % (id.encode(), self.positions[id])
        entry = Entry(self.room, self.epochs[id], self.positions[id], name)
        real = await self.shared.stores[id].commit([entry])
        assert real == self.model.commit([entry])
        self.positions[id] += 1

    async def release(self, id: str) -> None:
        await self.shared.stores[id].release(self.room, self.epochs[id])
        self.model.release(self.room, self.epochs[id])

    async def locate(self, id: str) -> None:
        real = await self.shared.registries[id].locate(self.room)
        said = self.model.locate(self.room)
        assert (real is None) == (said is None)
        if real is not None and said is not None:
            assert (real.id, real.epoch, real.member) == (said.id, said.epoch, said.member)
            assert said.member is None or LEASE - 60 < real.left_s <= LEASE

    async def give_up(self, id: str) -> None:
        await self.shared.registries[id].give_up(self.room, self.epochs[id])
        self.model.release(self.room, self.epochs[id])


@pytest_twisted.ensureDeferred
async def test_the_model_is_true(shared: Shared) -> None:
    """A thousand random calls of three instances are answered alike."""
    random = Random(6)
    for number in range(25):
        room = f"ROOM{number:04}"
        assert await shared.stores["a"].create(room, b"")
        for id in IDS:
            await shared.call("DEL", f"service:hokm:instances:{id}")
        both = Both(shared, room, random)
        calls = [both.renew, both.claim, both.commit, both.commit, both.locate, both.claim]
        calls += [both.lapse, both.quit, both.release, both.give_up]
        for _ in range(40):
            await random.choice(calls)(random.choice(IDS))


@pytest_twisted.ensureDeferred
async def test_an_id_has_one_holder(shared: Shared) -> None:
    """Another one is refused while the lease lives, and told for how long it may be."""
    registry = shared.registries["a"]
    await registry.renew(lambda host: member("a", "first"), 5.0)
    with pytest.raises(IdTaken) as taken:
        await registry.renew(lambda host: member("a", "second"), 5.0)
    assert 0 < taken.value.left_s <= 5.0
    await registry.quit("a", "second")
    again = await registry.renew(lambda host: member("a", "first"), 0.2)
    assert not again.anew
    await deferLater(reactor, 0.3)
    assert (await registry.renew(lambda host: member("a", "second"), 0.5)).anew


@pytest_twisted.ensureDeferred
async def test_the_address_by_which_the_store_is_reached(shared: Shared) -> None:
    """It is told to who describes the instance."""
    hosts: list[str] = []

    def describe(host: str) -> Member:
        hosts.append(host)
        return member("a")

    await shared.registries["a"].renew(describe, LEASE)
    assert hosts == ["127.0.0.1"]
