"""Where a connection goes whose room is not on this instance."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Final, TypeAlias

from msgspec import Struct

from hokm.fleet.lease import RENEWAL
from hokm.fleet.member import Member

MAX_HOPS: Final = 3  # a room that moves may be missed once or twice, not for ever
LATE: Final = 1.25  # renewals, since which an owner is not believed to be there


class Owner(Struct, frozen=True):
    """Who owns a room, as the store says it.

    Attributes:
        id: Of the instance.
        epoch: Of its claim.
        member: Its own words; None when its lease is over.
        left_s: Seconds that are left of its lease, by the store's clock.
    """

    id: str
    epoch: int
    member: Member | None = None
    left_s: float = 0.0


class Here(Struct, frozen=True):
    """This instance takes it: the room is its own, or nobody's."""


class There(Struct, frozen=True):
    """It is relayed to another instance."""

    member: Member


class Wait(Struct, frozen=True):
    """The owner seems to be dead: to be asked again after *seconds*, its lease's end at most."""

    seconds: float


class Nowhere(Struct, frozen=True):
    """It was relayed too often: its player comes again."""


Route: TypeAlias = Here | There | Wait | Nowhere


def choose(
    room: str,
    *,
    me: str,
    leaving: bool,
    owner: Owner | None,
    others: Collection[Member],
    hops: int,
    lease_s: float,
) -> Route:
    """Choose where a connection goes.

    Args:
        room: Room code.
        me: This instance's id.
        leaving: Whether this instance takes no rooms any more.
        owner: None where nobody owns the room.
        others: The other instances, as far as they are known to live.
        hops: How often the connection was relayed.
        lease_s: Length of a lease.
    """
    if owner is not None and owner.id != me and owner.member is not None:
        if owner.left_s < lease_s * (1 - LATE * RENEWAL):
            return Wait(owner.left_s)
        return There(owner.member) if hops < MAX_HOPS else Nowhere()
    takers = [member for member in others if member.state == "active"]
    if leaving and takers:
        if hops >= MAX_HOPS:
            return Nowhere()
        return There(max(takers, key=lambda member: _weight(room, member.id)))
    return Here()


def _weight(room: str, instance: str) -> int:
    """Say how much *room* wants to be on *instance*; the same in every process and release."""
    return int.from_bytes(blake2b(f"{room}/{instance}".encode(), digest_size=8).digest(), "big")
