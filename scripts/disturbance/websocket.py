"""A WebSocket on a plain TCP socket, with the habits of real networks, at little CPU.

Nothing is known of Hokm here. A frame that is sent in pieces is finished before any other begins,
pongs included.
"""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from disturbance import frames

HANDSHAKE_SECONDS: Final = 10.0
PIECE_SECONDS: Final = (0.005, 0.3)  # between two pieces of a message
STALL_SECONDS: Final = (0.2, 2.0)  # for which a slow reader does not read
BREATH_SECONDS: Final = (2.0, 6.0)  # between two stalls
SLOW_BUFFER: Final = 4096  # bytes of SO_RCVBUF
_HEAD: Final = (
    "GET /ws?room_code={room} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)
_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Habits:
    """How a client's network behaves.

    Attributes:
        cuts: Part of the frames that are cut at any byte, the rest sent a little later.
        fragments: Part of the messages that are sent as two fragments with a ping between them.
        slow: Whether it stops reading now and then.
    """

    cuts: float = 0.0
    fragments: float = 0.0
    slow: bool = False


class Owner(Protocol):
    """Whose connection it is."""

    def opened(self, ws: WebSocket) -> None:
        """Hear that the handshake is done."""

    def heard(self, ws: WebSocket, payload: bytes) -> None:
        """Take a text message."""

    def unasked_pong(self) -> None:
        """Hear of an answer to no ping, or of a second one."""

    def lost(self, ws: WebSocket, code: int | None) -> None:
        """Hear, once, that the connection is gone.

        Args:
            code: Of the server's close frame; None where none came.
        """


class WebSocket(TwistedProtocol):
    """One connection, from the handshake on.

    Attributes:
        opened: Whether the handshake was answered with 101.
    """

    def __init__(
        self, *, owner: Owner, host: str, room: str, habits: Habits, random: Random, reactor: Any
    ) -> None:
        """Make a connection that begins once it has a transport.

        Args:
            host: For the `Host` header.
            room: Room code.
        """
        self.opened = False
        self._owner = owner
        self._host = host
        self._room = room
        self._habits = habits
        self._random = random
        self._reactor = reactor
        self._head = b""
        self._reader = frames.Reader()
        self._rest: bytes | None = None  # of a message whose first piece was sent
        self._pings: set[bytes] = set()
        self._code: int | None = None
        self._calls: dict[str, IDelayedCall] = {}

    # --- out ------------------------------------------------------------------------------

    def send_text(self, payload: bytes) -> bool:
        """Send a message; says whether it goes out in pieces."""
        if self._rest is not None:
            self._rest += self._frame(frames.TEXT, payload)
            return False
        chance = self._random.random()
        if chance < self._habits.cuts:
            whole = self._frame(frames.TEXT, payload)
            cut = self._random.randrange(1, len(whole))
            self._send_in_pieces(whole[:cut], whole[cut:])
        elif chance < self._habits.cuts + self._habits.fragments:
            cut = self._random.randrange(len(payload) + 1)
            ping = self._random.randbytes(8)
            self._pings.add(ping)
            first = self._frame(frames.TEXT, payload[:cut], final=False)
            rest = self._frame(frames.CONTINUATION, payload[cut:])
            self._send_in_pieces(first + self._frame(frames.PING, ping), rest)
        else:
            self._write(self._frame(frames.TEXT, payload))
            return False
        return True

    def close(self) -> None:
        """Close the connection in good order."""
        self._put(self._frame(frames.CLOSE, (1000).to_bytes(2, "big")))

    def abort(self) -> None:
        """Drop the connection."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _frame(self, opcode: int, payload: bytes, *, final: bool = True) -> bytes:
        return frames.frame(opcode, payload, self._random.getrandbits(32), final=final)

    def _send_in_pieces(self, first: bytes, rest: bytes) -> None:
        self._write(first)
        self._rest = rest
        self._call("piece", self._random.uniform(*PIECE_SECONDS), self._finish)

    def _finish(self) -> None:
        assert self._rest is not None
        rest, self._rest = self._rest, None
        self._write(rest)

    def _put(self, data: bytes) -> None:
        """Send whole frames as soon as none is half sent."""
        if self._rest is not None:
            self._rest += data
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    # --- in -------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin the handshake."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        if self._habits.slow:
            transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        self._call("handshake", HANDSHAKE_SECONDS, self.abort)
        key = base64.b64encode(self._random.randbytes(16)).decode()
        self._write(_HEAD.format(room=self._room, host=self._host, key=key).encode())

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        if not self.opened:
            self._head += data
            head, end, data = self._head.partition(_END_OF_HEAD)
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.abort()
                return
            self._open()
        try:
            found = self._reader.feed(data)
        except frames.BadFrame:
            self.abort()
            return
        for opcode, payload in found:
            self._take(opcode, payload)

    def _open(self) -> None:
        self._calls.pop("handshake").cancel()
        self.opened = True
        if self._habits.slow:
            self._call("stall", self._random.uniform(*BREATH_SECONDS), self._stall)
        self._owner.opened(self)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.TEXT:
            self._owner.heard(self, payload)
        elif opcode == frames.PING:
            self._put(self._frame(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            self._code = int.from_bytes(payload[:2], "big") if payload else 1005
            self._put(self._frame(frames.CLOSE, payload[:2]))
            self.transport.loseConnection()  # type: ignore[union-attr] # there is one
        elif payload in self._pings:
            self._pings.remove(payload)
        else:
            self._owner.unasked_pong()

    def _stall(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()
        self._call("stall", self._random.uniform(*STALL_SECONDS), self._read_on)

    def _read_on(self) -> None:
        transport: Any = self.transport
        self._call("stall", self._random.uniform(*BREATH_SECONDS), self._stall)
        transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the owner."""
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._owner.lost(self, self._code)

    def _call(self, name: str, seconds: float, what: Any) -> None:
        self._calls[name] = self._reactor.callLater(seconds, what)
