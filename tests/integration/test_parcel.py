# mypy: disallow-untyped-decorators=False
"""Many descriptors in two, through the service manager's store and back."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater

from hokm.control.stream import cookie
from hokm.supervisor.parcel import pack, unpack
from hokm.supervisor.systemd import ServiceManager
from tests.descriptors import open_files, until_as_before
from tests.fakesystemd import FakeManager

SECONDS = 30.0

UNPACK = """
import os, socket
from pathlib import Path
from hokm.control.stream import cookie
from hokm.supervisor.inherited import inherited, take_over
from hokm.supervisor.parcel import unpack
found = take_over(inherited(Path("/proc/self/environ").read_bytes(), os.getpid()))
for one in found:
    for fd in unpack(one.fd):
        print(cookie(socket.socket(fileno=fd)))
"""


@pytest_twisted.async_yield_fixture
async def ends() -> AsyncIterator[list[socket.socket]]:
    """Sockets for more than one message; afterwards no descriptor may be left."""
    await deferLater(reactor, 0)  # what the reactor itself opens is open by then
    before = open_files()
    made = [sock for _ in range(300) for sock in socket.socketpair()]
    yield made
    for sock in made:
        sock.close()
    await until_as_before(before)


def numbers(ends: list[socket.socket]) -> list[int]:
    return [sock.fileno() for sock in ends]


def test_a_parcel_comes_back_from_the_store(ends: list[socket.socket], tmp_path: Path) -> None:
    """All of it, in order, in a process that was started after the first one closed everything."""
    log = tmp_path / "log"
    with FakeManager(tmp_path, fdstore_max=2) as fake:
        manager = ServiceManager.find(fake.environ, os.getpid(), Clock())
        assert manager is not None
        parcel = pack(numbers(ends))
        manager.store("players", [sock.fileno() for sock in parcel])
        fake.wait_until_stored(2, SECONDS)
        expected = [cookie(sock) for sock in ends]
        for sock in (*parcel, *ends):
            sock.close()
        assert fake.start([sys.executable, "-c", UNPACK], log=log).wait(SECONDS) == 0
        assert [int(line) for line in log.read_text().split()] == expected
    del manager


def test_what_is_in_a_parcel_is_open(ends: list[socket.socket]) -> None:
    """Its sockets' end is that of what they hold."""
    mine, theirs = ends[:2]
    parcel = pack([mine.fileno()])
    mine.close()
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    for sock in parcel:
        sock.close()
    assert theirs.recv(1) == b""


def test_an_empty_parcel_holds_nothing() -> None:
    """Each of its two sockets says so."""
    assert [unpack(sock.detach()) for sock in pack([])] == [[], []]


def test_what_is_not_open_is_refused(ends: list[socket.socket]) -> None:
    """The caller is told, and nothing stays behind."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        pack([*numbers(ends), 1 << 20])


def test_a_process_without_room_takes_what_it_can(ends: list[socket.socket]) -> None:
    """What was lost is closed, and what was taken is in order."""
    back, front = pack(numbers(ends))
    expected = [cookie(sock) for sock in ends]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (front.fileno() + 400, limits[1]))
    try:
        taken = [socket.socket(fileno=fd) for fd in unpack(front.detach())]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        back.close()
    assert 0 < len(taken) <= len(ends) - 100
    assert [cookie(sock) for sock in taken] == expected[: len(taken)]
    for sock in taken:
        assert not sock.get_inheritable()
        sock.close()
