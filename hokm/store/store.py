"""What the program asks of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.internet.defer import Deferred


class StoreAway(Exception):
    """The store cannot be reached, or did not answer in time.

    Whether it did what it was asked is not known. The caller asks again later: all that this
    protocol offers may be repeated.
    """


class OwnedElsewhere(Exception):
    """Another instance owns the room, and lives. The caller lets go of the room's players.

    Attributes:
        instance: Its id.
    """

    def __init__(self, instance: str) -> None:
        super().__init__(f"instance {instance} owns the room")
        self.instance = instance


@dataclass(init=False, slots=True)
class Entry:
    """One record for the log of one room.

    Attributes:
        epoch: Of the claim under which it is written.
        position: Records that the log must hold before it.
        record: The record.
        snapshot: If given, replaces the room's snapshot and empties its log; the position need not
            fit then.
        hands: Finished hands for the room's history.
    """

    room: str
    epoch: int
    position: int
    record: bytes
    snapshot: bytes | None
    hands: tuple[bytes, ...]

    def __init__(
        self,
        room: str,
        epoch: int,
        position: int,
        record: bytes,
        snapshot: bytes | None = None,
        hands: tuple[bytes, ...] = (),
    ) -> None:
        self.room = room
        self.epoch = epoch
        self.position = position
        self.record = record
        self.snapshot = snapshot
        self.hands = hands


class Verdict(Enum):
    """What became of an entry."""

    DONE = 0  # it is stored, now or by an earlier try
    LOST = 1  # the room has another owner: it is dropped
    GAP = 2  # the store has lost the end of the log: to be sent again with a snapshot


@dataclass(frozen=True, slots=True)
class Claimed:
    """A room as the store holds it, and the claim on it.

    Attributes:
        epoch: Writes with a lower one are refused from now on.
        position: Records written since the room was made.
        records: Those since the snapshot, oldest first.
    """

    epoch: int
    position: int
    snapshot: bytes
    records: tuple[bytes, ...]


class Store(Protocol):
    """A store. Each method fails with `StoreAway` while the store cannot be reached."""

    async def create(self, room: str, snapshot: bytes) -> bool:
        """Make a room; False when there is one by that code already."""

    async def claim(self, room: str, owner: str) -> Claimed | None:
        """Become the owner of a room and read it; None when there is no such room.

        Args:
            owner: Who claims, for people who look.

        Raises:
            OwnedElsewhere: See there; only in a fleet.
        """

    async def read(self, room: str) -> Claimed | None:
        """Read a room as `claim` does, and leave it its owner; None when there is no such room."""

    async def release(self, room: str, epoch: int) -> None:
        """Make a room nobody's, if it still is the caller's: another instance may claim it.

        Args:
            epoch: Of the caller's claim.
        """

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        """Write entries in one call; the verdicts come in their order.

        Entries of different rooms do not affect each other. Without entries it asks whether the
        store answers.
        """

    async def hands(self, room: str) -> list[bytes] | None:
        """Return the finished hands of a room, oldest first; None when there is no such room."""

    def close(self) -> None:
        """Let go of the store."""
