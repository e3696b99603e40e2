"""The state of a room: seats, match, hand and clock, one frozen value that is a fold of its log."""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from hokm.game import fair
from hokm.game.cards import Card
from hokm.game.match import Match
from hokm.game.values import Hand
from hokm.wire import Action, HandResult, TableOptions

Phase: TypeAlias = Literal["lobby", "call", "play", "hand_over", "match_over"]
SEATS: Final = 4
SNAPSHOT_VERSION: Final = 1
SKIPPED_IDS: Final = 16  # refused ids remembered per seat; more than a client has in flight


class Chance(Protocol):
    """The randomness a room needs; in a worker the operating system's, in a test a seeded one."""

    def random(self) -> float:
        """Return a float in [0, 1)."""

    def randrange(self, stop: int, /) -> int:
        """Return an int in [0, stop)."""

    def randbytes(self, n: int, /) -> bytes:
        """Return *n* random bytes."""


class Seat(Struct, frozen=True, gc=False):
    """Who sits on a seat.

    Attributes:
        key: SHA-256 (hex) of the token that opens the seat; empty where none does yet.
        fresh: SHA-256 of the token sent last. It opens the seat too, and becomes `key` once the
            player is known to have it, so that a welcome lost in a crash locks nobody out.
        seed: The player's share of the shuffle, hex, or empty.
        last_id: The player's last command that was done.
        skipped: Ids below `last_id` that were refused.
        away_since: Room time in seconds at which the connection was lost; None while connected.
        connection: Number of the connection that holds the seat, 0 while none does. Whoever takes
            the room over, after a move or a crash, knows by it whose socket is whose.
        said: Room times of the latest chat messages, oldest first.
    """

    name: str
    bot: bool = False
    level: Literal["easy", "normal"] = "normal"
    key: str = ""
    fresh: str | None = None
    seed: str = ""
    last_id: int = 0
    skipped: tuple[int, ...] = ()
    ready: bool = False
    away_since: float | None = None
    connection: int = 0
    stand_in: bool = False
    said: tuple[float, ...] = ()

    @property
    def present(self) -> bool:
        """Say whether a person sits here who is connected."""
        return not self.bot and self.away_since is None

    @property
    def by_bot(self) -> bool:
        """Say whether a bot acts for this seat."""
        return self.bot or self.stand_in


class Turn(Struct, frozen=True, gc=False):
    """Whose turn it is. Times are room time, in seconds.

    Attributes:
        deadline: When the clock acts for him.
        bot_at: When the bot on this seat acts; None for a person.
    """

    seat: int
    action: Action
    deadline: float
    bot_at: float | None = None


class Ticket(Struct, frozen=True, gc=False):
    """Somebody who waits in the lobby for a table. Times are room time, in seconds.

    Attributes:
        number: Rises by one with each who comes.
        key: SHA-256 (hex) of the token that brings the place back.
        seed: The player's share of the shuffle, hex, or empty.
        since: When he came.
        connection: Number of the connection that holds the place, 0 while none does.
        away_since: When the connection was lost; None while connected.
    """

    number: int
    name: str
    key: str
    seed: str
    since: float
    connection: int
    away_since: float | None = None


class Meeting(Struct, frozen=True, gc=False):
    """A table that was found, remembered for those who did not hear of it.

    Attributes:
        keys: As of their tickets.
        time: Room time of the meeting, in seconds.
    """

    code: str
    keys: tuple[str, ...]
    time: float


class Queue(Struct, frozen=True, kw_only=True, gc=False):
    """What only the lobby's room has.

    Attributes:
        fill_seconds: One bot more may sit down after each so long a wait.
        last: Number of the last ticket.
        waiting: In the order of their coming.
        met: Lately, oldest first.
    """

    fill_seconds: float
    last: int = 0
    waiting: tuple[Ticket, ...] = ()
    met: tuple[Meeting, ...] = ()


class Room(Struct, gc=False):
    """A room: a value that only `hokm.room.evolve` changes, and there only a copy of its own.

    Attributes:
        root: End of the hash chain of secrets (hex, 32 bytes), see `hokm.game.fair`.
        link: How many secrets of the chain are used up.
        promise: The commitment of the hand under way, or to come; empty in a room of an earlier
            release. To find it anew, when everybody comes back at once, is a walk of the chain.
        host_key: SHA-256 (hex) of the creator's token.
        seq: Number of the last event that players were told.
        time: Room time in seconds, of the last record. It stands still while nobody is there,
            while the store is away and while the room moves.
        past: Refused decks of this hand.
        seeds: Each seat's share in the shuffles of this hand, empty where it gave none. Those of a
            first hand are taken before its draw; whoever moves or comes back later changes nothing.
        draw_cards, start_seat: The draw of the first hakem, kept for the first hand's proof.
        pause_until: Room time at which the next hand begins.
        began: Room time at which the match began, for its duration.
        public: Whether everybody may be shown the table.
        queue: Who waits for a table, in the lobby; None everywhere else.
    """

    code: str
    options: TableOptions
    root: str
    host_key: str
    link: int = 0
    promise: str = ""
    seq: int = 0
    time: float = 0.0
    seats: tuple[Seat | None, ...] = (None,) * SEATS
    host: int | None = None
    phase: Phase = "lobby"
    match_no: int = 0
    match: Match | None = None
    hand: Hand | None = None
    turn: Turn | None = None
    refused: tuple[tuple[Card, ...], ...] = ()
    seeds: tuple[str, ...] = ()
    draw_cards: tuple[Card, ...] = ()
    start_seat: int | None = None
    result: HandResult | None = None
    pause_until: float | None = None
    began: float = 0.0
    public: bool = False
    queue: Queue | None = None

    def seat(self, number: int) -> Seat:
        """Return an occupied seat; asking for an empty one is a fault of the caller."""
        seat = self.seats[number]
        assert seat is not None
        return seat

    @property
    def playing(self) -> bool:
        """Say whether a match is under way."""
        return self.phase in ("call", "play", "hand_over")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the players' names by seat; empty seats are empty texts."""
        return tuple(seat.name if seat else "" for seat in self.seats)

    @property
    def searching(self) -> tuple[int, ...]:
        """Return the connections of those who wait here for a table."""
        waiting = () if self.queue is None else self.queue.waiting
        return tuple(ticket.connection for ticket in waiting if ticket.connection)

    def seat_of(self, connection: int) -> int | None:
        """Return the seat that a connection holds; None when it holds none."""
        for number, seat in enumerate(self.seats):
            if connection and seat is not None and seat.connection == connection:
                return number
        return None

    def seat_seeds(self) -> tuple[str, ...]:
        """Return the seeds of those who sit here now; empty where there is none."""
        return tuple(seat.seed if seat else "" for seat in self.seats)

    def secret(self) -> bytes:
        """Return the secret of the hand under way, or to come."""
        return fair.secret(bytes.fromhex(self.root), self.link + 1)

    def revealed(self) -> bytes:
        """Return the secret of the hand that ended last."""
        return fair.secret(bytes.fromhex(self.root), self.link)

    def commitment(self) -> str:
        """Return the SHA-256 (hex) of the secret of the hand under way, or to come."""
        return self.promise or fair.commitment(self.secret())


class Snapshot(Struct, frozen=True):
    """What the store holds of a room."""

    version: int
    room: Room


_snapshot_decoder = msgspec.json.Decoder(Snapshot)


class UnknownSnapshot(Exception):
    """A snapshot of a newer release, or none at all. The caller leaves the room as it is."""


def freeze(room: Room) -> bytes:
    """Write *room* as the store keeps it."""
    return msgspec.json.encode(Snapshot(SNAPSHOT_VERSION, room))


def thaw(data: bytes) -> Room:
    """Read what `freeze` wrote.

    Raises:
        UnknownSnapshot: It is not of this release.
    """
    try:
        snapshot = _snapshot_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UnknownSnapshot(str(error)) from error
    if snapshot.version != SNAPSHOT_VERSION:
        raise UnknownSnapshot(f"version {snapshot.version}, known is {SNAPSHOT_VERSION}")
    return snapshot.room
