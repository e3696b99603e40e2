"""A player's connection between the socket and Autobahn. It sees every byte of both ways.

In: whole small text frames are read here; Autobahn gets all the rest. Out: frames that were made
elsewhere go straight to the socket while nothing waits. It can be frozen, and what another process
needs to go on with it is kept: the request head, the answer to it, the bytes of an unfinished
message. The invariant: the ledger's line says, before the kernel does, how far the streams are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from hokm.connection.frames import Journal, ping_frame, pong_frame, read_pong
from hokm.connection.player import Player
from hokm.connection.quick import read_text, send_some
from hokm.connection.record import Record, Unrestorable
from hokm.connection.site import WRAPPING, Site, Socket
from hokm.control.ledger import SENT, SENT_FROM, TAKEN, Line
from hokm.transports import NONE, plain_descriptor
from hokm.wire import FAILED, TOO_BIG, TOO_SLOW

_log = Logger()

_MOST_WIRE_BYTES: Final = 8  # for one of an unfinished message; a fragment of one takes 7
_END_OF_HEAD: Final = b"\r\n\r\n"
_OPEN: Final = 3  # Autobahn's STATE_OPEN, as tests/unit/test_pins.py says; looked up, it costs more


class _HandedOn(ConnectionDone):
    """The connection goes on in another process."""


class Connection(ProtocolWrapper):
    """One WebSocket.

    Attributes:
        site: What it shares with all others.
        head: The request head as it came.
        answer: What was answered to it; once it is open, what of that binds both sides.
        peer: The player's address, behind trusted proxies the one that they name.
    """

    def __init__(self, site: Site, line: Line, make_player: Callable[[Connection], Player]) -> None:
        self.site = site
        self._line = line
        self._ws: Socket = site.socket(self)
        super().__init__(WRAPPING, self._ws)
        self.head = b""
        self.answer = b""
        self.peer = ""
        self._journal = Journal()
        self._read = line[TAKEN]
        self._sent = line[SENT]
        self._opened = False
        self._heard = False
        self._frozen = False
        self._replaying = False
        self._handed_on = False
        self._held_in = b""
        self._held_out = b""
        self._fd = NONE  # of the socket, where nothing is between
        self._waits = False  # whether the transport may have bytes that wait
        self._player = make_player(self)

    # --- in -------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:
        """Begin, on a transport that is connected."""
        self.peer = str(getattr(transport.getPeer(), "host", ""))
        self._fd = plain_descriptor(transport)
        transport.logstr = transport.repstr = "a player's connection"  # one text for all
        super().makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self._heard = True
        if self._frozen:
            # The reactor may have polled before reading was stopped.
            self._held_in += data
            return
        self._read += len(data)
        if not self._opened:
            self._shake_hands(data)
            return
        start = 0
        if not self._journal:
            start = self._take_simple(data)
        if start < len(data):
            self._parse(data[start:])

    def _take_simple(self, data: bytes) -> int:
        """Take the whole texts and pongs at the start of *data*; returns where the rest begins."""
        before, start, limit = self._read - len(data), 0, self.site.max_message
        while self._ws.state == _OPEN and not self._frozen:
            found = read_text(data, start, limit)
            if found is not None:
                payload, start = found
                self._line[TAKEN] = before + start
                self._deliver(payload)
                continue
            found = read_pong(data, start)
            if found is None:
                break
            payload, start = found
            self._line[TAKEN] = before + start
            self._player.on_pong(payload)
        return start

    def _parse(self, data: bytes) -> None:
        """Give bytes to Autobahn; while it is open, note them for who may have to go on."""
        if self._ws.state == _OPEN:
            self._journal.feed(data)
            self._line[TAKEN] = self._read - len(self._journal)
        self._ws.dataReceived(data)
        # Autobahn counts payload alone, and would keep empty fragments without end.
        if len(self._journal) > _MOST_WIRE_BYTES * self.site.max_message:
            self.close(TOO_BIG, "too many fragments")

    def _shake_hands(self, data: bytes) -> None:
        """Give bytes to Autobahn until the handshake is done; what follows the head waits."""
        at = (self.head + data).find(_END_OF_HEAD)
        if at < 0:
            self.head += data
            self._ws.dataReceived(data)
            return
        cut = at + len(_END_OF_HEAD) - len(self.head)
        self.head += data[:cut]
        self._line[TAKEN] = len(self.head)
        self._ws.dataReceived(data[:cut])
        if data[cut:] and self._opened:
            self._read -= len(data) - cut
            self.dataReceived(data[cut:])

    def _deliver(self, payload: bytes) -> None:
        try:
            self._player.on_text(payload)
        except Exception:  # noqa: BLE001 - a fault of one message is not everybody's
            _log.failure("a message could not be handled")
            self.close(FAILED, "internal error")

    def on_request(self, headers: Mapping[str, str]) -> None:
        """Hear of a handshake's headers, their names in lower case."""
        self.peer = self.site.proxies.client_address(self.peer, headers.get("x-forwarded-for"))

    def on_open(self) -> None:
        """Hear from Autobahn that the handshake is done."""
        self._opened = True
        self.answer = self.site.share(_binding(self.answer))
        self._ws.settle()
        self._player.on_open()

    def on_message(self, payload: bytes, binary: bool) -> None:
        """Take a message from Autobahn."""
        if binary:
            self._player.on_binary(payload)
        else:
            self._deliver(payload)

    def on_ping(self, payload: bytes) -> None:
        """Answer a ping, like all else within the bound of what may wait."""
        if self._ws.state == _OPEN:  # else it may be one that is too long
            self.send(pong_frame(payload))

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping from Autobahn."""
        self._player.on_pong(payload)

    def on_close(self, code: int | None, clean: bool) -> None:
        """Hear from Autobahn that the connection is gone."""
        self._opened = False
        if not self._handed_on:
            self._player.on_closed(code, clean)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hear that the transport is gone."""
        self._fd = NONE
        super().connectionLost(reason)

    # --- out ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write what Autobahn writes."""
        if not self._opened:
            self.answer += data
        if self._replaying:
            return
        self._note_sending(len(data))
        if self._frozen:
            self._held_out += data
        elif self._opened:
            self._waits = True
            super().write(data)
        else:
            self._transmit(data)

    def send(self, frames: bytes) -> None:
        """Send whole frames, made in `frames`; nothing is sent once a close was."""
        if self._ws.state != _OPEN:
            return
        self._note_sending(len(frames))
        if self._frozen:
            self._held_out += frames
            return
        self._transmit(frames)

    def _transmit(self, frames: bytes) -> None:
        if self._waits:
            self._waits = self.buffered > 0
        if not self._waits and self._fd != NONE:
            sent = send_some(self._fd, frames)
            if sent == len(frames):
                return
            frames = frames[sent:]
        self._waits = True
        transport: Any = self.transport
        transport.write(frames)
        if self.buffered > self.site.max_buffered:
            self.give_up()

    def _note_sending(self, size: int) -> None:
        line = self._line
        line[SENT_FROM] = self._sent
        self._sent += size
        line[SENT] = self._sent

    @property
    def buffered(self) -> int:
        """How many bytes wait to be sent."""
        transport: Any = self.transport
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    def ping(self, payload: bytes) -> None:
        """Ping the peer; its answer is `Player.on_pong`."""
        self.send(ping_frame(payload))

    def close(self, code: int, reason: str = "") -> None:
        """Close with any code; Autobahn's own `sendClose` takes only 1000 and 3000 to 4999."""
        if self._ws.state == _OPEN:
            self._ws.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:120])
        elif self._ws.state == Socket.STATE_CONNECTING:
            self.abort()

    def give_up(self) -> None:
        """Close the connection of a peer that does not read what it is sent."""
        self.close(TOO_SLOW, "too slow")

    def abort(self) -> None:
        """Drop the connection at once."""
        transport: Any = self.transport
        transport.abortConnection()

    def abortConnection(self) -> None:
        """Drop the connection for Autobahn, which does so right after some of its close frames.

        Where that one still waits and can be sent, the end is an orderly one: a reset would
        overtake it.
        """
        transport: Any = self.transport
        if self.buffered and transport.doWrite() is None and not self.buffered:
            transport.loseConnection()
        else:
            transport.abortConnection()

    def was_heard(self) -> bool:
        """Say whether anything came since this was asked last."""
        heard, self._heard = self._heard, False
        return heard

    # --- standing still and moving --------------------------------------------------------

    def freeze(self) -> bool:
        """Read and write nothing more until `thaw`; what comes and goes meanwhile is held.

        Only from a turn of the reactor in which nothing of this connection is being handled:
        Autobahn's parser would go on delivering.

        Returns:
            False where there is nothing to go on with: the connection is closing or gone.
        """
        if self._ws.state not in (_OPEN, Socket.STATE_CONNECTING):
            return False
        transport: Any = self.transport
        transport.stopReading()
        if self.buffered and (lost := transport.doWrite()) is not None:
            transport.connectionLost(Failure(lost))
            return False
        transport.stopWriting()
        self._frozen = True
        return True

    def thaw(self) -> None:
        """Go on: send what was held, take what was held, and read again."""
        self._frozen = False
        transport: Any = self.transport
        if not transport.connected:
            return
        held_out, self._held_out = self._held_out, b""
        if held_out:
            self._waits = True
            transport.write(held_out)
        elif self.buffered:
            transport.startWriting()
        transport.startReading()
        held_in, self._held_in = self._held_in, b""
        if held_in:
            heard = self._heard
            self.dataReceived(held_in)
            self._heard = heard  # it came before; else nobody who moves often would be found dead

    def export(self, *, silent_s: float = 0.0, stuck_s: float = 0.0) -> Record:
        """Return what another process needs, beside the socket; only while frozen.

        Args:
            silent_s, stuck_s: See `Record`; the heartbeat knows them.
        """
        transport: Any = self.transport
        rest = bytes(transport.dataBuffer[transport.offset :]) + b"".join(transport._tempDataBuffer)
        return Record(
            head=self.head,
            answer=self.answer if self._opened else b"",
            unread=self._journal.pending + self._held_in,
            unsent=rest + self._held_out,
            silent_s=silent_s,
            stuck_s=stuck_s,
        )

    def restore(self, record: Record) -> None:
        """Be, still frozen, what *record* says.

        Raises:
            Unrestorable: See there; the caller lets go.
        """
        self._held_out = record.unsent
        if not record.answer:
            self._held_in = record.head + record.unread
            return
        self._replay(record.head)
        if self.answer != _binding(record.answer):
            raise Unrestorable("this release negotiates otherwise")
        self._held_in = record.unread

    def recover(self, head: bytes) -> None:
        """Be, still frozen, as the handshake left it: all that is known after a crash.

        Raises:
            Unrestorable: See there; the caller lets go.
        """
        self._replay(head)

    def _replay(self, head: bytes) -> None:
        """Let Autobahn shake hands again, and swallow its answer: public API all the way."""
        self.head = head
        self._replaying = True
        try:
            self._ws.dataReceived(head)
        finally:
            self._replaying = False
        if not self._opened:
            raise Unrestorable("this release refuses the request")

    def let_go(self) -> None:
        """Forget the socket, which lives on elsewhere: neither shut it down nor reset it."""
        self._handed_on = True
        transport: Any = self.transport
        transport.stopReading()
        transport.stopWriting()
        transport.dataBuffer, transport.offset = b"", 0
        transport._tempDataBuffer, transport._tempDataLen = [], 0
        transport._shouldShutdown = False
        transport.connectionLost(Failure(_HandedOn()))


def _binding(answer: bytes) -> bytes:
    """Return the lines of a handshake's answer that bind both sides from then on."""
    lines = answer.lower().split(b"\r\n")
    bind = (b"sec-websocket-extensions:", b"sec-websocket-protocol:", b"http/")
    return b"\r\n".join(sorted(line for line in lines if line.startswith(bind)))
