"""A step: what one decision of a table waits to have stored, and what it releases then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from hokm.room.state import Room
from hokm.store.store import Entry


@dataclass(frozen=True, slots=True)
class Ending:
    """The close of a connection, after all that was to be sent before it."""

    code: int
    reason: str


class Probe:
    """A ping after all that was to be sent before it; its answer is a `confirm` to the table."""


class Recipient(ABC):
    """A connection as a table sees it: a class, since a call of a protocol's method costs more.

    Attributes:
        number: Its number, which no other connection has.
        seat: Its seat; None for a spectator's, and before it has one.
        dismissed: Whether it has lost its place at the table.
        watching: Whether it has a spectator's place.
    """

    __slots__ = ("dismissed", "number", "seat", "watching")

    number: int
    seat: int | None
    dismissed: bool
    watching: bool

    @abstractmethod
    def put(self, output: bytes | Probe | Ending) -> bool:
        """Take what the next `flush` is to do: send frames, ping, close; in this order.

        Returns:
            Whether there was nothing for it to do before.
        """

    @abstractmethod
    def flush(self) -> None:
        """Do what was put."""

    @abstractmethod
    def admit(self, seat: int | None) -> None:
        """Be a player on *seat* from now on, or (None) a spectator."""

    @abstractmethod
    def take_up(self, seat: int | None) -> None:
        """Have, as before, *seat* or (None) a spectator's place, at a table opened here."""

    @abstractmethod
    def dismiss(self) -> None:
        """Belong to the table no more: what still arrives is ignored."""

    @abstractmethod
    def turned_away(self, code: str) -> None:
        """Hear that the `join` was refused, by which of `wire.ERRORS`."""


class Source(Protocol):
    """Where steps come from: a table.

    Attributes:
        code: Room code.
        pending: Steps that were submitted and are not released yet.
    """

    code: str
    pending: int

    def secure(self) -> None:
        """Have the whole room stored: is it still ours, and does the store have all of it?"""


Output: TypeAlias = tuple[Recipient, bytes | Probe | Ending]
Tally: TypeAlias = tuple[str, float | str]  # what, and how much; or ("refused", the code)


class Step:
    """What one decision leads to.

    Attributes:
        table: Whose decision it is.
        room: The room after it, for a snapshot should the store have lost what came before.
        entry: For the store; None where nothing happened that is to be kept.
        outputs: What is sent once it is stored, in order.
        counts: What is counted then: see `Tally`.
        asked: When the command came, in seconds of the worker's clock; None for the room's own.
        released: Is called when the step was released.
    """

    __slots__ = ("asked", "counts", "entry", "outputs", "released", "room", "table")

    def __init__(
        self,
        table: Source,
        room: Room,
        entry: Entry | None,
        outputs: list[Output],
        counts: Sequence[Tally] = (),
        asked: float | None = None,
        released: Callable[[], None] | None = None,
    ) -> None:
        self.table = table
        self.room = room
        self.entry = entry
        self.outputs = outputs
        self.counts = counts
        self.asked = asked
        self.released = released
