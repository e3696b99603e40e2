"""This instance's place in the fleet: its lease, kept alive, and what is known of the others.

The invariant: this instance's workers answer only while its lease surely lives; the store gives
its rooms to nobody else before the lease is over (`hokm/store/claim.lua`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from hokm.fleet import Lease, Member, Owner, State
from hokm.fleet.lease import RENEWAL
from hokm.store.registry import IdTaken, Registry
from hokm.store.store import StoreAway
from hokm.supervisor.identity import Identity
from hokm.supervisor.status import VERSION, MemberStatus
from hokm.tasks import run

_log = Logger()

LOOK_SECONDS: Final = 0.5  # between two looks at who is in the fleet, at least
RETRY_SECONDS: Final = 0.25  # after a renewal that failed


class Load(Struct, frozen=True):
    """How much an instance has to do."""

    workers: int
    rooms: int
    connections: int


class Fleet:
    """Membership of a fleet.

    Attributes:
        identity: Of this instance.
        lease: Its lease.
        others: The other instances whose leases lived when ours was renewed last.
        state: `leaving` once it takes no rooms any more.
    """

    def __init__(
        self,
        *,
        clock: Any,
        registry: Registry,
        identity: Identity,
        lease_s: float,
        advertise: Callable[[str], str],
        load: Callable[[], Load],
        on_renewed: Callable[[float, bool], None],
        on_taken: Callable[[str], None],
    ) -> None:
        """Make a fleet of which this instance is no member yet.

        Args:
            advertise: Makes HOST:PORT for the others, given the address by which this host
                reaches the store.
            on_renewed: Is told when the lease was asked for, by CLOCK_BOOTTIME in seconds, and
                whether there was none before.
            on_taken: Is told that another server has this instance's id.
        """
        self.identity = identity
        self.lease = Lease(lease_s)
        self.others: tuple[Member, ...] = ()
        self.state: State = "active"
        self._clock = clock
        self._registry = registry
        self._advertise = advertise
        self._load = load
        self._on_renewed = on_renewed
        self._on_taken = on_taken
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._me: Member | None = None  # as we told it last
        self._taken_s: float | None = None  # left of the other's lease, when we looked last
        self._next: IDelayedCall | None = None
        self._stopped = False

    # --- lease ----------------------------------------------------------------------------

    def start(self) -> None:
        """Get the lease, as soon as the store answers, and keep it."""
        run(self._keep(), "the lease")

    def stop(self) -> None:
        """Keep the lease no longer."""
        self._stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    @property
    def leaves(self) -> bool:
        """Whether this instance takes no rooms any more."""
        return self.state == "leaving"

    @property
    def holds(self) -> bool:
        """Whether this instance has its lease."""
        return self.lease.holds(now())

    @property
    def age_s(self) -> float:
        """Seconds since the lease was renewed; of one that never was, since the machine started."""
        return now() - max(0.0, self.lease.asked)

    async def _keep(self) -> None:
        """Renew the lease, and see to it that this is done again."""
        asked = now()
        renewed = await self.renew()
        wait = RENEWAL * self.lease.seconds - (now() - asked) if renewed else RETRY_SECONDS
        if not self._stopped:
            self._next = self._clock.callLater(max(0.0, wait), self.start)

    async def renew(self) -> bool:
        """Renew the lease; False where that did not work now, for whatever reason."""
        try:
            return await self._renew()
        except Exception:  # noqa: BLE001 - who keeps the lease, leaves or ends has more to do
            _log.failure("the lease was not renewed")
            return False

    async def _renew(self) -> bool:
        asked = now()
        try:
            renewal = await self._registry.renew(self._describe, self.lease.seconds)
        except StoreAway:
            return False
        except IdTaken as taken:
            self._refused(taken.left_s)
            return False
        self._taken_s = None
        self.others = renewal.others
        if self.lease.renewed(asked, now(), anew=renewal.anew):
            _log.info("instance {id} has its lease", id=self.identity.id)
        self._on_renewed(asked, renewal.anew)
        return True

    def _refused(self, left_s: float) -> None:
        """Wait for the end of another server's lease on our id, or end where that server lives."""
        before, self._taken_s = self._taken_s, left_s
        if before is None:
            _log.warn("instance {id}: waits for the lease of another server", id=self.identity.id)
        elif left_s > before:
            self._on_taken(
                f"another hokm is instance {self.identity.id} on this store;"
                " give each its own state_dir, or its own instance_id"
            )

    async def leave(self) -> None:
        """Take no new rooms any more, and let the others know at once, if that can be."""
        self.state = "leaving"
        await self.renew()

    async def quit(self) -> None:
        """End the lease: whoever is asked for one of our rooms may claim it from now on."""
        self.stop()
        try:
            await self._registry.quit(self.identity.id, self.identity.holder)
        except StoreAway:
            pass  # then it ends by itself
        except Exception:  # noqa: BLE001 - the program ends, and has more to do
            _log.failure("the lease was not given up")

    def _describe(self, host: str) -> Member:
        load = self._load()
        self._me = Member(
            id=self.identity.id,
            holder=self.identity.holder,
            address=self._advertise(host),
            source=host,
            version=VERSION,
            state=self.state,
            workers=load.workers,
            rooms=load.rooms,
            connections=load.connections,
            started=self._started,
        )
        return self._me

    # --- the others -----------------------------------------------------------------------

    async def locate(self, room: str) -> Owner | None:
        """Say which instance owns a room; fails with `StoreAway`."""
        return await self._registry.locate(room)

    async def give_up(self, room: str, owner: Owner) -> None:
        """Let others have a room that is ours and on no worker; fails with `StoreAway`."""
        await self._registry.give_up(room, owner.epoch)

    def all(self) -> tuple[MemberStatus, ...]:
        """Return all instances whose leases live, by id; this one only while it has its own."""
        here = (self._me,) if self._me is not None and self.holds else ()
        return tuple(
            MemberStatus(
                id=member.id,
                address=member.address,
                version=member.version,
                state=member.state,
                workers=member.workers,
                rooms=member.rooms,
                connections=member.connections,
                started=member.started,
            )
            for member in sorted((*here, *self.others), key=lambda member: member.id)
        )

    def is_member(self, address: str) -> bool:
        """Say whether a numeric address is that of another instance, whose word counts.

        Who is not known may be new: the others are looked at again, for the next time.
        """
        if any(address in (member.source, member.endpoint()[0]) for member in self.others):
            return True
        if now() - self.lease.asked > LOOK_SECONDS and not self._stopped:
            run(self.renew(), "a look at the fleet")
        return False


def now() -> float:
    """Return the time of the lease's clock, which workers share and which counts in a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
