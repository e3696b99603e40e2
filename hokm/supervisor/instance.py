"""This server as one of a fleet: its lease, the connections of rooms elsewhere, and how it leaves.

Nothing of it is there where the server has a store of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import msgspec

from hokm.config import Settings
from hokm.control import messages as m
from hokm.metrics import Metrics
from hokm.store.redis import RedisStore
from hokm.store.registry import Registry
from hokm.supervisor.fleet import Fleet, Load
from hokm.supervisor.identity import Identity
from hokm.supervisor.leaving import Leaving
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.seeker import Relay, Seeker
from hokm.supervisor.status import InstanceStatus


class Instance:
    """What a supervisor is in a fleet.

    Attributes:
        fleet: Its membership.
        leaving: How it ends.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        settings: Settings,
        identity: Identity,
        store: RedisStore,
        port: int,
        pool: Pool,
        routing: Routing,
        relay: Relay,
        metrics: Metrics,
        give_up: Callable[[str], None],
    ) -> None:
        """Be no member yet.

        Args:
            port: The public one.
            give_up: Ends the program, with a reason: another server has this one's id.
        """
        self._settings = settings
        self._port = port
        self._pool = pool
        self._routing = routing
        self._metrics = metrics
        self.fleet = Fleet(
            clock=reactor,
            registry=Registry(store),
            identity=identity,
            lease_s=settings.lease_seconds,
            advertise=self._advertise,
            load=self._load,
            on_renewed=self._renewed,
            on_taken=give_up,
        )
        self.leaving = Leaving(reactor=reactor, fleet=self.fleet, routing=routing, pool=pool)
        routing.seeker = self._seeker = Seeker(
            clock=reactor,
            fleet=self.fleet,
            is_here=routing.is_here,
            take=routing.take,
            relay=relay,
            metrics=metrics,
        )

    def _advertise(self, host: str) -> str:
        """Say where the other instances reach our public port.

        Args:
            host: Numeric address by which this host reaches the store; empty: on this machine.
        """
        settings = self._settings
        if settings.advertise is not None:
            return settings.advertise
        if settings.listen.interface not in ("", "0.0.0.0", "::"):  # noqa: S104 - compared
            host = settings.listen.interface
        host = host or "127.0.0.1"
        return f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"

    def _load(self) -> Load:
        return Load(
            workers=len(self._pool.active),
            rooms=self._routing.placement.rooms,
            connections=len(self._routing.connections),
        )

    # --- life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Get the lease and keep it."""
        self.fleet.start()

    def configure(self, configuration: m.Configure) -> m.Configure:
        """Add to what a worker is told at its start."""
        lease = self.fleet.lease
        return msgspec.structs.replace(
            configuration,
            instance=self.fleet.identity.id,
            lease_s=lease.seconds,
            leased_at=lease.asked,
        )

    def _renewed(self, asked: float, anew: bool) -> None:
        for worker in self._pool:
            worker.tell(m.Leased(asked=asked, anew=anew))

    def turn_all_away(self) -> None:
        """Let nobody wait any more: the program ends."""
        self._seeker.stop()

    async def leave_at_end(self) -> None:
        """Leave the rooms to others, as far as time allows: the program ends."""
        await self.leaving.leave_at_end(self._settings.stop_seconds / 2)

    async def quit(self, *, comes_back: bool) -> None:
        """End the lease; or, for a program that *comes back* at once, let it run on."""
        if comes_back:
            self.fleet.stop()
            await self.fleet.renew()
        else:
            await self.fleet.quit()

    # --- how it is ------------------------------------------------------------------------

    def unhealthy(self) -> tuple[str, ...]:
        """Return why players cannot be served now, as far as the fleet goes."""
        if not self.fleet.holds:
            return ("this instance has no lease",)
        is_idle = not (self.leaving.under_way or self._routing.placement.rooms)
        if self.fleet.state == "leaving" and is_idle:
            return ("this instance has left its fleet",)
        return ()

    def unready(self) -> tuple[str, ...]:
        """Return why new players should go elsewhere, as far as the fleet goes."""
        if self.fleet.state == "leaving":
            return ("this instance leaves its fleet",)
        return ()

    def status(self) -> InstanceStatus:
        """Say how it is."""
        fleet = self.fleet
        return InstanceStatus(
            id=fleet.identity.id,
            host=socket.gethostname(),
            state=fleet.state,
            lease_s=fleet.lease.seconds,
            lease_age_s=round(fleet.age_s, 3),
            has_lease=fleet.holds,
            relays=self._seeker.relayed,
        )

    def measure(self) -> None:
        """Set the gauges."""
        self._metrics.instances.set(len(self.fleet.all()))
        self._metrics.lease_age.set(self.fleet.age_s)
