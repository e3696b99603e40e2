"""The gate as a process: what the supervisor tells it, and what it reports."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm import logs, origin
from hokm.control import gate as g
from hokm.control import messages as m
from hokm.control.channel import Channel
from hokm.control.refusal import turn_away
from hokm.gate.door import Door
from hokm.gate.pump import RETRY_SECONDS, Pump
from hokm.tasks import every, run
from hokm.tls import BadCertificate

_log = Logger()

MISCONFIGURED: Final = 3  # exit code: to be started again would not help
CONNECT_SECONDS: Final = 3.0  # for an instance to accept a connection
_TEND_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02
_ORPHANED_SECONDS: Final = 2.0  # for players to be told, when the supervisor is gone


class GateProcess:
    """Speaks with the supervisor over *sock*, and lets connections through as it says."""

    def __init__(self, *, reactor: Any, sock: socket.socket, end: Callable[[int], None]) -> None:
        """Say hello to the supervisor.

        Args:
            end: Ends the process with an exit code.
        """
        self._reactor = reactor
        self._end = end
        self._pumps: set[Pump] = set()
        self._connecting = 0  # relays whose instance has not answered
        self._door: Door | None = None
        self._port: Any = None  # IListeningPort
        self._home = ("", 0)
        self._secret = b""
        self._retired = False
        self._stopping = False
        self._channel: Channel[g.ToGate] = Channel(
            reactor=reactor,
            sock=sock,
            decoder=g.TO_GATE,
            on_message=self._hear,
            on_lost=self._orphaned,
        )
        self._channel.send(m.Hello(pid=os.getpid()))

    def _hear(self, message: g.ToGate, descriptors: list[int]) -> None:
        match message:
            case g.Begin():
                self._begin(message, descriptors)
            case g.Relay():
                [descriptor] = descriptors
                run(self._relay(message, socket.socket(fileno=descriptor)), "a relay")
            case g.Renew(pem=pem):
                self._renew(pem)
            case g.Retire():
                self._retire()
            case m.Stop(grace_s=seconds):
                run(self._stop(seconds), "the gate's stop")
            case m.Ping(n=n):
                self._channel.send(m.Pong(n=n))

    # --- life -----------------------------------------------------------------------------

    def _begin(self, message: g.Begin, descriptors: list[int]) -> None:
        name, level = message.log_format, message.log_level
        logs.start(sys.stderr, format=name, level=level, process="gate")  # type: ignore[arg-type] # one of the settings' words
        self._home, self._secret = message.home, message.secret
        try:
            m.check_protocol(message.protocol)
            if message.pem is not None:
                self._open(message.pem, descriptors)
        except (m.WrongProtocol, BadCertificate) as error:
            self._channel.send(m.Misconfigured(message=str(error)))
            self._end(MISCONFIGURED)
            return
        every(self._reactor, _TEND_SECONDS, self._tend, "the gate's housekeeping")
        self._channel.send(m.Ready())

    def _open(self, pem: g.Pem, descriptors: list[int]) -> None:
        """Accept players who speak TLS, on a socket that listens.

        Raises:
            BadCertificate: See `hokm.tls`.
        """
        self._door = Door(
            reactor=self._reactor, pem=pem, admit=self._admit, on_end=self._pumps.discard
        )
        [descriptor] = descriptors
        with socket.socket(fileno=descriptor) as listening:
            listening.setblocking(False)
            self._port = self._reactor.adoptStreamPort(
                listening.fileno(), listening.family, self._door
            )

    def _renew(self, pem: g.Pem) -> None:
        if self._door is not None:
            self._door.renew(pem)
            _log.info("the certificate was renewed")

    def _tend(self) -> None:
        self._channel.send(g.Load(connections=len(self._pumps)))
        busy = self._pumps or self._connecting or self._door  # it is true while somebody waits
        if self._retired and not busy and not self._stopping:
            run(self._stop(0.0), "the gate's end")

    def _retire(self) -> None:
        self._retired = True
        if self._port is not None:
            self._port.stopListening()  # our copy only: another gate goes on with the socket
            self._port = None

    async def _stop(self, seconds: float) -> None:
        """End all connections, within a time."""
        self._stopping = True
        self._retire()
        if self._door is not None:
            self._door.close()
        for pump in list(self._pumps):
            pump.end()
        until = self._reactor.seconds() + seconds
        while self._pumps and self._reactor.seconds() < until:
            await deferLater(self._reactor, _POLL_SECONDS)
        self._channel.send(m.Stopped())
        self._end(0)

    def _orphaned(self, reason: Failure) -> None:
        """The supervisor is gone, and its workers end: let the players hear it, and end."""
        if not self._stopping:
            _log.warn("the supervisor is gone; this gate ends")
            run(self._stop(_ORPHANED_SECONDS), "the gate's stop")

    # --- connections ----------------------------------------------------------------------

    def _admit(self, pump: Pump) -> None:
        """Let a player in who has shaken hands: to this very instance."""
        self._pumps.add(pump)
        header = origin.write(pump.origin, secret=self._secret)
        run(self._let_through(pump, header), "a player's way in")

    async def _let_through(self, pump: Pump, header: bytes) -> None:
        try:
            await self._connect(pump, self._home)
        except ConnectError as error:
            _log.error("this instance cannot be reached: {error}", error=error)
            pump.refuse()
            return
        if pump.player.connected:
            pump.begin(header)
        else:
            pump.end()

    async def _relay(self, message: g.Relay, sock: socket.socket) -> None:
        """Pass a connection on; unread, until the other instance has accepted it."""
        pump = Pump(reactor=self._reactor, origin=message.origin, on_end=self._pumps.discard)
        self._connecting += 1
        try:
            await self._connect(pump, message.to)
            self._adopt(sock, pump)
        except (ConnectError, OSError) as error:
            _log.error("no way to instance {to}: {error}", to=message.to, error=error)
            turn_away(sock, 503, "Service Unavailable", retry_after=RETRY_SECONDS)
            pump.end()
            return
        finally:
            self._connecting -= 1
        self._pumps.add(pump)
        pump.begin(origin.write(message.origin, hops=min(message.hops + 1, origin.MOST_HOPS)))

    def _adopt(self, sock: socket.socket, pump: Pump) -> None:
        """Have the reactor watch the player's socket, which is closed: Twisted has its own.

        Raises:
            OSError: The player is gone, or no descriptor is left; the socket is still open.
        """
        sock.getpeername()
        self._reactor.adoptStreamConnection(sock.fileno(), sock.family, _Given(pump.player))
        sock.close()

    def _connect(self, pump: Pump, to: tuple[str, int]) -> Deferred[Any]:
        """Connect a pump's end to an instance; fails with `ConnectError`."""
        endpoint = HostnameEndpoint(self._reactor, *to, timeout=CONNECT_SECONDS)
        return endpoint.connect(_Given(pump.instance))


class _Given(Factory):
    """Makes a protocol that is there already."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Protocol:
        return self._protocol
