"""What all connections of a process share: limits, origins, and Autobahn's factory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import autobahn.twisted.websocket
import autobahn.websocket.protocol
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.protocol import Factory
from twisted.protocols.policies import WrappingFactory

from hokm.proxies import Proxies

# For the answer to a close: Autobahn's timers end on whole seconds, so it has one second at least.
CLOSE_HANDSHAKE_SECONDS: Final = 2.0
MAX_BUFFERED: Final = 256 * 1024  # bytes that may wait for a peer that does not read

# Autobahn makes colourful texts for debug lines, whether these are logged or not: its settings for
# each connection, half of the CPU of a handshake (measured 0.83 ms with, 0.41 ms without), and the
# values of many others.
for _name in ("pformat", "hl", "hltype", "hlval"):
    for _module in (autobahn.websocket.protocol, autobahn.twisted.websocket):
        if hasattr(_module, _name):
            setattr(_module, _name, lambda value, *style, **more: value)


class Socket(WebSocketServerProtocol):
    """Autobahn's side of a connection; all that it hears goes to `owner`."""

    owner: Any  # the Connection; it cannot be imported here
    peer = ""  # the Connection knows it
    CONFIG_ATTRS: list[str] = []  # noqa: RUF012 - its settings are its class's, see `Site`: no copy for each

    def connectionMade(self) -> None:
        """Begin, without the details of the transport that Autobahn collects for others."""
        self._connectionMade()

    def settle(self) -> None:
        """Forget the handshake, once it is done, and what is the same for every open connection.

        Of 87 attributes three are left: 3 of 12 KB per player, where measured. The others are
        read from the class; Autobahn sets one on the connection itself as soon as it differs.
        """
        kind, own = type(self), {}
        shared = vars(kind)
        for name, value in vars(self).items():
            if name in _OF_THE_HANDSHAKE or name in _UNUSED:
                continue
            if type(value) in _PLAIN:
                if name not in shared:  # once: who changes a class makes all its uses slower
                    setattr(kind, name, value)
                if shared[name] == value:
                    continue
            own[name] = value
        self.__dict__ = own

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """Accept the handshake, with our subprotocol if it is offered."""
        self.owner.on_request(request.headers)
        ours: str = self.owner.site.subprotocol
        return ours if ours in request.protocols else None

    def onOpen(self) -> None:
        """Hear that the handshake is done."""
        self.owner.on_open()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take a message that came in the slow way."""
        self.owner.on_message(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        """Answer a ping."""
        self.owner.on_ping(payload)

    def onPong(self, payload: bytes) -> None:
        """Take the answer to a ping."""
        self.owner.on_pong(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Hear that the connection is gone."""
        self.owner.on_close(code, wasClean)


_PLAIN: Final = frozenset((bool, int, bytes, type(None)))
_OF_THE_HANDSHAKE: Final = frozenset(
    (
        "_transport_details",
        "_wskey",
        "http_headers",
        "http_request_data",
        "http_request_host",
        "http_request_params",
        "http_request_path",
        "http_request_uri",
        "http_response_data",
        "http_status_line",
        "websocket_extensions",
        "websocket_extensions_in_use",
        "websocket_origin",
        "websocket_protocol_in_use",
        "websocket_protocols",
    )
)
_UNHEARD: Final = SimpleNamespace(callback=lambda result: None)
# Of parts of Autobahn that are not used, for all connections together: observers, sends in pieces
# or in step, statistics.
_UNUSED: Final[dict[str, Any]] = {
    "_results": {},
    "_valid_events": [],
    "is_closed": _UNHEARD,
    "is_open": _UNHEARD,
    "send_queue": deque(),
    "trafficStats": TrafficStats(),
}


class _Quiet(WrappingFactory[Any]):
    """The factory that a ProtocolWrapper must have; nobody is interested in what it counts."""

    def registerProtocol(self, p: object) -> None:
        return

    def unregisterProtocol(self, p: object) -> None:
        return


WRAPPING: Final[Any] = _Quiet(Factory())


class Site:
    """Settings of all connections of this process."""

    def __init__(
        self,
        *,
        reactor: Any,
        subprotocol: str,
        max_message: int,
        max_buffered: int = MAX_BUFFERED,
        allowed_origins: Sequence[str] = ("*",),
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        """Make a site.

        Args:
            max_message: Bytes; a longer one closes its connection with 1009.
            max_buffered: Bytes that may wait for a peer that does not read; more close it with
                4008.
            allowed_origins: Of pages that may connect, as ``https://cards.example.org``.
            trusted_proxies: Addresses or networks whose X-Forwarded-For is believed.
        """
        self.reactor = reactor
        self.max_message = max_message
        self.max_buffered = max_buffered
        self.subprotocol = subprotocol
        self.proxies = Proxies(trusted_proxies)
        self._answers: dict[bytes, bytes] = {}  # with our subprotocol, and without one
        factory = WebSocketServerFactory(reactor=reactor, protocols=[subprotocol], server="hokm")
        factory.protocol = Socket
        factory.setProtocolOptions(
            allowedOrigins=[_with_port(origin) for origin in allowed_origins],
            allowNullOrigin="*" in allowed_origins,
            maxFramePayloadSize=max_message,
            maxMessagePayloadSize=max_message,
            failByDrop=False,
            openHandshakeTimeout=0,  # the listener has seen the whole request
            closeHandshakeTimeout=CLOSE_HANDSHAKE_SECONDS,
            autoPingInterval=0,
            webStatus=False,
            tcpNoDelay=True,
            perMessageCompressionAccept=_refuse_compression,
        )

        settings = WebSocketServerProtocol.CONFIG_ATTRS
        values = {name: getattr(factory, name) for name in settings}
        values["perMessageCompressionAccept"] = staticmethod(_refuse_compression)
        values |= {"factory": factory, **_UNUSED, **dict.fromkeys(_OF_THE_HANDSHAKE)}
        self._kind = type("Socket", (Socket,), values)

    def share(self, answer: bytes) -> bytes:
        """Return the one copy of an answer that many connections were given."""
        return self._answers.setdefault(answer, answer)

    def socket(self, owner: object) -> Socket:
        """Make Autobahn's side of *owner*."""
        made: Socket = self._kind()
        made.owner = owner
        return made


def _refuse_compression(offers: object) -> None:
    """Take no offer: messages are small, and a compressor's window could not move."""


def _with_port(origin: str) -> str:
    """Return *origin* with the port that Autobahn compares, which browsers leave out."""
    scheme, _, host = origin.partition("://")
    if not host or ":" in host.rpartition("]")[2]:
        return origin
    return f"{origin}:{443 if scheme == 'https' else 80}"
