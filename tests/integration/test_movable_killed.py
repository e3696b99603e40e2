# mypy: disallow-untyped-decorators=False
"""A connection whose owner was killed, and controls: what would go wrong if less were done."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from msgspec.structs import replace
from twisted.internet.task import deferLater

from hokm.connection import Record, ping_frame, text_frame
from hokm.control.ledger import SENT
from hokm.control.stream import Counts, Trust, counts
from hokm.transports import NONE
from tests.movable import HEAD, Movable, connect, reactor, until
from tests.rawsocket import frame

TEXT, PART, LAST, PING, PONG, CLOSE = 0x81, 0x01, 0x80, 0x89, 0x8A, 0x88
WHOLE = b"\x81\x85\0\0\0\0hello"  # a text; its mask of zeros leaves the payload as it is
PROTOCOL_ERROR = (1002).to_bytes(2, "big")  # RFC 6455, 7.4.1
BIG = text_frame(b"." * 50_000)

ECHO = """
import os, socket, sys
from twisted.internet import reactor
from hokm.connection import Site, adopt, text_frame
from hokm.control.ledger import Ledger

class Echo:
    def __init__(self, connection):
        self.connection = connection
    def on_open(self):
        pass
    def on_text(self, payload):
        self.connection.send(text_frame(b"%d %s" % (os.getpid(), payload)))

sock, ledger = socket.socket(fileno=int(sys.argv[1])), Ledger(int(sys.argv[2]))
site = Site(reactor=reactor, subprotocol="hokm.v1", max_message=4096)
connection = adopt(sock, site, ledger.line(int(sys.argv[3])), Echo, frozen=True)
if sys.argv[4]:
    connection.recover(bytes.fromhex(sys.argv[4]))
connection.thaw()
reactor.run()
"""

BUSY = """
import socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
for _ in range(20_000):
    sock.send(b"x")
    sock.recv(5)
"""


# --- what is found after a kill -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("come", "expected"),
    [
        (b"", Trust.WHOLE),
        (WHOLE, Trust.WHOLE),
        (WHOLE * 3, Trust.WHOLE),
        (frame(PING, b"?"), Trust.WHOLE),
        (frame(PART, b"a") + frame(PING, b"?") + frame(LAST, b"b"), Trust.WHOLE),
        *((WHOLE + WHOLE[:cut], Trust.HALF_READ) for cut in range(1, len(WHOLE))),
        (frame(PART, b"a"), Trust.HALF_READ),
        (frame(PART, b"a") + frame(PING, b"?"), Trust.HALF_READ),
        (frame(PING, b"?")[:3], Trust.HALF_READ),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
@pytest_twisted.ensureDeferred
async def test_what_was_read(come: bytes, expected: Trust, moved: bool) -> None:
    """Between two messages the streams are whole; in one they are not, wherever it began."""
    with Movable() as it:
        await it.open()
        it.client.send(come)
        await it.has_read(len(HEAD + come))
        if moved:
            it.move()
        await deferLater(reactor, 0)  # what Autobahn answers is written in the next turn
        assert it.kill() is expected


@pytest_twisted.ensureDeferred
async def test_whole_streams_are_gone_on_with() -> None:
    """The next owner, and the one after him, hears and is heard; nobody is answered again."""
    with Movable() as it:
        await it.open()
        for _ in range(3):
            await it.flows()
            assert it.kill() is Trust.WHOLE
            it.recover()
            await it.flows()
            it.move()
        await it.flows()
        assert it.client.answers == 1


@pytest_twisted.ensureDeferred
async def test_what_came_after_the_kill() -> None:
    """What nobody has read yet is the next owner's."""
    with Movable() as it:
        await it.open()
        it.connection.let_go()
        it.client.send(WHOLE + frame(PART, b"a "))
        assert it.judge() is Trust.WHOLE
        it.recover()
        it.client.send(frame(LAST, b"text"))
        await until(lambda: len(it.texts) == 2)
        assert it.texts == [b"hello", b"a text"]


@pytest.mark.parametrize("sent", [0, 30, len(HEAD)])
@pytest_twisted.ensureDeferred
async def test_an_unread_request(sent: int) -> None:
    """A connection from which nobody has read is as good as new."""
    with Movable() as it:
        it.connection.let_go()
        it.client.send(HEAD[:sent])
        assert it.judge() is Trust.UNREAD
        it.connection = it.adopt(frozen=False)
        it.client.send(HEAD[sent:])
        await until(lambda: it.client.answers)
        await it.flows()
        assert it.kill() is Trust.WHOLE


@pytest_twisted.ensureDeferred
async def test_a_request_that_was_read_and_not_answered() -> None:
    """The next owner answers it, once; its line of the ledger is right from then on."""
    with Movable() as it:
        it.client.send(HEAD)
        it.connection._fd = NONE  # so that the answer waits for the end of the turn
        transport: Any = it.connection.transport
        await until(lambda: transport.doRead() or it.connection.answer)
        assert it.line[SENT]  # in this process's buffer
        assert it.kill() is Trust.UNANSWERED
        it.connection = it.adopt()
        it.connection.restore(Record(head=HEAD, answer=b""))
        it.connection.thaw()
        await until(lambda: it.client.answers)
        await it.flows()
        assert it.client.answers == 1
        assert it.kill() is Trust.WHOLE


@pytest_twisted.ensureDeferred
async def test_a_part_of_a_request_was_read() -> None:
    """What is gone with the worker cannot be answered."""
    with Movable() as it:
        it.client.send(HEAD[:50])
        await it.has_read(50)
        assert it.kill() is Trust.CUT


@pytest_twisted.ensureDeferred
async def test_a_frame_cut_on_its_way_out() -> None:
    """Whatever were sent after a part of a frame would be misread."""
    with Movable(small=True) as it:
        await it.open()
        it.connection.send(BIG)
        assert 0 < it.connection.buffered < len(BIG)
        assert it.kill() is Trust.CUT


@pytest_twisted.ensureDeferred
async def test_a_frame_that_was_not_written_at_all() -> None:
    """The last one is missing as a whole: the streams can be gone on with."""
    with Movable() as it:
        await it.open()
        await it.flows()
        it.connection.write(ping_frame(b"never"))  # Autobahn's writes wait for the end of the turn
        assert it.kill() is Trust.WHOLE
        it.recover()
        await it.flows()
        assert it.kill() is Trust.WHOLE
        assert PING not in [first for first, _ in it.client.frames()]


@pytest_twisted.ensureDeferred
async def test_two_frames_that_were_not_written() -> None:
    """The ledger knows where the last send began, not those before it: rather cut than wrong."""
    with Movable() as it:
        await it.open()
        it.connection.write(ping_frame(b"one"))
        it.connection.write(ping_frame(b"two"))
        assert it.kill() is Trust.CUT


@pytest_twisted.ensureDeferred
async def test_a_gate_s_socket_cannot_be_trusted() -> None:
    """Nobody counts the bytes of a socketpair."""
    with Movable(local=True) as it:
        await it.open()
        await it.flows()
        assert counts(it.copy) is None
        assert it.kill() is Trust.CUT


@pytest_twisted.ensureDeferred
async def test_the_end_of_the_client_counts_as_a_byte() -> None:
    """Whoever has left is not taken for whole: the kernel counts a FIN as a byte that was read."""
    with Movable() as it:
        await it.open()
        before = counts(it.copy)
        assert it.connection.freeze()
        it.client.leave()
        assert before is not None
        await until(lambda: counts(it.copy) != before)
        assert counts(it.copy) == Counts(before.read + 1, before.written)
        assert it.kill() is Trust.HALF_READ


@pytest.mark.parametrize(("cut", "expected"), [(0, Trust.WHOLE), (4, Trust.HALF_READ)])
@pytest_twisted.ensureDeferred
async def test_a_process_is_killed(cut: int, expected: Trust) -> None:
    """With real processes and SIGKILL it is as with descriptors that are merely closed."""
    with Movable() as it:
        it.connection.let_go()
        pids = []
        for life in range(3):
            with _serve(it, recover=life > 0) as process:
                pids.append(process.pid)
                it.client.send((HEAD if life == 0 else b"") + WHOLE)
                await until(lambda: len(it.client.texts()) == len(pids), 30)  # it starts
                if life == 2:
                    it.client.send(WHOLE[:cut])
                    await it.has_read(len(HEAD + WHOLE * 3) + cut)
                process.kill()
            assert it.judge() is (expected if life == 2 else Trust.WHOLE)
        assert it.client.texts() == [b"%d hello" % pid for pid in pids]
        assert it.client.answers == 1
        assert not it.client.ended


def _serve(it: Movable, *, recover: bool) -> subprocess.Popen[bytes]:
    """Let another process serve the connection; it echoes, with its pid."""
    fds = it.copy.fileno(), it.ledger.fd
    arguments = [*map(str, fds), str(it.number), HEAD.hex() if recover else ""]
    return subprocess.Popen([sys.executable, "-c", ECHO, *arguments], pass_fds=fds)


def test_counts_hold_while_bytes_move() -> None:
    """What the peer sends and reads meanwhile does not change what we read and wrote."""
    ours, theirs = connect()
    with ours, theirs:
        ours.setblocking(False)
        written = ours.send(bytes(100_000))
        arguments = [sys.executable, "-c", BUSY, str(theirs.fileno())]
        seen = set()
        with subprocess.Popen(arguments, pass_fds=[theirs.fileno()]) as peer:
            while peer.poll() is None:
                seen.add(counts(ours))
        assert not peer.returncode
    assert seen == {Counts(0, written)}


# --- controls: what would go wrong if less were done --------------------------------------------


@pytest_twisted.ensureDeferred
async def test_control_an_orderly_close_of_the_old_copy() -> None:
    """It shuts the socket down for everybody: that is why an owner lets go."""
    with Movable() as it:
        await it.open()
        old, new = it.connection, it.unpack(it.pack())
        old.loseConnection()
        it.connection = new
        new.thaw()
        await until(lambda: it.client.read() and it.client.ended)
        assert it.client.ended == "FIN"


@pytest.mark.parametrize("aborted", [False, True])
@pytest_twisted.ensureDeferred
async def test_control_an_abort_of_the_old_copy(aborted: bool) -> None:
    """The socket lives, but remembers: when the last copy is closed, the client is reset."""
    with Movable() as it:
        await it.open()
        old, new = it.connection, it.unpack(it.pack())
        if aborted:
            old.abortConnection()
            await until(lambda: it.players[0].closed)
        else:
            old.let_go()
        it.connection = new
        new.thaw()
        await it.flows()
        new.let_go()
        it.copy.close()
        await until(lambda: it.client.read() and it.client.ended)
        assert it.client.ended == ("RST" if aborted else "FIN")


@pytest_twisted.ensureDeferred
async def test_control_a_move_without_what_was_read() -> None:
    """The rest of the frame is taken for the beginning of one."""
    with Movable() as it:
        await it.open()
        it.client.send(WHOLE[:8])
        await it.has_read(len(HEAD) + 8)
        record = it.pack()
        assert record.unread == WHOLE[:8]
        it.go_on(it.unpack(replace(record, unread=b"")))
        it.client.send(WHOLE[8:])
        await _misread(it)


@pytest_twisted.ensureDeferred
async def test_control_a_move_without_what_was_not_written() -> None:
    """The client waits for the rest of a frame, and takes what comes next for it."""
    with Movable(small=True) as it:
        await it.open()
        begun = it.line[SENT]
        it.connection.send(BIG)
        record = it.pack()
        assert record.unsent
        it.go_on(it.unpack(replace(record, unsent=b"")))
        last = text_frame(b"last")
        it.connection.send(last)
        written = begun + len(BIG + last) - len(record.unsent)
        await until(lambda: len(it.client.read()) == written)
        assert not it.client.texts()


@pytest_twisted.ensureDeferred
async def test_control_half_a_message_adopted() -> None:
    """The next owner misreads what follows: that is why only whole streams are gone on with."""
    with Movable() as it:
        await it.open()
        it.client.send(WHOLE[:6])
        await it.has_read(len(HEAD) + 6)
        assert it.kill() is Trust.HALF_READ
        it.recover()
        it.client.send(WHOLE[6:])
        await _misread(it)


async def _misread(it: Movable) -> None:
    """Check that the owner takes a payload for a frame's head, of reserved bits."""
    await until(it.client.frames)
    [(first, payload)] = it.client.frames()
    assert (first, payload[:2]) == (CLOSE, PROTOCOL_ERROR)
    assert not it.texts
