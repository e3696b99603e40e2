"""A player's connection between the socket and Autobahn. It sees every byte of both ways.

In: whole small text frames are read here; Autobahn gets all the rest. Out: frames that were made
elsewhere go straight to the socket while nothing waits. What another process would need to go on
with the connection is kept: the request head, the answer to it, the bytes of an unfinished
message.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from hokm.connection.frames import Journal, read_text
from hokm.connection.site import Site, Socket
from hokm.wire import FAILED, TOO_SLOW

_log = Logger()

MAX_BUFFERED: Final = 256 * 1024  # bytes that may wait for a peer that does not read

NOT_TEXT: Final = 1003  # RFC 6455, 7.4.1
_END_OF_HEAD: Final = b"\r\n\r\n"


class Player(Protocol):
    """Who is at this end of a connection."""

    def on_open(self) -> None:
        """Hear that the WebSocket is open."""

    def on_text(self, payload: bytes) -> None:
        """Take one text message; it is UTF-8."""

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping."""

    def on_closed(self, code: int | None, clean: bool) -> None:
        """Hear, once, that the connection is gone, and how the peer closed it."""


class Connection(ProtocolWrapper):
    """One WebSocket.

    Attributes:
        site: What it shares with all others.
        head: The request head as it came.
        answer: What was answered to it.
        peer: The player's address, behind trusted proxies the one that they name.
    """

    def __init__(self, site: Site, make_player: Callable[[Connection], Player]) -> None:
        self.site = site
        self._ws: Socket = site.socket(self)
        super().__init__(_FACTORY, self._ws)
        self.head = b""
        self.answer = b""
        self.peer = ""
        self._journal = Journal()
        self._opened = False
        self._heard = True
        self._handle: socket.socket | None = None
        self._player = make_player(self)

    # --- in -------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:
        """Begin, on a transport that is connected."""
        self.peer = str(getattr(transport.getPeer(), "host", ""))
        handle = transport.getHandle()
        self._handle = handle if isinstance(handle, socket.socket) else None
        super().makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self._heard = True
        if not self._opened:
            self._shake_hands(data)
            return
        start = 0
        if not self._journal.pending:
            limit = self.site.max_message
            while self._ws.state == Socket.STATE_OPEN:
                found = read_text(data, start, limit)
                if found is None:
                    break
                payload, start = found
                self._deliver(payload)
        if start < len(data):
            rest = data[start:]
            self._journal.feed(rest)
            self._ws.dataReceived(rest)

    def _shake_hands(self, data: bytes) -> None:
        """Give bytes to Autobahn until the handshake is done; what follows the head waits."""
        at = (self.head + data).find(_END_OF_HEAD)
        if at < 0:
            self.head += data
            self._ws.dataReceived(data)
            return
        cut = at + len(_END_OF_HEAD) - len(self.head)
        self.head += data[:cut]
        self._ws.dataReceived(data[:cut])
        if data[cut:] and self._opened:
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
        self._player.on_open()

    def on_message(self, payload: bytes, binary: bool) -> None:
        """Take a message from Autobahn."""
        if binary:
            self.close(NOT_TEXT, "only text messages are understood")
        else:
            self._deliver(payload)

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping from Autobahn."""
        self._player.on_pong(payload)

    def on_close(self, code: int | None, clean: bool) -> None:
        """Hear from Autobahn that the connection is gone."""
        self._opened = False
        self._player.on_closed(code, clean)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hear that the transport is gone."""
        self._handle = None
        super().connectionLost(reason)

    # --- out ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write what Autobahn writes."""
        if not self._opened:
            self.answer += data
        super().write(data)

    def send(self, frames: bytes) -> None:
        """Send whole frames, made by `text_frame`; nothing is sent once a close was."""
        if self._ws.state != Socket.STATE_OPEN:
            return
        transport: Any = self.transport
        if self._handle is not None and not transport.dataBuffer and not transport._tempDataBuffer:
            # Half of the cost of `transport.write` is arming and disarming epoll.
            try:
                sent = self._handle.send(frames)
            except OSError:  # would block, or is broken: the transport finds out which
                sent = 0
            if sent == len(frames):
                return
            frames = frames[sent:]
        transport.write(frames)
        if self.buffered > MAX_BUFFERED:
            self.give_up()

    @property
    def buffered(self) -> int:
        """How many bytes wait to be sent."""
        transport: Any = self.transport
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    def ping(self, payload: bytes) -> None:
        """Ping the peer; its answer is `Player.on_pong`."""
        if self._ws.state == Socket.STATE_OPEN:
            self._ws.sendPing(payload)

    def close(self, code: int, reason: str = "") -> None:
        """Close with any code; Autobahn's own `sendClose` takes only 1000 and 3000 to 4999."""
        if self._ws.state == Socket.STATE_OPEN:
            self._ws.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:120])
        elif self._ws.state == Socket.STATE_CONNECTING:
            self.abort()

    def give_up(self) -> None:
        """Close the connection of a peer that does not read what it is sent."""
        self.close(TOO_SLOW, "too slow")

    def abort(self) -> None:
        """Drop the connection at once."""
        self.abortConnection()

    def was_heard(self) -> bool:
        """Say whether anything came since this was asked last."""
        heard, self._heard = self._heard, False
        return heard


class _Quiet(WrappingFactory[Any]):
    """The factory that a ProtocolWrapper must have; nobody is interested in what it counts."""

    def registerProtocol(self, p: object) -> None:
        return

    def unregisterProtocol(self, p: object) -> None:
        return


_FACTORY: Final[Any] = _Quiet(Factory())


class _Adoption(Factory):
    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._connection


def adopt(
    sock: socket.socket, site: Site, make_player: Callable[[Connection], Player]
) -> Connection:
    """Go on with a connected socket whose request head is still unread; *sock* is closed.

    Args:
        make_player: Is given the connection, makes its player.
    """
    connection = Connection(site, make_player)
    sock.setblocking(False)
    try:
        # Works on a duplicate: without the close the peer would never see ours.
        site.reactor.adoptStreamConnection(sock.fileno(), sock.family, _Adoption(connection))
    finally:
        sock.close()
    return connection
