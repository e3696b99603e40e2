"""Connections whose room is not here: who has it, and what becomes of them.

The store is asked for each of them; nothing is remembered, so nothing can be stale. The
invariant: each of their sockets is handed on, relayed or closed within `Seeker.patience` seconds.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm.control.refusal import turn_away
from hokm.fleet import Here, Nowhere, Route, There, Wait, choose
from hokm.metrics import Metrics
from hokm.origin import Origin
from hokm.store.store import StoreAway
from hokm.supervisor.fleet import Fleet
from hokm.supervisor.head import Head
from hokm.tasks import run

_log = Logger()

MAX_WAITING: Final = 2000
WAIT_SECONDS: Final = 0.5  # at most, until a dead owner's lease is looked at again
MARGIN_SECONDS: Final = 0.05  # after its end
PATIENCE_SECONDS: Final = 5.0  # beyond a lease's length


class Relay(Protocol):
    """Who carries a connection to another instance."""

    def __call__(self, sock: socket.socket, *, origin: str, to: tuple[str, int], hops: int) -> None:
        """Take a socket that nobody has read from.

        Args:
            origin: The player's address.
            to: Host and port of the other instance.
            hops: How many instances have relayed it to here.
        """


class Seeker:
    """Finds, for each connection, the instance of its room.

    Attributes:
        relayed: How many connections went to other instances.
    """

    def __init__(
        self,
        *,
        clock: Any,
        fleet: Fleet,
        is_here: Callable[[str], bool],
        take: Callable[[Head, socket.socket, Origin], None],
        relay: Relay,
        metrics: Metrics,
    ) -> None:
        """Make a seeker for whom nobody waits.

        Args:
            is_here: Says of a room code whether a worker of this instance has the room.
            take: Takes a connection whose room is here from now on.
        """
        self._clock = clock
        self._fleet = fleet
        self._is_here = is_here
        self._take = take
        self._relay = relay
        self._metrics = metrics
        self._waiting: dict[socket.socket, Origin] = {}
        self._open = True
        self.relayed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def patience(self) -> float:
        """Seconds that a connection waits at most."""
        return self._fleet.lease.seconds + PATIENCE_SECONDS

    def waiting(self) -> list[tuple[socket.socket, Origin]]:
        """Return the connections that wait, unread."""
        return list(self._waiting.items())

    def seek(self, head: Head, sock: socket.socket, origin: Origin) -> None:
        """Take a connection whose room is not here; the socket is ours."""
        if len(self._waiting) >= MAX_WAITING or not self._open:
            self._refuse(sock)
            return
        self._waiting[sock] = origin
        run(self._seek(head, sock, origin), "the search for a room", room=head.room_code)

    def stop(self) -> None:
        """Let nobody wait any more."""
        self._open = False
        for sock in self._waiting:
            self._refuse(sock)
        self._waiting.clear()

    async def _seek(self, head: Head, sock: socket.socket, origin: Origin) -> None:
        route: Route = Nowhere()
        try:
            route = await self._find(head, origin.hops)
        finally:
            if sock in self._waiting:  # else the program ends
                del self._waiting[sock]
                self._settle(head, sock, origin, route)

    async def _find(self, head: Head, hops: int) -> Route:
        """Find out where a connection goes; `Wait` where that took too long."""
        until = self._clock.seconds() + self.patience
        route: Route = Wait(0.0)
        while isinstance(route, Wait) and self._clock.seconds() < until:
            route = await self._route(head, hops)
            if isinstance(route, Wait):
                seconds = min(route.seconds + MARGIN_SECONDS, WAIT_SECONDS)
                await deferLater(self._clock, seconds)
        return route

    def _settle(self, head: Head, sock: socket.socket, origin: Origin, route: Route) -> None:
        match route:
            case Here():
                self._take(head, sock, origin)
            case There(member=member):
                self.relayed += 1
                self._metrics.relays.inc()
                peer = origin.address or peer_address(sock)
                self._relay(sock, origin=peer, to=member.endpoint(), hops=origin.hops)
            case Wait() | Nowhere():
                self._refuse(sock)

    async def _route(self, head: Head, hops: int) -> Route:
        """Find out where a connection goes, as things are now."""
        fleet, room = self._fleet, head.room_code
        assert room is not None
        leaving = fleet.state == "leaving"
        try:
            owner = await fleet.locate(room)
            if self._is_here(room):
                return Here()  # by now
            if leaving and owner is not None and owner.id == fleet.identity.id:
                await fleet.give_up(room, owner)
        except StoreAway:
            # Here the table waits for the store, where its players can see it.
            return Wait(WAIT_SECONDS) if leaving else Here()
        return choose(
            room,
            me=fleet.identity.id,
            leaving=leaving,
            owner=owner,
            others=fleet.others,
            hops=hops,
            lease_s=fleet.lease.seconds,
        )

    def _refuse(self, sock: socket.socket) -> None:
        self._metrics.connections_refused.labels("no_owner").inc()
        turn_away(sock, 503, "Service Unavailable")


def peer_address(sock: socket.socket) -> str:
    """Return the address of a socket's other end; empty where it is gone."""
    try:
        return str(sock.getpeername()[0])
    except OSError:
        return ""
