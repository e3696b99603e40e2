"""The state of a room: seats, match, hand and clock, one frozen value that is a fold of its log.

Of its classes, and why some types are quoted, `hokm.game.values` tells.
"""

# ruff: noqa: UP037 - see above

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

import msgspec
from mypy_extensions import mypyc_attr

from hokm.game import fair
from hokm.game.match import Match
from hokm.game.values import Cards, Hand, read_as
from hokm.room.tickets import Queue
from hokm.wire import Action, HandResult, Level, TableOptions

Phase: TypeAlias = Literal["lobby", "call", "play", "hand_over", "match_over"]
Number: TypeAlias = int | None
Time: TypeAlias = float | None
Text: TypeAlias = str | None
Numbers: TypeAlias = tuple[int, ...]
Times: TypeAlias = tuple[float, ...]
Texts: TypeAlias = tuple[str, ...]
Decks: TypeAlias = tuple[Cards, ...]
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


@mypyc_attr(acyclic=True)
@dataclass(slots=True)
class Seat:
    """Who sits on a seat. Never changed once it is part of a room.

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
    level: "Level" = "normal"
    key: str = ""
    fresh: "Text" = None
    seed: str = ""
    last_id: int = 0
    skipped: "Numbers" = ()
    ready: bool = False
    away_since: "Time" = None
    connection: int = 0
    stand_in: bool = False
    said: "Times" = ()

    def credited(self, last_id: int, skipped: Numbers) -> Seat:
        """Return the seat as it is after one more command; `replace` takes ten times as long."""
        seat: Seat = Seat.__new__(Seat)
        seat.name = self.name
        seat.bot = self.bot
        seat.level = self.level
        seat.key = self.key
        seat.fresh = self.fresh
        seat.seed = self.seed
        seat.last_id = last_id
        seat.skipped = skipped
        seat.ready = self.ready
        seat.away_since = self.away_since
        seat.connection = self.connection
        seat.stand_in = self.stand_in
        seat.said = self.said
        return seat

    @property
    def present(self) -> bool:
        """Say whether a person sits here who is connected."""
        return not self.bot and self.away_since is None

    @property
    def by_bot(self) -> bool:
        """Say whether a bot acts for this seat."""
        return self.bot or self.stand_in


@mypyc_attr(acyclic=True)
@dataclass(init=False, slots=True)
class Turn:
    """Whose turn it is. Times are room time, in seconds. Never changed once made.

    Attributes:
        deadline: When the clock acts for him.
        bot_at: When the bot on this seat acts; None for a person.
    """

    seat: int
    action: "Action"
    deadline: float
    bot_at: "Time" = None

    def __init__(self, seat: int, action: Action, deadline: float, bot_at: Time = None) -> None:
        self.seat = seat
        self.action = action
        self.deadline = deadline
        self.bot_at = bot_at


read_as(Seat, skipped=Numbers, said=Times)
Seats: TypeAlias = tuple[Seat | None, ...]
_Match: TypeAlias = Match | None
_Hand: TypeAlias = Hand | None
_Turn: TypeAlias = Turn | None
_Result: TypeAlias = HandResult | None
_Queue: TypeAlias = Queue | None


@mypyc_attr(acyclic=True)
@dataclass(slots=True)
class Room:
    """A room: a value that only `hokm.room.evolve` changes, and there only a copy of its own.

    Attributes:
        root: End of the hash chain of secrets (hex, 32 bytes), see `hokm.game.fair`.
        link: How many secrets of the chain are used up.
        promise: The commitment of the hand under way, or to come; empty in a room of an earlier
            release. To find it anew, when everybody comes back at once, is a walk of the chain.
        host_key: SHA-256 (hex) of the creator's token.
        seq: Number of the last event that players were told.
        time: Room time in seconds, of the last record. It stands still while no player is there,
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
    seats: "Seats" = (None,) * SEATS
    host: "Number" = None
    phase: "Phase" = "lobby"
    match_no: int = 0
    match: "_Match" = None
    hand: "_Hand" = None
    turn: "_Turn" = None
    refused: "Decks" = ()
    seeds: "Texts" = ()
    draw_cards: "Cards" = ()
    start_seat: "Number" = None
    result: "_Result" = None
    pause_until: "Time" = None
    began: float = 0.0
    public: bool = False
    queue: "_Queue" = None

    def at(self, time: float) -> Room:
        """Return a copy with its clock at *time*, room seconds; `replace` takes ten times as long.

        What it holds is shared: no part of a room is ever changed.
        """
        room: Room = Room.__new__(Room)
        room.code = self.code
        room.options = self.options
        room.root = self.root
        room.host_key = self.host_key
        room.link = self.link
        room.promise = self.promise
        room.seq = self.seq
        room.time = time
        room.seats = self.seats
        room.host = self.host
        room.phase = self.phase
        room.match_no = self.match_no
        room.match = self.match
        room.hand = self.hand
        room.turn = self.turn
        room.refused = self.refused
        room.seeds = self.seeds
        room.draw_cards = self.draw_cards
        room.start_seat = self.start_seat
        room.result = self.result
        room.pause_until = self.pause_until
        room.began = self.began
        room.public = self.public
        room.queue = self.queue
        return room

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


read_as(Room, seats=Seats, refused=Decks, seeds=Texts, draw_cards=Cards)


@dataclass(frozen=True, slots=True)
class Snapshot:
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
