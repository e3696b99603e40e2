"""A stand-in for the gates: carries connections to other instances in this process."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from hokm.control.refusal import turn_away
from hokm.tasks import run

CONNECT_SECONDS: Final = 3.0


class _End(Protocol):
    def __init__(self) -> None:
        self.other: _End | None = None

    def join(self, other: _End) -> None:
        self.other, other.other = other, self
        mine: Any = self.transport
        its: Any = other.transport
        mine.registerProducer(its, True)
        its.registerProducer(mine, True)

    def dataReceived(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        other, self.other = self.other, None
        transport: Any = self.transport
        transport.unregisterProducer()
        if other is not None and other.transport is not None:
            other.transport.loseConnection()


class Relays:
    """Relays of one process."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def relay(self, sock: socket.socket, *, origin: str, to: tuple[str, int], hops: int) -> None:
        """See `hokm.supervisor.seeker.Relay`."""
        run(self._relay(sock, to), "a relay")

    async def _relay(self, sock: socket.socket, to: tuple[str, int]) -> None:
        endpoint = HostnameEndpoint(self._reactor, *to, timeout=CONNECT_SECONDS)
        try:
            far: Any = await endpoint.connect(Factory.forProtocol(_End))
        except Exception:  # noqa: BLE001 - whatever it is, the player comes again
            turn_away(sock, 503, "Service Unavailable")
            return
        ends: list[_End] = []

        class Near(_End):
            def connectionMade(self) -> None:
                ends.append(self)

        with sock:
            self._reactor.adoptStreamConnection(
                sock.fileno(), sock.family, Factory.forProtocol(Near)
            )
        ends[0].join(far)
