# mypy: disallow-untyped-decorators=False
"""A connection that moves between owners: the hard cases of a planned move, on real sockets."""

from __future__ import annotations

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.task import deferLater

from hokm.connection import Unrestorable, ping_frame, text_frame
from hokm.connection.site import MAX_BUFFERED
from hokm.control.stream import Trust
from tests.movable import HEAD, Movable, make_site, reactor, until
from tests.rawsocket import frame

TEXT, PART, MORE, LAST = 0x81, 0x01, 0x00, 0x80
PING, PONG = 0x89, 0x8A
SHORT, LONG = b"hello", b"l" * 300  # the second one's length has 16 bits


# --- in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "cut", "local"),
    [
        *((SHORT, cut, False) for cut in range(len(frame(TEXT, SHORT)) + 1)),
        *((LONG, cut, False) for cut in (1, 2, 3, 4, 5, 7, 8, 9, 150, 307)),
        *((payload, cut, True) for payload, cut in ((SHORT, 1), (SHORT, 8), (LONG, 3), (LONG, 99))),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_frame_cut_anywhere(payload: bytes, cut: int, local: bool) -> None:
    """A message whose frame is read in part by each owner arrives once, whole, and in order."""
    with Movable(local=local) as it:
        await it.open()
        first, second = frame(TEXT, b"before"), frame(TEXT, payload)
        it.client.send(first + second[:cut])
        await it.has_read(len(HEAD + first) + cut)
        whole = len(HEAD + first) + (cut if cut == len(second) else 0)
        assert it.taken == whole
        it.move()
        assert it.taken == whole
        it.client.send(second[cut:] + frame(TEXT, b"after"))
        await until(lambda: b"after" in it.texts)
        assert it.texts == [b"before", payload, b"after"]
        assert it.taken == len(HEAD + first + second + frame(TEXT, b"after"))
        await it.flows()


@pytest_twisted.ensureDeferred
async def test_a_frame_that_moves_at_every_byte() -> None:
    """As many owners as bytes still hear one message."""
    with Movable() as it:
        await it.open()
        whole = frame(TEXT, SHORT)
        for place in range(len(whole)):
            it.client.send(whole[place : place + 1])
            await it.has_read(len(HEAD) + place + 1)
            it.move()
        assert it.texts == [SHORT]
        await it.flows()


@pytest.mark.parametrize("local", [False, True])
@pytest_twisted.ensureDeferred
async def test_fragments_and_a_ping_between_them(local: bool) -> None:
    """Moved after each part: one message is heard, and the ping is answered once."""
    with Movable(local=local) as it:
        await it.open()
        parts = [
            frame(PART, b"one "),
            frame(PING, b"there?"),
            frame(MORE, b"two "),
            frame(LAST, b"three"),
        ]
        sent = len(HEAD)
        for part in parts:
            assert not it.texts
            it.client.send(part)
            sent += len(part)
            await it.has_read(sent)
            it.move()
        assert it.taken == sent
        await it.flows()
        assert it.texts[:-1] == [b"one two three"]
        assert it.client.frames().count((PONG, b"there?")) == 1


@pytest_twisted.ensureDeferred
async def test_a_fragment_is_not_taken_before_its_message_is() -> None:
    """The ledger does not count an open message's fragments, wherever they were read."""
    with Movable() as it:
        await it.open()
        part, last = frame(PART, b"one "), frame(LAST, b"two")
        it.client.send(part)
        await it.has_read(len(HEAD + part))
        it.move()
        assert it.taken == len(HEAD)
        it.client.send(last)
        await until(lambda: it.texts == [b"one two"])
        assert it.taken == len(HEAD + part + last)


@pytest_twisted.ensureDeferred
async def test_what_comes_while_nobody_reads() -> None:
    """What the client sends between two owners is the new one's."""
    with Movable() as it:
        await it.open()
        record = it.pack()
        it.client.send(frame(TEXT, b"first"))
        new = it.unpack(record)
        it.client.send(frame(TEXT, b"second"))
        it.go_on(new)
        await until(lambda: len(it.texts) == 2)
        assert [player.texts for player in it.players] == [[], [b"first", b"second"]]


@pytest.mark.parametrize("abort", [False, True])
@pytest_twisted.ensureDeferred
async def test_what_was_polled_before_the_freeze(abort: bool) -> None:
    """Bytes that the reactor brings to a frozen connection are held, and delivered by the owner."""
    with Movable() as it:
        await it.open()
        assert it.connection.freeze()
        it.connection.dataReceived(frame(TEXT, b"late") + frame(TEXT, b"cut")[:4])
        assert not it.texts
        record = it.connection.export()
        if abort:
            it.connection.thaw()
        else:
            it.go_on(it.unpack(record))
        assert it.players[-1].texts == [b"late"]
        assert it.taken == len(HEAD) + len(frame(TEXT, b"late"))


# --- out --------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_reader_that_stalls(local: bool) -> None:
    """What waits for a client moves with it, twice, and comes in order, nothing lost or doubled."""
    with Movable(small=True, local=local) as it:
        await it.open()
        told: list[bytes] = []

        def tell(count: int) -> None:
            for _ in range(count):
                told.append(b"%06d" % len(told) + b"." * 1000)
                it.connection.send(text_frame(told[-1]))

        tell(100)
        assert len(it.move().unsent) > 50_000
        tell(50)
        assert it.connection.freeze()
        tell(1)
        record = it.connection.export()
        it.client.read()
        await deferLater(reactor, 0.02)  # there is room now, and nobody who may write
        it.go_on(it.unpack(record))
        tell(50)
        assert 100_000 < it.connection.buffered < MAX_BUFFERED
        await until(lambda: len(it.client.texts()) == len(told))
        assert it.client.texts() == told
        await it.flows()


@pytest.mark.parametrize("abort", [False, True])
@pytest_twisted.ensureDeferred
async def test_what_a_frozen_connection_is_told(abort: bool) -> None:
    """Messages and pings wait for the thaw and come in order; the new owner's come after them."""
    with Movable() as it:
        await it.open()
        assert it.connection.freeze()
        it.connection.send(text_frame(b"one"))
        it.connection.ping(b"two")
        it.connection.send(text_frame(b"three"))
        it.client.send(frame(PING, b"waits, too"))
        await deferLater(reactor, 0)
        assert not it.client.frames()
        if abort:
            it.connection.thaw()
        else:
            new = it.unpack(it.connection.export())
            new.send(text_frame(b"four"))
            it.go_on(new)
        it.connection.send(text_frame(b"five"))
        expected = [(TEXT, b"one"), (PING, b"two"), (TEXT, b"three")]
        expected += [] if abort else [(TEXT, b"four")]
        expected += [(TEXT, b"five"), (PONG, b"waits, too")]
        await until(lambda: len(it.client.frames()) == len(expected))
        assert it.client.frames() == expected


@pytest_twisted.ensureDeferred
async def test_a_freeze_writes_what_the_kernel_takes() -> None:
    """What was told before it does not wait for the next owner, and a kill cannot cut it."""
    with Movable() as it:
        await it.open()
        it.connection.write(ping_frame(b"one"))
        it.connection.write(ping_frame(b"two"))  # Autobahn's writes wait for the end of the turn
        assert not it.pack().unsent
        await until(lambda: it.client.frames() == [(PING, b"one"), (PING, b"two")])
        assert it.kill() is Trust.WHOLE


@pytest_twisted.ensureDeferred
async def test_a_ping_and_its_answer_have_different_owners() -> None:
    """The pong to the old owner's ping is heard by the new one's player."""
    with Movable() as it:
        await it.open()
        it.connection.ping(b"proof")
        await until(it.client.frames)
        it.move()
        it.client.send(frame(PONG, b"proof"))
        await until(lambda: it.pongs)
        assert [player.pongs for player in it.players] == [[], [b"proof"]]


# --- staying ----------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_move_that_is_given_up() -> None:
    """The old owner thaws: nothing that came, waited or was cut meanwhile is lost."""
    with Movable(small=True) as it:
        await it.open()
        told = [b"%06d" % number + b"." * 1000 for number in range(50)]
        for text in told:
            it.connection.send(text_frame(text))
        whole = frame(TEXT, SHORT)
        it.client.send(whole[:7])
        await it.has_read(len(HEAD) + 7)
        it.unpack(it.pack()).let_go()
        it.client.send(whole[7:])
        it.connection.thaw()
        await until(lambda: it.texts and len(it.client.texts()) == len(told))
        assert it.texts == [SHORT]
        assert it.client.texts() == told
        await it.flows()


@pytest.mark.parametrize("origin", ["https://cards.example", None])
@pytest_twisted.ensureDeferred
async def test_an_owner_who_would_answer_otherwise(origin: str | None) -> None:
    """Another subprotocol, or an origin not allowed any more: the old one goes on."""
    with Movable() as it:
        if origin is None:
            await it.open()
            other = make_site(subprotocol="hokm.v2")
        else:
            await it.open(HEAD[:-2] + f"Origin: {origin}\r\n\r\n".encode())
            other = make_site(allowed_origins=["https://other.example"])
        record = it.pack()
        with pytest.raises(Unrestorable):
            it.unpack(record, other)
        it.connection.thaw()
        await it.flows()
        assert it.client.answers == 1
        assert not it.players[-1].texts


@pytest_twisted.ensureDeferred
async def test_compression_is_refused() -> None:
    """An offer of permessage-deflate is not taken: its window could not move."""
    with Movable() as it:
        await it.open(HEAD[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        assert b"sec-websocket-extensions" not in it.connection.answer.lower()
        assert b"sec-websocket-protocol: hokm.v1" in it.connection.answer.lower()
        it.move()
        await it.flows()
