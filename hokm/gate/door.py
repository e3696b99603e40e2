"""Where players who speak TLS come in: their handshakes, within bounds.

Whoever opens connections and does not shake hands displaces others of his own address first, then
the oldest of all; nobody has longer than the handshake's deadline. A renewed certificate is shown
to those who come from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from hokm.control.gate import Pem
from hokm.gate.pump import PlayerEnd, Pump
from hokm.limits import Crowd
from hokm.tasks import every
from hokm.tls import server_options

HANDSHAKE_SECONDS: Final = 5.0
PENDING: Final = 5_000
PENDING_PER_PEER: Final = 100
_SWEEP_SECONDS: Final = 0.5  # how exact the deadline is


class Door(Factory):
    """Makes a pump of each connection, and gives it on once its handshake is done."""

    noisy = False

    def __init__(
        self,
        *,
        reactor: Any,
        pem: Pem,
        admit: Callable[[Pump], object],
        on_end: Callable[[Pump], object],
    ) -> None:
        """Open no port yet.

        Args:
            admit: Is given each player who has shaken hands.
            on_end: Is told when one of them is gone.

        Raises:
            BadCertificate: See `hokm.tls`.
        """
        self._clock = reactor
        self._admit = admit
        self._on_end = on_end
        self._waiting: Crowd[Pump] = Crowd(PENDING, PENDING_PER_PEER)
        self.renew(pem)
        self._sweeping = every(reactor, _SWEEP_SECONDS, self._sweep, "sweep of the door")

    def __len__(self) -> int:
        return len(self._waiting)

    def renew(self, pem: Pem) -> None:
        """Shake hands with another certificate from now on.

        Raises:
            BadCertificate: See `hokm.tls`; nothing was changed.
        """
        options = server_options(pem.certificate, pem.key)
        self._tls = TLSMemoryBIOFactory(options, False, _Inside(self), self._clock)

    def close(self) -> None:
        """Drop all who wait, for good."""
        self._sweeping.stop()
        for pump in self._waiting:
            self._drop(pump)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Let somebody begin his handshake."""
        return self._tls.buildProtocol(addr)

    def come(self, peer: str) -> PlayerEnd:
        """Make a pump for a player who is about to shake hands; returns his end."""
        pump = Pump(reactor=self._clock, origin=peer, on_end=self._ended, on_shaken=self._shaken)
        displaced = self._waiting.add(pump, peer, self._clock.seconds())
        if displaced is not None:
            self._drop(displaced)
        return pump.player

    def _shaken(self, pump: Pump) -> None:
        if self._waiting.remove(pump):
            self._admit(pump)

    def _ended(self, pump: Pump) -> None:
        if not self._waiting.remove(pump):
            self._on_end(pump)

    def _sweep(self) -> None:
        for pump in self._waiting.since(self._clock.seconds() - HANDSHAKE_SECONDS):
            self._drop(pump)

    def _drop(self, pump: Pump) -> None:
        self._waiting.remove(pump)
        transport: Any = pump.player.transport
        transport.abortConnection()


class _Inside(Factory):
    """Makes what is inside of TLS."""

    noisy = False

    def __init__(self, door: Door) -> None:
        self._door = door

    def buildProtocol(self, addr: IAddress | None) -> PlayerEnd:
        return self._door.come(str(getattr(addr, "host", "")))
