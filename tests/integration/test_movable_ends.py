# mypy: disallow-untyped-decorators=False
"""A connection that moves: how it begins and ends, its clocks, and what many moves leave behind."""

from __future__ import annotations

import gc

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.task import Clock, deferLater

from hokm.connection import Connection, Heartbeat, text_frame
from hokm.connection.heartbeat import STALL_SECONDS
from hokm.wire import NOT_TEXT, TOO_SLOW
from tests.movable import HEAD, Movable, descriptors, make_site, reactor, until
from tests.rawsocket import frame

TEXT, PING, CLOSE = 0x81, 0x89, 0x88
TURN = [0.125] * 8  # of the wheel
INTERVAL, TIMEOUT = 20.0, 10.0
MOVES = 1000


# --- beginning and end ------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 60, len(HEAD) - 3, len(HEAD) - 1])
@pytest_twisted.ensureDeferred
async def test_a_handshake_that_is_not_done(cut: int) -> None:
    """A request that is unread or read in part moves, twice, and is answered once."""
    with Movable() as it:
        it.client.send(HEAD[:cut])
        await it.has_read(cut)
        it.move()
        it.move()
        it.client.send(HEAD[cut:])
        await until(lambda: it.client.answers)
        await it.flows()
        assert it.client.answers == 1
        assert [player.opened for player in it.players] == [0, 0, 1]
        assert it.taken == len(HEAD) + len(frame(TEXT, b"in"))


@pytest.mark.parametrize("ours", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_closing_connection_does_not_move(ours: bool) -> None:
    """Whoever has begun the close, it is not frozen, and ends as it should."""
    with Movable() as it:
        await it.open()
        goodbye = frame(CLOSE, NOT_TEXT.to_bytes(2, "big"))
        if ours:
            it.connection.close(NOT_TEXT)
            assert not it.connection.freeze()
            await until(it.client.frames)
            it.client.send(goodbye)
        else:
            it.client.send(goodbye)
            await it.has_read(len(HEAD + goodbye))
            assert not it.connection.freeze()
        await until(lambda: it.players[0].closed)
        assert it.players[0].closed == [(NOT_TEXT, True)]
        it.copy.close()  # as the supervisor does when it hears of that
        await until(lambda: it.client.read() and it.client.ended)
        assert [first for first, _ in it.client.frames()] == [CLOSE]


@pytest.mark.parametrize(("adopted", "reset"), [(False, False), (True, False), (True, True)])
@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_between_two_owners(adopted: bool, reset: bool) -> None:
    """The new owner's player hears it once, the old one's never."""
    with Movable() as it:
        await it.open()
        record = it.pack()
        if adopted:
            new = it.unpack(record)
            it.client.leave(reset=reset)
        else:
            it.client.leave(reset=reset)
            new = it.unpack(record)
        it.go_on(new)
        await until(lambda: it.players[-1].closed)
        await deferLater(reactor, 0.01)
        assert [len(player.closed) for player in it.players] == [0, 1]


@pytest_twisted.ensureDeferred
async def test_a_socket_that_was_reset_cannot_be_adopted() -> None:
    """The caller hears of it, nothing is left open, and the old owner's player hears the end."""
    with Movable() as it:
        await it.open()
        record = it.pack()
        it.client.leave(reset=True)
        before = descriptors()
        with pytest.raises(OSError, match="not connected"):  # as the kernel has no peer to name
            it.unpack(record)
        assert descriptors() == before
        it.connection.thaw()
        await until(lambda: it.players[0].closed)
        assert [len(player.closed) for player in it.players] == [1]  # and no other was made


@pytest.mark.parametrize("reset", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_before_the_freeze_is_noticed_after_it(reset: bool) -> None:
    """It may freeze or not; if it does and thaws, its player hears the end once."""
    with Movable() as it:
        await it.open()
        it.connection.send(text_frame(b"x"))
        it.client.leave(reset=reset)
        if it.connection.freeze():
            it.connection.thaw()
        await until(lambda: it.players[0].closed)
        assert len(it.players[0].closed) == 1
        assert not it.connection.freeze()


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"\x81\x85\0"], ids=["silent", "in a frame"])
@pytest_twisted.ensureDeferred
async def test_the_silence_of_a_peer_travels(begun: bytes) -> None:
    """Whoever moves once a second and says no word more is found dead all the same, in time."""
    clock = Clock()
    with Movable() as it:
        await it.open()
        it.client.send(begun)
        await it.has_read(len(HEAD + begun))
        wheel = Heartbeat(clock=clock, interval=INTERVAL, timeout=TIMEOUT)
        wheel.start()
        wheel.add(it.connection)
        while not it.players[-1].closed:
            assert clock.seconds() < INTERVAL + TIMEOUT + 3, "nobody noticed"
            clock.pump(TURN)
            await deferLater(reactor, 0)
            if it.connection.freeze():
                wheel = _move_with_wheel(it, wheel, clock)
        assert clock.seconds() > INTERVAL + TIMEOUT
        await until(lambda: it.client.frames())
        assert {first for first, _ in it.client.frames()} == {PING}


@pytest_twisted.ensureDeferred
async def test_the_patience_with_a_peer_that_does_not_read_travels() -> None:
    """Whoever moves all the time and never reads is given up when his time is over."""
    clock = Clock()
    with Movable(small=True) as it:
        await it.open()
        wheel = Heartbeat(clock=clock, interval=INTERVAL, timeout=TIMEOUT)
        wheel.start()
        wheel.add(it.connection)
        it.connection.send(text_frame(b"." * 60_000))
        while it.connection.freeze():
            assert clock.seconds() < STALL_SECONDS + 4, "nobody noticed"
            wheel = _move_with_wheel(it, wheel, clock)
            clock.pump(2 * TURN)  # the wheel sees it at its next turn: that is when it counts from
        assert clock.seconds() > STALL_SECONDS
        await until(lambda: len(it.client.frames()) == 2)
        first, payload = it.client.frames()[-1]
        assert (first, payload[:2]) == (CLOSE, TOO_SLOW.to_bytes(2, "big"))


def _move_with_wheel(it: Movable, wheel: Heartbeat, clock: Clock) -> Heartbeat:
    """Move a frozen connection from one process's wheel to another's."""
    silent_s, stuck_s = wheel.ages(it.connection)
    wheel.remove(it.connection)
    wheel.stop()
    record = it.connection.export(silent_s=silent_s, stuck_s=stuck_s)
    it.go_on(it.unpack(record))
    other = Heartbeat(clock=clock, interval=INTERVAL, timeout=TIMEOUT)
    other.start()
    other.add(it.connection, silent_s=record.silent_s, stuck_s=record.stuck_s)
    return other


# --- many -------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_thousand_moves_leave_nothing_behind() -> None:
    """Four connections between two processes' sites: no descriptor, no old copy is left over."""
    sites = make_site(), make_site()
    company = [Movable(site=sites[1]) for _ in range(4)]
    for it in company:
        await it.open()
    living, opened = _living(), descriptors()  # in this order: it collects garbage
    for move in range(MOVES):
        for it in company:
            it.move(sites[move % 2])
        if move % 100 == 99:
            for it in company:
                await it.flows()
    assert descriptors() == opened
    assert _living() <= living
    for it in company:
        assert it.texts == [b"in"] * (MOVES // 100)
        assert it.client.answers == 1
        it.close()


def _living() -> int:
    """Count the connections that something, a timer perhaps, still refers to."""
    gc.collect()
    return sum(type(thing) is Connection for thing in gc.get_objects())
