# mypy: disallow-untyped-decorators=False
"""Peers that do not read: what may wait for them, in bytes and in seconds, and what follows."""

from __future__ import annotations

import contextlib
import socket

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.task import Clock, deferLater

from hokm.connection import Heartbeat, text_frame
from hokm.connection.heartbeat import STALL_SECONDS
from hokm.connection.site import CLOSE_HANDSHAKE_SECONDS, MAX_BUFFERED
from hokm.wire import TOO_SLOW
from tests.movable import Movable, reactor, until
from tests.rawsocket import frame

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
TURN = [0.125] * 8  # of the wheel
HEAD_BYTES = 4  # of a frame with 126 to 65535 bytes of payload
GOODBYE = TOO_SLOW.to_bytes(2, "big") + b"too slow"


def fill(it: Movable, size: int) -> list[bytes]:
    """Send, in one turn of the reactor, until so many bytes wait; returns the messages."""
    told = []

    def tell(payload: bytes) -> None:
        told.append(payload)
        it.connection.send(text_frame(payload))

    while not it.connection.buffered:
        tell(b"." * 1000)
    while (left := size - it.connection.buffered) > 60_000:
        tell(b"." * 30_000)
    tell(b"." * (left - HEAD_BYTES))
    return told


def widen(it: Movable) -> None:
    """Have the kernel buffer much from now on: whoever is closed has a second to read all."""
    it.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * MAX_BUFFERED)
    it.copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_BUFFERED)


@pytest.mark.parametrize("over", [0, 1])
@pytest_twisted.ensureDeferred
async def test_as_much_as_may_wait_and_a_byte_more(over: int) -> None:
    """With 256 KiB all is well; the byte that is too much closes with 4008, after all the rest."""
    with Movable(small=True) as it:
        await it.open()
        told = fill(it, MAX_BUFFERED + over)
        if not over:
            assert it.connection.buffered == MAX_BUFFERED
        widen(it)
        await until(lambda: len(it.client.frames()) == len(told) + over)
        assert it.client.texts() == told
        if over:
            assert it.client.frames()[-1] == (CLOSE, GOODBYE)
        else:
            await it.flows()


@pytest_twisted.ensureDeferred
async def test_a_close_can_be_answered() -> None:
    """Whoever is closed has a second at least; the code comes before the reset."""
    with Movable() as it:
        await it.open()
        before = reactor.getDelayedCalls()
        it.connection.close(TOO_SLOW)
        [patience] = [call for call in reactor.getDelayedCalls() if call not in before]
        assert patience.getTime() - reactor.seconds() > 0.9


@pytest_twisted.ensureDeferred
async def test_nothing_more_is_kept_for_whom_it_is_too_much() -> None:
    """What he is told afterwards takes no memory, and soon he is dropped."""
    with Movable(small=True) as it:
        await it.open()
        fill(it, MAX_BUFFERED + 1)
        closing = len(frame(CLOSE, GOODBYE, masked=False))
        assert it.connection.buffered == MAX_BUFFERED + 1 + closing
        for _ in range(1000):
            it.connection.send(text_frame(b"." * 1000))
            it.connection.ping(b"?")
        assert it.connection.buffered == MAX_BUFFERED + 1 + closing
        await until(lambda: it.players[0].closed, CLOSE_HANDSHAKE_SECONDS + 10)


@pytest_twisted.ensureDeferred
async def test_answers_to_pings_are_bounded_like_all_the_rest() -> None:
    """Who pings and does not read what comes back is closed with 4008, too."""
    with Movable(small=True) as it:
        await it.open()
        ping, pong = frame(PING, b"p" * 125), frame(PONG, b"p" * 125, masked=False)
        rest = b""
        while it.connection.buffered <= MAX_BUFFERED:
            rest = rest or ping * 500
            with contextlib.suppress(BlockingIOError):
                rest = rest[it.client.sock.send(rest) :]
            await deferLater(reactor, 0)
        bound = MAX_BUFFERED + len(pong) + len(frame(CLOSE, GOODBYE, masked=False))
        assert it.connection.buffered <= bound
        widen(it)
        await until(lambda: it.client.frames()[-1:] == [(CLOSE, GOODBYE)])
        assert {first for first, _ in it.client.frames()[:-1]} == {PONG}


@pytest.mark.parametrize("reads", [False, True])
@pytest_twisted.ensureDeferred
async def test_as_long_as_may_be_waited(reads: bool) -> None:
    """Bytes wait for five seconds from when the wheel sees them; who has read by then may stay."""
    clock = Clock()
    wheel = Heartbeat(clock=clock, interval=60.0, timeout=60.0)
    wheel.start()
    with Movable(small=True) as it:
        await it.open()
        wheel.add(it.connection)
        told = fill(it, 60_000)
        clock.pump(TURN * (1 + int(STALL_SECONDS)))
        assert it.connection.buffered
        if reads:
            await until(lambda: len(it.client.frames()) == len(told))
        clock.pump(TURN)
        await until(lambda: len(it.client.frames()) == len(told) + (not reads))
        if reads:
            clock.pump(TURN * (2 + int(STALL_SECONDS)))
            await it.flows()
        else:
            assert it.client.frames()[-1] == (CLOSE, GOODBYE)
        assert it.client.texts()[: len(told)] == told
        wheel.stop()
