"""Three echo servers that read the same bytes: plain Autobahn, hokm, and hokm that moves.

Their transports are Twisted's, without a socket: a test decides what is read in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from msgspec.msgpack import decode, encode
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hokm.connection import Connection, Record, Site
from hokm.connection.site import CLOSE_HANDSHAKE_SECONDS
from hokm.control.ledger import blank_line
from tests.echo import Echo
from tests.movable import HEAD, make_site, reactor

LIMIT: Final = 66_000  # bytes of a message
MASK: Final = bytes.fromhex("37fa213d")
FINAL, TEXT, BINARY, CLOSE, PING, PONG = 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A
SITE: Final = make_site(max_message=LIMIT)


def raw(first: int, payload: bytes = b"", *, masked: bool = True, bits: int = 0) -> bytes:
    """Make a frame, right or wrong.

    Args:
        first: Its first byte, flags and opcode.
        bits: Of its length: 7, 16 or 64; 0: as many as it needs.
    """
    size = len(payload)
    bits = bits or (7 if size < 126 else 16 if size < 65536 else 64)
    flag = FINAL if masked else 0
    if bits == 7:
        head = bytes((first, flag | size))
    elif bits == 16:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = (MASK * (size // 4 + 1))[:size]
    return head + MASK + bytes(byte ^ key for byte, key in zip(payload, mask, strict=True))


def goodbye(code: int, reason: bytes = b"") -> bytes:
    """Make a close frame's payload."""
    return code.to_bytes(2, "big") + reason


class _NoReactor:
    """A reactor, as far as a transport that nothing happens to asks it."""

    def ignore(self, _: object) -> None:
        """Do nothing."""

    addReader = addWriter = removeReader = removeWriter = ignore


class Wire(FileDescriptor):
    """A transport that keeps what it is given.

    Attributes:
        sent: All of it.
        ended: How the server ended it: "", "closed" or "aborted".
    """

    def __init__(self, protocol: Any, sent: bytes = b"") -> None:
        super().__init__(cast(Any, _NoReactor()))
        self.connected = 1
        self.protocol = protocol
        self.sent = sent
        self.ended = ""
        protocol.makeConnection(self)

    def writeSomeData(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def getHandle(self) -> None:
        """Have no socket."""

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 5000)

    getHost = getPeer

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Have no delay anyhow."""

    def loseConnection(self, _: object = None) -> None:
        self.ended = self.ended or "closed"

    def abortConnection(self) -> None:
        self.dataBuffer, self.offset = b"", 0
        self._tempDataBuffer, self._tempDataLen = [], 0
        self.ended = self.ended or "aborted"

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.protocol.connectionLost(reason)


class PlainWire(Wire):
    """One that ends in order where an abort would lose Autobahn's own close frame, as hokm does."""

    def abortConnection(self) -> None:
        if self._tempDataLen:
            self.doWrite()
            self.loseConnection()
        super().abortConnection()


class PlainEcho(WebSocketServerProtocol):
    def onConnect(self, request: Any) -> str | None:
        return "hokm.v1"

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.sendMessage(payload, isBinary)


PLAIN: Final = WebSocketServerFactory(reactor=reactor, protocols=["hokm.v1"], server="hokm")
PLAIN.setProtocolOptions(
    maxFramePayloadSize=LIMIT,
    maxMessagePayloadSize=LIMIT,
    failByDrop=False,
    closeHandshakeTimeout=CLOSE_HANDSHAKE_SECONDS,
)


class Server:
    """One of the three; it has shaken hands.

    Attributes:
        wire: Its transport.
    """

    def __init__(self) -> None:
        self.wire = self.connect()
        self.hear(HEAD)
        assert b"101 Switching" in self.wire.sent

    def connect(self) -> Wire:
        """Make a protocol on a wire; each kind of end has its own."""
        raise NotImplementedError

    def hear(self, data: bytes) -> None:
        """Read one piece, unless the connection is over."""
        if not self.wire.ended:
            self.wire.protocol.dataReceived(data)
            self.wire.doWrite()

    def answers(self, pieces: Sequence[bytes]) -> tuple[bytes, str]:
        """Read all pieces; returns what was sent, and how it ended."""
        for piece in pieces:
            self.hear(piece)
        found = self.wire.sent, self.wire.ended
        self.wire.connectionLost(Failure(ConnectionDone()))
        return found


class Plain(Server):
    """Autobahn's."""

    def connect(self) -> Wire:
        protocol = PlainEcho()
        protocol.factory = PLAIN
        return PlainWire(protocol)


class Hokm(Server):
    """hokm's.

    Attributes:
        connection: Its own side of it.
    """

    def __init__(self, site: Site = SITE) -> None:
        self.site = site
        self.line = blank_line()
        super().__init__()

    def connect(self) -> Wire:
        self.connection = Connection(self.site, self.line, lambda it: Echo(it, lambda _: None))
        return Wire(self.connection)


class Moving(Hokm):
    """hokm's, moved after each piece."""

    def hear(self, data: bytes) -> None:
        super().hear(data)
        old = self.connection
        if self.wire.ended or not old.freeze():
            return
        record = decode(encode(old.export()), type=Record)
        sent = self.wire.sent
        self.wire = self.connect()
        new = self.connection
        new.freeze()
        new.restore(record)
        old.let_go()
        self.wire.sent = sent
        new.thaw()
        self.wire.doWrite()


def compare(pieces: Sequence[bytes]) -> tuple[bytes, str]:
    """Have all three read the same; returns what they answer."""
    plain = Plain().answers(pieces)
    assert Hokm().answers(pieces) == plain
    assert Moving().answers(pieces) == plain
    return plain


def frames(sent: bytes) -> list[tuple[int, bytes]]:
    """Split what a server has sent after the handshake into first bytes and payloads."""
    _, _, data = sent.partition(b"\r\n\r\n")
    found = []
    while data:
        size, head = data[1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[2:head], "big")
        found.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return found
