"""The store against a real server: what is committed stays, once, under one owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm.store.embedded import EmbeddedServer, StateDir, StateDirError
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, StoreAway, Verdict
from hokm.store.visits import KEPT_DAYS, Visits

reactor: Any = installed
DONE, LOST, GAP = Verdict.DONE, Verdict.LOST, Verdict.GAP
TIMEOUT = 20.0
SHORT_TIMEOUT = 0.5
KILLS = int(os.environ.get("HOKM_STORE_KILLS", "5"))  # 50 were tried


class Running:
    """An embedded server and a store on it."""

    def __init__(self, directory: Path) -> None:
        self.state = StateDir(directory)
        self.server = EmbeddedServer(state=self.state, reactor=reactor)
        self.store = self.another()

    def another(self, timeout: float = TIMEOUT) -> RedisStore:
        """Make another client of the same server."""
        return RedisStore(
            address=self.server.address,
            reactor=reactor,
            random=Random(1),
            ttl_seconds=3600,
            timeout=timeout,
        )

    async def start(self) -> None:
        await self.server.start(lambda: self.store.up)

    async def until_up(self) -> None:
        """Wait until the store answers again."""
        until = reactor.seconds() + 60
        while True:
            try:
                await self.store.commit([])
                return
            except StoreAway:
                assert reactor.seconds() < until
                await deferLater(reactor, 0.02)

    async def raw(self, *command: str | int) -> Any:
        """Send the server any command."""
        connection = self.store._factory.connection
        assert connection is not None
        return await connection.call(*command)

    async def stop(self) -> None:
        self.store.close()
        await self.server.stop()
        self.state.close()


@pytest_twisted.async_yield_fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """Run a server for one test."""
    one = Running(tmp_path / "state")
    await one.start()
    yield one
    await one.stop()


def entry(room: str, epoch: int, position: int, **fields: Any) -> Entry:
    return Entry(
        room=room,
        epoch=epoch,
        position=position,
        record=fields.pop("record", f"record {position}".encode()),
        **fields,
    )


async def opened(store: RedisStore, room: str = "ROOM2345") -> int:
    """Make and claim a room; returns the epoch."""
    assert await store.create(room, b"snapshot 0")
    claimed = await store.claim(room, "test")
    assert claimed is not None
    return claimed.epoch


@pytest_twisted.ensureDeferred
async def test_a_room_is_made_once(running: Running) -> None:
    """A code is given once; a room that was never made cannot be claimed."""
    store = running.store
    assert await store.create("ROOM2345", b"one")
    assert not await store.create("ROOM2345", b"two")
    assert await store.claim("NONE2345", "test") is None
    assert await store.hands("NONE2345") is None
    assert await store.hands("ROOM2345") == []
    claimed = await store.claim("ROOM2345", "test")
    assert claimed is not None
    assert (claimed.position, claimed.snapshot, claimed.records) == (0, b"one", ())


@pytest_twisted.ensureDeferred
async def test_log_snapshot_and_hands(running: Running) -> None:
    """A claim reads the last snapshot and the records after it; hands are kept for good."""
    store = running.store
    epoch = await opened(store)
    for position in range(3):
        assert await store.commit([entry("ROOM2345", epoch, position)]) == [DONE]
    with_snapshot = entry("ROOM2345", epoch, 3, snapshot=b"snapshot 4", hands=(b"hand 1",))
    assert await store.commit([with_snapshot, entry("ROOM2345", epoch, 4)]) == [DONE, DONE]
    claimed = await store.claim("ROOM2345", "other")
    assert claimed is not None
    assert (claimed.position, claimed.snapshot) == (5, b"snapshot 4")
    assert claimed.records == (b"record 4",)
    assert claimed.epoch > epoch
    assert await store.hands("ROOM2345") == [b"hand 1"]


@pytest_twisted.ensureDeferred
async def test_to_read_is_not_to_own(running: Running) -> None:
    """It finds what a claim finds, under the epoch of the owner, who goes on writing."""
    store = running.store
    assert await store.read("ROOM2345") is None
    assert await store.create("ROOM2345", b"snapshot 0")
    unclaimed = await store.read("ROOM2345")
    assert unclaimed is not None and unclaimed.records == ()
    first = await store.claim("ROOM2345", "worker-1")
    assert first is not None and first.epoch > unclaimed.epoch
    assert await store.commit([entry("ROOM2345", first.epoch, 0)]) == [DONE]
    owner = await running.raw("HGETALL", "hokm:{ROOM2345}:owner")
    for _ in range(2):
        read = await store.read("ROOM2345")
        assert read is not None
        assert (read.epoch, read.position) == (first.epoch, 1)
        assert (read.snapshot, read.records) == (b"snapshot 0", (b"record 0",))
    assert await running.raw("HGETALL", "hokm:{ROOM2345}:owner") == owner
    assert await store.commit([entry("ROOM2345", first.epoch, 1)]) == [DONE]


@pytest_twisted.ensureDeferred
async def test_a_repeated_entry_is_stored_once(running: Running) -> None:
    """What is sent again after a lost answer changes nothing, its hands neither."""
    store = running.store
    epoch = await opened(store)
    once = entry("ROOM2345", epoch, 0, hands=(b"hand",))
    for _ in range(3):
        assert await store.commit([once]) == [DONE]
    claimed = await store.claim("ROOM2345", "test")
    assert claimed is not None
    assert claimed.records == (b"record 0",)
    assert await store.hands("ROOM2345") == [b"hand"]


@pytest_twisted.ensureDeferred
async def test_an_old_owner_writes_nothing(running: Running) -> None:
    """After another claim the old epoch is refused; other rooms of the call are not affected."""
    store = running.store
    old = await opened(store)
    other = await opened(store, "OTHER234")
    claimed = await store.claim("ROOM2345", "new owner")
    assert claimed is not None
    verdicts = await store.commit([entry("ROOM2345", old, 0), entry("OTHER234", other, 0)])
    assert verdicts == [LOST, DONE]
    assert await store.commit([entry("ROOM2345", old, 0, snapshot=b"mine")]) == [LOST]
    again = await store.claim("ROOM2345", "new owner")
    assert again is not None
    assert (again.snapshot, again.records) == (b"snapshot 0", ())


@pytest_twisted.ensureDeferred
async def test_a_gap_is_told_and_mended(running: Running) -> None:
    """A store that lost the end of a log says so, and takes a snapshot in its stead."""
    store = running.store
    epoch = await opened(store)
    assert await store.commit([entry("ROOM2345", epoch, 5)]) == [GAP]
    assert await store.commit([entry("ROOM2345", epoch, 5, snapshot=b"snapshot 6")]) == [DONE]
    await running.raw("FLUSHALL")
    assert await store.commit([entry("ROOM2345", epoch, 6)]) == [GAP]
    assert await store.commit([entry("ROOM2345", epoch, 6, snapshot=b"snapshot 7")]) == [DONE]
    claimed = await store.claim("ROOM2345", "test")
    assert claimed is not None
    assert (claimed.position, claimed.snapshot) == (7, b"snapshot 7")
    assert claimed.epoch > epoch


@pytest_twisted.ensureDeferred
async def test_a_forgotten_script_is_told_again(running: Running) -> None:
    """SCRIPT FLUSH, or a server that is new, costs nothing but a second call."""
    epoch = await opened(running.store)
    assert await running.store.commit([entry("ROOM2345", epoch, 0)]) == [DONE]
    await running.raw("SCRIPT", "FLUSH")
    assert await running.store.commit([entry("ROOM2345", epoch, 1)]) == [DONE]


@pytest_twisted.ensureDeferred
async def test_many_rooms_in_one_call(running: Running) -> None:
    """Five hundred rooms, any bytes, one call."""
    store = running.store
    rooms = [f"ROOM{number:04}" for number in range(500)]
    epochs = [await opened(store, room) for room in rooms]
    record = bytes(range(256)) * 4
    entries = [
        entry(room, epoch, 0, record=record) for room, epoch in zip(rooms, epochs, strict=True)
    ]
    assert await store.commit(entries) == [DONE] * 500
    claimed = await store.claim(rooms[499], "test")
    assert claimed is not None
    assert claimed.records == (record,)


class Writer:
    """Writes one room's log as a worker does: again until it is stored, and whole after a gap."""

    def __init__(self, running: Running, epoch: int) -> None:
        self._running = running
        self._epoch = epoch
        self.written: list[bytes] = []

    async def write(self, kill: bool) -> None:
        """Write one record; *kill* ends the server while it is under way."""
        store, position = self._running.store, len(self.written)
        self.written.append(f"record {position}".encode())
        wanted = entry("ROOM2345", self._epoch, position)
        while True:
            flying = store.commit([wanted])
            if kill:
                assert self._running.server.pid is not None
                os.kill(self._running.server.pid, signal.SIGKILL)
                kill = False
            try:
                [verdict] = await flying
            except StoreAway:
                await self._running.until_up()
                continue
            if verdict is DONE:
                return
            assert verdict is GAP
            wanted = replace(wanted, snapshot=b",".join(self.written))


@pytest_twisted.ensureDeferred
async def test_killed_with_a_commit_under_way(running: Running) -> None:
    """A kill -9 of the server loses nothing that the writer has, and doubles nothing.

    While it writes to the disk the server may answer first (up to 2 s of its file are lost then);
    the gap is told at the next write, and mended by a snapshot.
    """
    epoch = await opened(running.store)
    writer = Writer(running, epoch)
    for number in range(KILLS):
        for _ in range(Random(number).randrange(1, 40)):
            await writer.write(kill=False)
        await writer.write(kill=True)
        await running.until_up()
    await writer.write(kill=False)
    claimed = await running.store.claim("ROOM2345", "test")
    assert claimed is not None
    assert claimed.position == len(writer.written)
    kept = claimed.snapshot.split(b",") if claimed.snapshot != b"snapshot 0" else []
    assert [*kept, *claimed.records] == writer.written


@pytest_twisted.ensureDeferred
async def test_a_server_that_stands_still(running: Running) -> None:
    """Callers hear within the timeout that the store is away, the later ones at once."""
    epoch = await opened(running.store)
    running.store.close()
    running.store = store = running.another(SHORT_TIMEOUT)
    await running.until_up()
    pid = running.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        # Both alarms are of one clock, which keeps their order however late it looks at them.
        later = reactor.callLater(SHORT_TIMEOUT + 1, lambda: None)
        with pytest.raises(StoreAway):
            await store.commit([entry("ROOM2345", epoch, 0)])
        assert later.active()
        later.cancel()
        assert not store.up
        refused = store.commit([entry("ROOM2345", epoch, 0)])
        assert refused.called
        with pytest.raises(StoreAway):
            await refused
    finally:
        os.kill(pid, signal.SIGCONT)
    await running.until_up()
    assert await store.commit([entry("ROOM2345", epoch, 0)]) == [DONE]
    claimed = await store.claim("ROOM2345", "test")
    assert claimed is not None
    assert claimed.records == (b"record 0",)


@pytest_twisted.ensureDeferred
async def test_restart_reads_all(tmp_path: Path) -> None:
    """What was stored is there after the server was stopped and started."""
    first = Running(tmp_path / "state")
    await first.start()
    epoch = await opened(first.store)
    assert await first.store.commit([entry("ROOM2345", epoch, 0)]) == [DONE]
    await first.stop()
    second = Running(tmp_path / "state")
    await second.start()
    claimed = await second.store.claim("ROOM2345", "test")
    await second.stop()
    assert claimed is not None
    assert claimed.records == (b"record 0",)
    assert claimed.epoch > epoch


def test_the_state_directory(tmp_path: Path) -> None:
    """It is nobody else's to read, and one program's at a time."""
    state = StateDir(tmp_path / "deep" / "state")
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o777 == 0o700
    with pytest.raises(StateDirError, match="in use by another hokm"):
        StateDir(tmp_path / "deep" / "state")
    state.close()
    StateDir(tmp_path / "deep" / "state").close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirError, match="is no directory"):
        StateDir(tmp_path / "file")


@pytest_twisted.ensureDeferred
async def test_a_deep_directory(tmp_path: Path) -> None:
    """A path that is too long for a socket (107 bytes) is no hindrance."""
    one = Running(tmp_path / ("d" * 60) / ("e" * 60))
    await one.start()
    assert await one.store.create("ROOM2345", b"x")
    await one.stop()


@pytest.mark.parametrize("folder", ["state", f"{'d' * 60}/{'e' * 60}"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_was_left_behind(tmp_path: Path, folder: str) -> None:
    """A server whose program was killed is ended first: two would spoil the file."""
    program = (
        "import sys, pathlib\n"
        "from twisted.internet import reactor\n"
        "from tests.integration.test_store import Running\n"
        "from hokm.tasks import run\n"
        "one = Running(pathlib.Path(sys.argv[1]))\n"
        "async def main():\n"
        "    await one.start()\n"
        "    await one.store.create('ROOM2345', b'kept')\n"
        "    print(one.server.pid, flush=True)\n"
        "run(main(), 'main')\n"
        "reactor.run()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    orphan = int(child.stdout.readline())
    child.kill()
    child.wait()
    child.stdout.close()
    one = Running(tmp_path / folder)
    await one.start()
    assert one.server.pid != orphan
    assert not Path(f"/proc/{orphan}/cmdline").exists() or not (
        Path(f"/proc/{orphan}/cmdline").read_bytes()
    )
    assert await one.store.claim("ROOM2345", "test") is not None
    await one.stop()


@pytest_twisted.ensureDeferred
async def test_guests_are_counted_by_day(running: Running) -> None:
    """Each once, over days and restarts; no id is kept, and no day for ever."""
    visits = Visits(running.store)
    monday, tuesday = date(2026, 3, 9), date(2026, 3, 10)
    await visits.note(monday, [f"{n:032x}" for n in range(1000)])
    await visits.note(tuesday, [f"{n:032x}" for n in range(500, 1500)])
    await visits.note(tuesday, [f"{n:032x}" for n in range(500, 1500)])
    assert await visits.count([monday]) == pytest.approx(1000, rel=0.03)
    assert await visits.count([monday, tuesday]) == pytest.approx(1500, rel=0.03)
    assert await visits.count([date(2026, 3, 8)]) == 0
    key = "hokm:{guests}:2026-03-10"
    assert 0 < await running.raw("TTL", key) <= KEPT_DAYS * 86_400
    assert f"{700:032x}".encode() not in await running.raw("GET", key)
    await running.server.stop()
    await running.start()
    await running.until_up()
    assert await visits.count([monday, tuesday]) == pytest.approx(1500, rel=0.03)
