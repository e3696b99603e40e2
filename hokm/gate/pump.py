"""One connection through the gate: a player's end, an instance's end, and all bytes between them.

Each end is read only as fast as the other one takes it (Twisted's producers), so that what waits
here is bounded. When the instance's end breaks, the player is told to come again, where the stream
allows it; what he has not taken within a while is dropped with him.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hokm.control.refusal import GOODBYE, answer
from hokm.gate.answer import Answer

LINGER_SECONDS: Final = 5.0  # for one end to take what is left, once the other one has gone
RETRY_SECONDS: Final = 1  # for who comes while no instance can be reached
_DEAD_AFTER: Final = {  # 8 s without a word, whether there is something to send or not; tcp(7)
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 1,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 8000,
}
UNAVAILABLE: Final = answer(503, "Service Unavailable", retry_after=RETRY_SECONDS)


class Pump:
    """Two ends.

    Attributes:
        origin: Address that the player comes from.
        player: The protocol at the player's end.
        instance: The one at the instance's.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        origin: str,
        on_end: Callable[[Pump], object],
        on_shaken: Callable[[Pump], object] | None = None,
    ) -> None:
        """Make both ends; call `begin` once both are connected.

        Args:
            on_end: Is told when both are gone.
            on_shaken: Is told when TLS is ready at the player's end; None where there is none.
        """
        self.origin = origin
        self.player = PlayerEnd(self)
        self.instance = InstanceEnd(self)
        self._clock = reactor
        self._on_end = on_end
        self._on_shaken = on_shaken
        self._answer = Answer()
        self._early = b""  # what the player sent before the instance's end was there
        self._begun = False
        self._said_all = False
        self._ending: IDelayedCall | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is no TLS at the player's end."""
        return self._on_shaken is None

    def begin(self, header: bytes) -> None:
        """Let all bytes pass, behind *header* for the instance."""
        self._begun = True
        player, instance = self._transports()
        instance.write(header + self._early)
        self._early = b""
        player.registerProducer(instance, True)
        instance.registerProducer(player, True)
        player.resumeProducing()

    def refuse(self) -> None:
        """Tell the player that no instance could be reached."""
        self._end_player(UNAVAILABLE)

    def end(self) -> None:
        """End the connection from here, unless it is ending: the player is to come again."""
        transport: Any = self.instance.transport
        if transport is not None and self.instance.connected:
            transport.abortConnection()
        elif self.player.connected and self._ending is None:
            self._end_player(UNAVAILABLE)

    def _transports(self) -> tuple[Any, Any]:
        return self.player.transport, self.instance.transport

    # --- what the ends tell ---------------------------------------------------------------

    def shaken(self) -> None:
        """Hear that TLS is ready."""
        assert self._on_shaken is not None
        self.player.hold()
        self._on_shaken(self)

    def to_instance(self, data: bytes) -> None:
        """Take bytes of the player's; once the instance's end has gone they go nowhere."""
        if not self._begun:
            self._early += data
        elif self.instance.connected:
            self._transports()[1].write(data)

    def to_player(self, data: bytes) -> None:
        """Take bytes of the instance's."""
        self._answer.feed(data)
        self._transports()[0].write(data)

    def player_has_said_all(self) -> None:
        """Let the instance know that the player sends no more, and may still read."""
        self._said_all = True
        player, instance = self._transports()
        if self.instance.connected:
            instance.unregisterProducer()
            instance.loseWriteConnection()
        elif self._ending is not None:
            player.loseConnection()

    def player_gone(self) -> None:
        """Let the instance have what is left, and go."""
        if self.instance.connected:
            instance = self._transports()[1]
            instance.unregisterProducer()
            instance.loseConnection()
            self._end_soon(instance)
        else:
            self._ended()

    def instance_gone(self) -> None:
        """Let the player have what is left, and a word if one can follow."""
        if not self.player.connected:
            self._ended()
        elif not self._answer.began:
            self._end_player(UNAVAILABLE)
        else:
            self._end_player(GOODBYE if self._answer.takes_frame else b"")

    def _end_player(self, word: bytes) -> None:
        player = self._transports()[0]
        player.unregisterProducer()
        player.resumeProducing()  # a close over unread bytes would reset, and overtake the word
        player.write(word)
        if self._said_all or not self.is_plain:
            player.loseConnection()  # TLS says so itself, and waits for the answer
        else:
            player.loseWriteConnection()
        self._end_soon(player)

    def _end_soon(self, transport: Any) -> None:
        self._ending = self._clock.callLater(LINGER_SECONDS, transport.abortConnection)

    def _ended(self) -> None:
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        self._on_end(self)


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class PlayerEnd(Protocol):
    """The player's end of a pump."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump

    def connectionMade(self) -> None:
        """Wait for the instance's end."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        if self.pump.is_plain:
            self.hold()

    def hold(self) -> None:
        """Read nothing until the instance's end is there."""
        transport: Any = self.transport
        transport.pauseProducing()

    def handshakeCompleted(self) -> None:
        """Hear that TLS is ready."""
        self.pump.shaken()

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        self.pump.to_instance(data)

    def readConnectionLost(self) -> None:
        """Hear that the player sends no more."""
        self.pump.player_has_said_all()

    def writeConnectionLost(self) -> None:
        """Hear that nothing can be sent to the player any more: it was all."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hear that it is gone."""
        self.connected = 0
        self.pump.player_gone()


class InstanceEnd(Protocol):
    """The instance's end of a pump."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump

    def connectionMade(self) -> None:
        """Send without delay, and notice an instance's end that only a dead machine has."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        sock: socket.socket = transport.getHandle()
        for option, value in _DEAD_AFTER.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        self.pump.to_player(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hear that it is gone."""
        self.connected = 0
        self.pump.instance_gone()
