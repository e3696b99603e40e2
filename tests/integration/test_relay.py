# mypy: disallow-untyped-decorators=False
"""Passing connections on to other instances: a real gate, real sockets, instances of all kinds."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
import pytest_twisted
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.internet import threads
from twisted.internet.task import deferLater

from hokm import origin
from hokm.control import gate as g
from hokm.metrics import Metrics
from hokm.origin import Header
from hokm.supervisor.child import Launch
from hokm.supervisor.gates import Gates
from tests.conftest import Server
from tests.integration.test_matches import FAST, Table
from tests.rawsocket import RawSocket, frame

reactor: Any = installed
SECONDS = 30.0  # for what may have to wait for a gate to start
IN_TIME_SECONDS = 10.0  # for an answer that an instance cannot be reached
REQUEST = b"GET /ws?room_code=ABCD HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
TEXT = frame(0x81, b"{}", masked=False)
GOODBYE = b"\x88\x02\x03\xf4"
PLAYER = "192.0.2.7"


class Instance:
    """A port that accepts what a gate passes on."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.port = socket.create_server((host, 0), family=family)
        self.port.settimeout(SECONDS)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.port.getsockname()[:2]
        return host, port

    async def accept(self) -> socket.socket:
        """Return the next connection."""
        sock, _ = await threads.deferToThread(self.port.accept)
        sock.settimeout(SECONDS)
        return sock


class World:
    """Gates of this process, and an instance."""

    def __init__(self) -> None:
        self.instance = Instance()
        self.gates = Gates(
            reactor=reactor,
            launch=Launch((sys.executable, "-P", "-m", "hokm.gate"), dict(os.environ)),
            begin=g.Begin(
                home=self.instance.address,
                secret=b"",
                pem=None,
                log_format="text",
                log_level="info",
            ),
            listening=None,
            metrics=Metrics(),
        )
        self.open: list[socket.socket] = []

    def relay(self, to: tuple[str, int] | None = None, sent: bytes = REQUEST) -> socket.socket:
        """Let a player come, who is passed on; returns his end."""
        with socket.create_server(("127.0.0.1", 0)) as port:
            theirs = socket.create_connection(port.getsockname(), timeout=SECONDS)
            ours, _ = port.accept()
        ours.setblocking(False)
        theirs.sendall(sent)
        self.open.append(theirs)
        self.gates.relay(ours, origin=PLAYER, to=to or self.instance.address, hops=1)
        return theirs

    async def pair(self) -> tuple[socket.socket, socket.socket]:
        """Let a player come and be accepted; returns both ends, past header and request."""
        player = self.relay()
        instance = await self.instance.accept()
        self.open.append(instance)
        header = origin.read(await read(instance, len(HEADER)))
        assert header == Header(len(HEADER), PLAYER, hops=2)
        assert await read(instance, len(REQUEST)) == REQUEST
        return player, instance


HEADER = origin.write(PLAYER, hops=2)


async def read(sock: socket.socket, size: int | None = None) -> bytes:
    """Read so much; None is until the end of the stream."""

    def blocking() -> bytes:
        data = b""
        while size is None or len(data) < size:
            more = sock.recv(65536 if size is None else size - len(data))
            if not more:
                break
            data += more
        return data

    found: bytes = await threads.deferToThread(blocking)
    return found


@pytest_twisted.async_yield_fixture(scope="module")
async def world() -> AsyncIterator[World]:
    """Have gates for all tests of this module; the first connection starts one."""
    made = World()
    assert made.gates.at_rest and not made.gates.estate()["gates"]
    yield made
    for sock in (*made.open, made.instance.port):
        sock.close()
    made.gates.retire()
    await made.gates.stop(0.5)


@pytest_twisted.ensureDeferred
async def test_instances_by_address_and_name(world: World) -> None:
    """As `advertise` may have them."""
    here, elsewhere = world.instance, Instance("::1")
    port = here.address[1]
    for instance, to in ((elsewhere, elsewhere.address), (here, ("localhost", port))):
        player = world.relay(to)
        sock = await instance.accept()
        assert await read(sock, len(HEADER) + len(REQUEST)) == HEADER + REQUEST
        sock.sendall(ANSWER)
        assert await read(player, len(ANSWER)) == ANSWER
        sock.close()
        assert await read(player) == GOODBYE
        player.close()
    elsewhere.port.close()


@pytest_twisted.ensureDeferred
async def test_all_bytes_pass_both_ways(world: World) -> None:
    """More than any buffer holds, to ends that read slowly; and the end of each direction."""
    player, instance = await world.pair()
    much = os.urandom(1 << 20) * 32  # the kernel's buffers hold some 20 MB
    [gate] = world.gates.estate()["gates"]
    before = psutil.Process(gate.pid).memory_info().rss
    for one, other in ((player, instance), (instance, player)):
        sending = threads.deferToThread(one.sendall, much)
        await deferLater(reactor, 0.3)
        assert not sending.called
        assert await read(other, len(much)) == much
        await sending
    assert psutil.Process(gate.pid).memory_info().rss - before < 8 << 20
    player.shutdown(socket.SHUT_WR)
    assert await read(instance) == b""
    instance.sendall(b"still")
    assert await read(player, 5) == b"still"
    instance.close()
    assert await read(player) == b""


@pytest_twisted.ensureDeferred
async def test_the_player_leaves(world: World) -> None:
    """What he said last arrives; in any way that he goes."""
    for reset in (False, True):
        player, instance = await world.pair()
        player.sendall(b"last")
        assert await read(instance, 4) == b"last"
        if reset:
            linger = b"\1\0\0\0" + bytes(4)
            player.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            player.close()
            assert await read(instance) == b""
        else:
            player.shutdown(socket.SHUT_WR)
            assert await read(instance) == b""
            instance.close()
            assert (await read(player)).startswith(b"HTTP/1.1 503 ")  # it was never answered


BREAKS = [
    (b"", b"HTTP/1.1 503 Service Unavailable\r\n", False),
    (ANSWER[:-1], ANSWER[:-1], True),
    (ANSWER, ANSWER + GOODBYE, True),
    (ANSWER + TEXT, ANSWER + TEXT + GOODBYE, True),
    (ANSWER + TEXT[:-1], ANSWER + TEXT[:-1], True),
    (ANSWER + TEXT + b"\x88\x02\x03\xe8", ANSWER + TEXT + b"\x88\x02\x03\xe8", True),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", True),
]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("sent", "heard", "is_all"), BREAKS)
@pytest_twisted.ensureDeferred
async def test_the_instance_breaks(
    world: World, sent: bytes, heard: bytes, is_all: bool, reset: bool
) -> None:
    """The player is told to come again, where a frame can follow what he has; else it ends."""
    player, instance = await world.pair()
    instance.sendall(sent)
    assert await read(player, len(sent)) == sent
    if reset:
        instance.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
    instance.close()
    player.sendall(b"unread")  # does not turn the end into a reset
    rest = await read(player)
    assert sent + rest == heard if is_all else rest.startswith(heard)
    if not is_all:
        assert b"\r\nRetry-After: 1\r\n" in rest


@pytest_twisted.ensureDeferred
async def test_an_instance_that_cannot_be_reached(world: World) -> None:
    """The player hears so at once where it is refused, and in time where nobody answers."""
    [nobody] = free_ports(1)
    refused = await read(world.relay(("127.0.0.1", nobody)))
    assert refused.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in refused
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # until its queue is full
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        began = time.monotonic()
        silent = await read(world.relay(deaf.getsockname()))
        assert silent.startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - began < IN_TIME_SECONDS
        for filler in fillers:
            filler.close()


@pytest_twisted.ensureDeferred
async def test_an_instance_of_hokm(world: World, start_server: Callable[..., Server]) -> None:
    """A player who is passed on sits at the same table; the instance's end is told to him."""
    server = start_server(workers=1, **FAST)
    table = Table(server.url, 1)
    await table.sit_down()
    with socket.create_server(("127.0.0.1", 0)) as port:
        port.settimeout(SECONDS)

        def come() -> tuple[RawSocket, Any]:
            guest = RawSocket(port.getsockname()[1], table.code)
            guest.send({"type": "join", "id": 1, "name": "Sara", "role": "spectator"})
            return guest, guest.until("welcome")

        coming = threads.deferToThread(come)
        ours, _ = await threads.deferToThread(port.accept)
    ours.setblocking(False)
    world.gates.relay(ours, origin=PLAYER, to=("127.0.0.1", server.port), hops=0)
    guest, welcome = await coming
    assert welcome["room_code"] == table.code
    guest.sock.settimeout(SECONDS)  # the worker that waits for this may just be starting
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    assert (await threads.deferToThread(guest.until, "state"))["type"] == "state"
    for client in table.clients:
        client.end()
    stopping = threads.deferToThread(server.stop)
    assert await threads.deferToThread(guest.until, "none") == 1012
    guest.close()
    await stopping


@pytest_twisted.ensureDeferred
async def test_gates_that_change(world: World) -> None:
    """A fresh one relieves the old one, which ends with its last connection; death is mended."""
    player, instance = await world.pair()
    [old] = world.gates.estate()["gates"]
    assert await world.gates.replace()
    assert [gate.open for gate in world.gates.estate()["gates"]] == [False, True]
    other, its = await world.pair()
    player.sendall(b"through the old one")
    assert await read(instance, 19) == b"through the old one"
    player.close()
    assert await read(instance) == b""
    instance.close()
    end = time.monotonic() + SECONDS
    while len(world.gates.estate()["gates"]) > 1:
        assert time.monotonic() < end
        await deferLater(reactor, 0.05)
    [new] = world.gates.estate()["gates"]
    assert new.pid != old.pid
    os.kill(new.pid, signal.SIGKILL)
    assert await read(its) == b""
    while [gate.pid for gate in world.gates.estate()["gates"]] == [new.pid]:
        await deferLater(reactor, 0.01)  # until its death is noticed
    await world.pair()
    for sock in (other, its):
        sock.close()


@pytest_twisted.ensureDeferred
async def test_who_waits_too_long_for_a_gate(world: World) -> None:
    """He is turned away; so is who comes while the program ends."""
    launch, gates = Launch((sys.executable, "-c", "raise SystemExit(1)"), {}), world.gates
    lame = Gates(
        reactor=reactor, launch=launch, begin=gates._begin, listening=None, metrics=Metrics()
    )
    world.gates = lame
    try:
        waiting = world.relay()
        lame._waiting[0] = (reactor.seconds() - 60, *lame._waiting[0][1:])
        lame.tend()
        assert (await read(waiting)).startswith(b"HTTP/1.1 503 ")
        late = world.relay()
        lame.retire()
        assert (await read(late)).startswith(b"HTTP/1.1 503 ")
        assert (await read(world.relay())).startswith(b"HTTP/1.1 503 ")
        await lame.stop(0.1)
    finally:
        world.gates = gates
