# mypy: disallow-untyped-decorators=False
"""The service manager over a real notify socket, and what its store brings back."""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher

from hokm.control.stream import cookie
from hokm.supervisor.systemd import MESSAGE_DESCRIPTORS, RETRY_SECONDS, WAITING, ServiceManager
from tests.descriptors import open_files, until_as_before
from tests.fakesystemd import FakeManager

SECONDS = 10.0  # for what takes milliseconds
START_SECONDS = 30.0

# What every child begins with; `found` are the descriptors that it was passed.
CHILD = """
import json, os, socket, sys
from pathlib import Path
import twisted.internet.endpoints
from twisted.internet import reactor, task
from hokm.control.stream import cookie
from hokm.supervisor.inherited import inherited, take_over, without_inherited
from hokm.supervisor.systemd import ServiceManager
manager = ServiceManager.find(os.environ, os.getpid(), reactor)
found = take_over(inherited(Path("/proc/self/environ").read_bytes(), os.getpid()))
"""

LIST = (
    CHILD
    + """
assert "LISTEN_PID" not in os.environ, "Twisted has become better: see hokm.supervisor.inherited"
print(json.dumps([[one.name, cookie(socket.socket(fileno=one.fd))] for one in found]))
"""
)

FIRST = (
    CHILD
    + """
listener = socket.create_server(("127.0.0.1", 0))
async def main(reactor):
    manager.ready(f"port {listener.getsockname()[1]}")
    player, _ = listener.accept()
    player.sendall(b"first %d\\n" % os.getpid())
    manager.store("player", [player.fileno()])
    manager.store("listener", [listener.fileno()], poll=False)
    assert await manager.barrier(10)
task.react(main)
"""
)

SECOND = (
    CHILD
    + """
async def main(reactor):
    fds = {one.name: one.fd for one in found}
    listener, player = (socket.socket(fileno=fds[name]) for name in ("listener", "player"))
    manager.remove("player")
    manager.remove("listener")
    manager.ready()
    assert player.recv(100) == b"still there?\\n"
    player.sendall(b"second %d\\n" % os.getpid())
    listener.accept()[0].sendall(b"welcome\\n")
    assert await manager.barrier(10)
task.react(main)
"""
)

# Without Twisted's endpoints, which would take the variables away.
AGAIN = """
import os, sys
from pathlib import Path
from hokm.supervisor.inherited import inherited, without_inherited
print(len(inherited(Path("/proc/self/environ").read_bytes(), os.getpid())), flush=True)
if sys.argv[1] != "done":
    environ = os.environ if sys.argv[1] == "as it is" else without_inherited(os.environ)
    os.execve(sys.executable, [*sys.orig_argv[:-1], "done"], environ)
"""


@pytest_twisted.async_yield_fixture
async def start_manager(tmp_path: Path) -> AsyncIterator[Callable[..., FakeManager]]:
    """Make fakes that end with the test; afterwards no descriptor may be left."""
    await deferLater(reactor, 0)  # what the reactor itself opens is open by then
    before = open_files()
    made: list[FakeManager] = []

    def start(**options: Any) -> FakeManager:
        made.append(FakeManager(tmp_path, **options))
        return made[-1]

    yield start
    for fake in made:
        fake.close()
    await until_as_before(before)


@pytest.fixture
def fake(start_manager: Callable[..., FakeManager]) -> FakeManager:
    """A service manager with the usual settings."""
    return start_manager()


def find(fake: FakeManager, clock: Any = reactor) -> ServiceManager:
    """Return the fake as the program sees it."""
    manager = ServiceManager.find(fake.environ, os.getpid(), clock)
    assert manager is not None
    return manager


@pytest.fixture
def sockets() -> Iterator[Callable[[int], list[socket.socket]]]:
    """Make sockets that end with the test; each is one end of a pair, the other end follows."""
    made: list[socket.socket] = []

    def make(pairs: int) -> list[socket.socket]:
        new = [sock for _ in range(pairs) for sock in socket.socketpair()]
        for sock in new:
            sock.settimeout(SECONDS)
        made.extend(new)
        return new

    yield make
    for sock in made:
        sock.close()


def restarted(fake: FakeManager, log: Path) -> list[tuple[str, int]]:
    """Start a program; return name and cookie of each descriptor, in the order it got them."""
    log.unlink(missing_ok=True)
    assert fake.start([sys.executable, "-c", LIST], log=log).wait(START_SECONDS) == 0, (
        log.read_text()
    )
    return [(name, number) for name, number in json.loads(log.read_text())]


def errors_of(work: Callable[[], object]) -> list[Any]:
    """Return what is logged while *work* is done."""
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        work()
    finally:
        globalLogPublisher.removeObserver(heard.append)
    return heard


# --- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_how_the_program_is(
    start_manager: Callable[..., FakeManager], abstract: bool
) -> None:
    """Each message has the fields that sd_notify(3) names, and arrives in its turn."""
    fake = start_manager(abstract=abstract)
    manager = find(fake)
    manager.ready()
    manager.ready("2 workers")
    manager.status("20 tables")
    before = time.monotonic_ns() // 1000
    manager.reloading()
    after = time.monotonic_ns() // 1000
    manager.watchdog()
    manager.stopping()
    fake.wait_for("STOPPING=1", SECONDS)
    told = fake.messages
    assert told[:3] == ["READY=1", "READY=1\nSTATUS=2 workers", "STATUS=20 tables"]
    assert told[4:] == ["WATCHDOG=1", "STOPPING=1"]
    reloading, _, since = told[3].partition("\nMONOTONIC_USEC=")
    assert reloading == "RELOADING=1"
    assert before <= int(since) <= after


def test_the_watchdogs_time_is_that_of_the_unit(start_manager: Callable[..., FakeManager]) -> None:
    """A program that is started learns it, under its own pid."""
    fake = start_manager(watchdog_seconds=1.5)
    program = CHILD + "manager.status(str(manager.watchdog_seconds))"
    fake.start([sys.executable, "-c", program])
    fake.wait_for("STATUS=1.5", START_SECONDS)


def test_only_the_main_process_is_heard(fake: FakeManager) -> None:
    """What another one says changes nothing, as with ``NotifyAccess=main``."""
    fake.start([sys.executable, "-c", CHILD + "manager.ready()"])
    find(fake).stopping()
    fake.wait_for("READY=1", START_SECONDS)
    assert fake.messages == ["READY=1"]
    assert len(fake.refused) == 1


def test_nobody_listening_is_logged_once(fake: FakeManager) -> None:
    """The program goes on."""
    manager = find(fake)
    Path(fake.environ["NOTIFY_SOCKET"]).unlink()

    def tell() -> None:
        for _ in range(3):
            manager.watchdog()

    assert len(errors_of(tell)) == 1


def test_a_program_out_of_descriptors_is_alive(fake: FakeManager) -> None:
    """The watchdog is told all the same."""
    manager = find(fake)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.pipe()
        manager.watchdog()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    fake.wait_for("WATCHDOG=1", SECONDS)


# --- when systemd does not read -------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_what_systemd_has_no_room_for_waits(
    fake: FakeManager,
    sockets: Callable[[int], list[socket.socket]],
    tmp_path: Path,
) -> None:
    """All arrives in order, and a descriptor that was closed meanwhile is still the one meant."""
    manager = find(fake)
    numbers = [str(number) for number in range(WAITING // 2)]
    ends = sockets(1)
    right, fd = cookie(ends[0]), ends[0].fileno()
    with fake.stalled():
        for number in numbers:
            manager.status(number)
        manager.store("player", [fd])
        other = sockets(1)[0]
        os.dup2(other.fileno(), fd)
        assert cookie(socket.socket(fileno=os.dup(fd))) != right
    assert await manager.barrier(SECONDS)
    assert fake.messages == [
        *(f"STATUS={number}" for number in numbers),
        "FDSTORE=1\nFDNAME=player",
    ]
    assert restarted(fake, tmp_path / "log") == [("player", right)]


def test_too_much_is_given_up(fake: FakeManager) -> None:
    """What waits is bounded, and the loss is logged once."""
    clock = Clock()
    manager = find(fake, clock)
    most = WAITING + int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 1

    def tell() -> None:
        for number in range(most + 10):
            manager.status(str(number))

    def let_go() -> None:
        until = time.monotonic() + SECONDS
        while clock.getDelayedCalls():
            assert time.monotonic() < until
            clock.advance(RETRY_SECONDS)

    with fake.stalled():
        assert len(errors_of(tell)) == 1
    let_go()
    manager.watchdog()
    let_go()
    fake.wait_for("WATCHDOG=1", SECONDS)
    told = [int(text.removeprefix("STATUS=")) for text in fake.messages[:-1]]
    assert told == list(range(len(told)))
    assert WAITING <= len(told) <= most


@pytest_twisted.ensureDeferred
async def test_the_barrier_waits_for_systemd(fake: FakeManager) -> None:
    """It is not passed before everything was read, and the reactor works on meanwhile."""
    manager = find(fake)
    passed: list[object] = []
    with fake.stalled():
        manager.stopping()
        waiting = Deferred.fromCoroutine(manager.barrier(SECONDS))
        waiting.addCallback(passed.append)
        await deferLater(reactor, 5 * RETRY_SECONDS)
        assert passed == []
    await waiting
    assert passed == [True]
    assert fake.messages == ["STOPPING=1"]


@pytest_twisted.ensureDeferred
async def test_the_barrier_has_a_timeout(fake: FakeManager) -> None:
    """A systemd that hangs does not keep the program from its end."""
    manager = find(fake)
    with fake.stalled():
        assert not await manager.barrier(0.05)
    assert await manager.barrier(SECONDS)


@pytest_twisted.ensureDeferred
async def test_the_barrier_tells_of_a_loss_before_it(fake: FakeManager) -> None:
    """Its pipe is closed as well when no message can be sent, which is no answer."""
    manager = find(fake)
    manager.store("player", [-1])
    assert not await manager.barrier(SECONDS)
    assert await manager.barrier(SECONDS)
    Path(fake.environ["NOTIFY_SOCKET"]).unlink()
    assert not await manager.barrier(SECONDS)


# --- the descriptor store ---------------------------------------------------------------------


def test_hundreds_of_descriptors_come_back(
    fake: FakeManager, sockets: Callable[[int], list[socket.socket]], tmp_path: Path
) -> None:
    """More than one message can carry, each under its own identity."""
    stored = sockets(150)
    assert len(stored) > MESSAGE_DESCRIPTORS
    find(fake).store("player", [sock.fileno() for sock in stored])
    fake.wait_until_stored(300, SECONDS)
    found = restarted(fake, tmp_path / "log")
    assert sorted(found) == sorted(("player", cookie(sock)) for sock in stored)


def test_the_last_comes_first(
    fake: FakeManager, sockets: Callable[[int], list[socket.socket]], tmp_path: Path
) -> None:
    """The store is no queue: only name and cookie say which descriptor is which."""
    manager = find(fake)
    stored = sockets(2)
    for number, sock in enumerate(stored):
        manager.store(f"player{number}", [sock.fileno()])
    fake.wait_until_stored(4, SECONDS)
    expected = [(f"player{number}", cookie(stored[number])) for number in (3, 2, 1, 0)]
    assert restarted(fake, tmp_path / "log") == expected
    assert restarted(fake, tmp_path / "log") == expected  # the store keeps its copies


def test_a_connection_outlives_two_processes(fake: FakeManager, tmp_path: Path) -> None:
    """The player is answered by the process that stored his connection, then by the next."""
    log = tmp_path / "log"
    first = fake.start([sys.executable, "-c", FIRST], log=log)
    status = fake.wait_for("READY=1", START_SECONDS).partition("STATUS=port ")[2]
    with socket.create_connection(("127.0.0.1", int(status)), SECONDS) as player:
        assert player.recv(100) == b"first %d\n" % first.pid
        assert first.wait(START_SECONDS) == 0, log.read_text()
        assert fake.stored == ["listener", "player"]
        player.sendall(b"still there?\n")
        second = fake.start([sys.executable, "-c", SECOND], log=log)
        with socket.create_connection(("127.0.0.1", int(status)), SECONDS) as another:
            fake.wait_for("READY=1", START_SECONDS)
            player.settimeout(SECONDS)
            assert player.recv(100) == b"second %d\n" % second.pid
            another.settimeout(SECONDS)
            assert another.recv(100) == b"welcome\n"
        assert second.wait(START_SECONDS) == 0, log.read_text()
        assert player.recv(100) == b""  # no copy is left anywhere
    assert fake.stored == []


def test_what_exceeds_the_limit_is_closed(
    start_manager: Callable[..., FakeManager], sockets: Callable[[int], list[socket.socket]]
) -> None:
    """Nobody is told, but for the other end of such a connection."""
    fake = start_manager(fdstore_max=3)
    manager = find(fake)
    pairs = [sockets(1) for _ in range(5)]
    manager.store("player", [mine.fileno() for mine, _ in pairs])
    for mine, _ in pairs:
        mine.close()
    fake.wait_until_stored(3, SECONDS)
    assert [theirs.recv(1) for _, theirs in pairs[3:]] == [b"", b""]
    for _, theirs in pairs[:3]:
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    assert fake.environ["FDSTORE"] == "3"


@pytest_twisted.ensureDeferred
async def test_the_same_descriptor_is_stored_once(
    fake: FakeManager, sockets: Callable[[int], list[socket.socket]]
) -> None:
    """A copy is the same; the first name stays."""
    manager = find(fake)
    sock = sockets(1)[0]
    with sock.dup() as copy:
        manager.store("player", [sock.fileno(), copy.fileno()])
        manager.store("another", [copy.fileno()])
        assert await manager.barrier(SECONDS)
    assert fake.stored == ["player"]


def test_removal_closes_the_stores_copy(
    fake: FakeManager, sockets: Callable[[int], list[socket.socket]]
) -> None:
    """All of the name go, and no others."""
    manager = find(fake)
    mine, theirs, *others = sockets(2)
    manager.store("player", [mine.fileno(), others[0].fileno()])
    manager.store("state", [others[1].fileno()])
    fake.wait_until_stored(3, SECONDS)
    mine.close()
    manager.remove("player")
    assert theirs.recv(1) == b""
    assert fake.stored == ["state"]


@pytest_twisted.ensureDeferred
async def test_a_reset_connection_leaves_the_store(fake: FakeManager) -> None:
    """Unless it was stored as one that is to come back in any case; a memfd always stays."""
    manager = find(fake)
    memfd = os.memfd_create("state")
    with socket.create_server(("127.0.0.1", 0)) as server:
        players = [socket.create_connection(server.getsockname()) for _ in range(2)]
        for name in ("watched", "kept"):
            accepted, _ = server.accept()
            with accepted:
                manager.store(name, [accepted.fileno()], poll=name == "watched")
        manager.store("state", [memfd])
        os.close(memfd)
        assert await manager.barrier(SECONDS)
        assert fake.stored == ["state", "kept", "watched"]
        for player in players:
            player.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            player.close()
    fake.wait_until_stored(2, SECONDS)
    assert fake.stored == ["state", "kept"]


@pytest.mark.parametrize(("how", "found"), [("as it is", ["1", "1"]), ("without", ["1", "0"])])
def test_a_process_that_replaces_itself_inherits_nothing(
    fake: FakeManager,
    sockets: Callable[[int], list[socket.socket]],
    tmp_path: Path,
    how: str,
    found: list[str],
) -> None:
    """With the environment as it is, the same pid would make it take what it finds."""
    find(fake).store("player", [sockets(1)[0].fileno()])
    fake.wait_until_stored(1, SECONDS)
    log = tmp_path / "log"
    assert fake.start([sys.executable, "-c", AGAIN, how], log=log).wait(START_SECONDS) == 0
    assert log.read_text().split() == found
