# mypy: disallow-untyped-decorators=False
"""The control channel over real sockets."""

from __future__ import annotations

import array
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from msgspec.msgpack import encode
from twisted.internet import reactor
from twisted.internet.task import deferLater

from hokm.control import messages as m
from hokm.control.channel import INLINE_BYTES, QUEUE_PACKETS, Channel, ChannelFull

SO_COOKIE = 57  # linux/asm-generic/socket.h; the socket module has no name for it


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until *condition* holds; fail after *seconds*."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("did not happen in time")


def cookie(sock: socket.socket) -> int:
    """Return what the kernel numbers the socket with, in every process alike."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")


def descriptors() -> int:
    """Count this process's open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))


class End:
    """A channel's end that notes all it is told."""

    def __init__(self, sock: socket.socket) -> None:
        self.heard: list[tuple[Any, list[int]]] = []
        self.lost: list[object] = []
        self.truncated: list[object] = []
        self.trouble: Exception | None = None
        self.channel: Channel[Any] = Channel(
            reactor=reactor,
            sock=sock,
            decoder=m.TO_WORKER,
            on_message=self._hear,
            on_lost=self.lost.append,
            on_truncated=self.truncated.append,
        )

    def _hear(self, message: Any, fds: list[int]) -> None:
        self.heard.append((message, fds))
        if self.trouble is not None:
            raise self.trouble

    @property
    def messages(self) -> list[Any]:
        return [message for message, _ in self.heard]


@pytest_twisted.async_yield_fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    """Two ends of one channel; afterwards no descriptor may be left."""
    await deferLater(reactor, 0)  # what the reactor itself opens is open by then
    before = descriptors()
    first, second = (End(sock) for sock in Channel.pair())
    yield first, second
    for end in (first, second):
        end.channel.close()
        for _, fds in end.heard:
            for fd in fds:
                os.close(fd)
    assert descriptors() == before


def _connection(number: int, sock: socket.socket) -> m.Connection:
    arrival = m.Arrival(connection=number, cookie=cookie(sock), line=0)
    return m.Connection(room="ABCD", arrival=arrival)


@pytest_twisted.ensureDeferred
async def test_each_socket_arrives_with_its_message(ends: tuple[End, End]) -> None:
    """Of 200 sockets, each closed right after send, each arrives as itself and in order."""
    first, second = ends
    for number in range(200):
        with socket.socket() as sock:
            first.channel.send(_connection(number, sock), [sock.fileno()])
    await until(lambda: len(second.heard) == 200)
    assert [message.arrival.connection for message in second.messages] == list(range(200))
    for message, (fd,) in second.heard:
        assert not os.get_inheritable(fd)
        with socket.socket(fileno=os.dup(fd)) as sock:
            assert cookie(sock) == message.arrival.cookie


@pytest_twisted.ensureDeferred
async def test_queued_sockets_may_be_closed_too(ends: tuple[End, End]) -> None:
    """What waits because the other side does not read keeps its own copy of the socket."""
    first, second = ends
    second.channel.stopReading()
    sent = 0
    while not first.channel._queue or sent % 10:  # until the kernel takes no more
        with socket.socket() as sock:
            first.channel.send(_connection(sent, sock), [sock.fileno()])
        sent += 1
        if not first.channel._queue:
            first.channel.send(m.Configure(worker=1, store="", settings=bytes(40_000)))
    second.channel.startReading()
    connections = lambda: [x for x in second.heard if isinstance(x[0], m.Connection)]  # noqa: E731
    await until(lambda: len(connections()) == sent)
    assert [message.arrival.connection for message, _ in connections()] == list(range(sent))
    for message, (fd,) in connections():
        with socket.socket(fileno=os.dup(fd)) as sock:
            assert cookie(sock) == message.arrival.cookie


@pytest.mark.parametrize("size", [INLINE_BYTES - 100, INLINE_BYTES + 1, 3_000_000])
@pytest_twisted.ensureDeferred
async def test_bodies_of_any_size(ends: tuple[End, End], size: int) -> None:
    """A body too big for a packet arrives through a memfd, before the other descriptors."""
    first, second = ends
    settings = os.urandom(size)
    with socket.socket() as sock:
        number = cookie(sock)
        first.channel.send(m.Configure(worker=1, store="", settings=settings), [sock.fileno()])
    await until(lambda: second.heard)
    message, (fd,) = second.heard[0]
    assert message.settings == settings
    with socket.socket(fileno=os.dup(fd)) as sock:
        assert cookie(sock) == number


@pytest_twisted.ensureDeferred
async def test_a_packet_whose_descriptors_did_not_fit_is_refused(ends: tuple[End, End]) -> None:
    """At the limit of descriptors the one packet is refused and told; the channel lives on."""
    first, second = ends
    before = descriptors()
    with socket.socket() as one, socket.socket() as two:
        first.channel.send(_connection(1, one), [one.fileno(), two.fileno()])
        first.channel.send(m.Ping(n=7))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Room for one of the two: the numbers below the limit are all taken but one.
        highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        fillers = [os.open(os.devnull, os.O_RDONLY)]
        while fillers[-1] < highest:
            fillers.append(os.open(os.devnull, os.O_RDONLY))
        spare = os.open(os.devnull, os.O_RDONLY)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
        os.close(spare)
        try:
            await until(lambda: second.messages == [m.Ping(n=7)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        assert [message.arrival.connection for message in second.truncated] == [1]  # type: ignore[attr-defined]
    assert descriptors() == before
    assert not second.lost


@pytest_twisted.ensureDeferred
async def test_a_failing_receiver_does_not_end_the_channel(ends: tuple[End, End]) -> None:
    """What `on_message` raises concerns that message only."""
    first, second = ends
    second.trouble = RuntimeError("of one message")
    first.channel.send(m.Ping(n=1))
    first.channel.send(m.Ping(n=2))
    await until(lambda: len(second.heard) == 2)
    assert not second.lost


@pytest.mark.parametrize("packet", [b"\0\xc1", b"\1", b"\0", b"\0\x81\xa4type\xa5Other"])
@pytest_twisted.ensureDeferred
async def test_an_unreadable_packet_is_passed_over(packet: bytes) -> None:
    """Bytes that are no message, and their descriptors, are dropped; the next message comes."""
    before = descriptors()
    ours, theirs = Channel.pair()
    end = End(theirs)
    with socket.socket() as sock, ours:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))
        ours.sendmsg([packet], [rights] if packet != b"\1" else [])
        ours.send(b"\0" + encode(m.Ping(n=5)))
        await until(lambda: end.heard)
    assert end.messages == [m.Ping(n=5)]
    end.channel.close()
    assert descriptors() == before


@pytest_twisted.ensureDeferred
async def test_the_end_is_told_once_after_the_last_message(ends: tuple[End, End]) -> None:
    """All that was sent before the other side closed still arrives; then `on_lost`, once."""
    first, second = ends
    for n in range(100):
        first.channel.send(m.Ping(n=n))
    second.channel.send(m.Ping(n=0))  # unread at the close: the kernel reports a reset first
    first.channel.close()
    await until(lambda: second.lost)
    assert [message.n for message in second.messages] == list(range(100))
    second.channel.send(m.Ping(n=1))
    second.channel.close()
    assert len(second.lost) == 1
    assert not first.lost


@pytest_twisted.ensureDeferred
async def test_sending_to_one_who_is_gone_is_no_error(ends: tuple[End, End]) -> None:
    """A send between the other side's end and its being noticed does nothing."""
    first, second = ends
    first.channel.close()
    second.channel.send(m.Ping(n=1))
    await until(lambda: second.lost)


@pytest_twisted.ensureDeferred
async def test_the_queue_is_bounded(ends: tuple[End, End]) -> None:
    """With nobody reading, the queue ends in ChannelFull; all that was queued still arrives."""
    first, second = ends
    second.channel.stopReading()
    sent = 0
    with pytest.raises(ChannelFull):
        while True:
            first.channel.send(m.Ping(n=sent))
            sent += 1
    assert sent > QUEUE_PACKETS
    second.channel.startReading()
    await until(lambda: len(second.heard) == sent, 30)
    assert [message.n for message in second.messages] == list(range(sent))
