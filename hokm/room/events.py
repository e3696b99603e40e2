"""What can happen in a room: the events of its log, and the record that carries them.

These are the log's own words, apart from the wire's: they hold secrets (decks, token hashes), and a
release may change what players are told without changing what old logs mean. Fields are only ever
added, at the end and with a default.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from hokm.game.cards import Card
from hokm.wire import Action, Level


class _Event(Struct, frozen=True, array_like=True, gc=False):
    pass


class Seated(_Event, frozen=True, tag="seated"):
    """A player took a free seat; `fresh` is the hash of the token he is sent.

    `connection` is the number of the connection he came by; 0 in logs of the first release.
    """

    seat: int
    name: str
    seed: str
    key: str
    fresh: str
    connection: int = 0


class Returned(_Event, frozen=True, tag="returned"):
    """A seat's own player is connected again, by `connection`."""

    seat: int
    fresh: str
    seed: str | None = None
    connection: int = 0


class Confirmed(_Event, frozen=True, tag="confirmed"):
    """The player has received his token; the one before it is void."""

    seat: int


class Away(_Event, frozen=True, tag="away"):
    """A player's connection is lost."""

    seat: int


class Vacated(_Event, frozen=True, tag="vacated"):
    """A seat became free."""

    seat: int
    reason: Literal["left", "kicked", "away"]


class BotSeated(_Event, frozen=True, tag="bot_seated"):
    """A bot took a free seat."""

    seat: int
    name: str
    level: Level


class StoodIn(_Event, frozen=True, tag="stood_in"):
    """A bot plays for an absent player from now on; `bot_at` as in `TurnBegan`."""

    seat: int
    bot_at: float | None


class Moved(_Event, frozen=True, tag="moved"):
    """A player moved to a free seat."""

    seat: int
    to: int


class ReadySet(_Event, frozen=True, tag="ready_set"):
    """A player said whether he is ready."""

    seat: int
    ready: bool


class HostSet(_Event, frozen=True, tag="host_set"):
    """Who the host is."""

    seat: int | None


class MatchBegan(_Event, frozen=True, tag="match_began"):
    """A match begins."""


class Drawn(_Event, frozen=True, tag="drawn"):
    """The first hakem was drawn; `swap` are two seats whose players changed places."""

    hakem: int
    start_seat: int
    cards: tuple[Card, ...]
    swap: tuple[int, int] | None


class HandBegan(_Event, frozen=True, tag="hand_began"):
    """A hand begins, with its whole deck; `redeal` numbers the deals of one hand from 0."""

    hakem: int
    dealer: int
    deck: tuple[Card, ...]
    redeal: int


class Dealt(_Event, frozen=True, tag="dealt"):
    """Players are told their cards: those before the call, or the `rest`."""

    rest: bool


class TurnBegan(_Event, frozen=True, tag="turn_began"):
    """Somebody's turn; times in room seconds."""

    seat: int
    action: Action
    deadline: float
    bot_at: float | None


class Trumped(_Event, frozen=True, tag="trumped"):
    """The hakem named the trump; `auto`: a bot or the clock did."""

    seat: int
    suit: int
    auto: bool


class Played(_Event, frozen=True, tag="played"):
    """A card was played; `auto`: by a bot or the clock."""

    seat: int
    card: Card
    auto: bool


class TrickTaken(_Event, frozen=True, tag="trick_taken"):
    """The trick went to `seat`."""

    seat: int


class HandEnded(_Event, frozen=True, tag="hand_ended"):
    """A team has its seven tricks; the next hand begins at `pause_until`."""

    pause_until: float
    next_hakem: int


class MatchEnded(_Event, frozen=True, tag="match_ended"):
    """A team reached the target."""

    winner: int


class Spoken(_Event, frozen=True, tag="spoken"):
    """Chat."""

    seat: int
    text: str


class Enqueued(_Event, frozen=True, tag="enqueued"):
    """In the lobby, somebody waits for a table; see `hokm.room.state.Ticket`."""

    name: str
    key: str
    seed: str
    connection: int


class Requeued(_Event, frozen=True, tag="requeued"):
    """Somebody who waits is connected again, by `connection`, under a new or the same key."""

    number: int
    key: str
    connection: int


class Missed(_Event, frozen=True, tag="missed"):
    """The connection of somebody who waits is lost."""

    number: int


class Dequeued(_Event, frozen=True, tag="dequeued"):
    """Somebody waits no more: he left, or was away too long."""

    number: int


class Met(_Event, frozen=True, tag="met"):
    """Some of those who wait have a table: its code, and the numbers of their tickets."""

    code: str
    numbers: tuple[int, ...]


Event: TypeAlias = (
    Seated
    | Returned
    | Confirmed
    | Away
    | Vacated
    | BotSeated
    | StoodIn
    | Moved
    | ReadySet
    | HostSet
    | MatchBegan
    | Drawn
    | HandBegan
    | Dealt
    | TurnBegan
    | Trumped
    | Played
    | TrickTaken
    | HandEnded
    | MatchEnded
    | Spoken
    | Enqueued
    | Requeued
    | Missed
    | Dequeued
    | Met
)


class Record(Struct, frozen=True, array_like=True, gc=False):
    """One command's events, the unit of the log.

    Attributes:
        time: Room time in seconds.
        seat: Whose command it was; None for the room's own.
        id: The command's id; 0 where it has none that counts.
        events: What happened, in order.
    """

    time: float
    seat: int | None
    id: int
    events: tuple[Event, ...]


_decoder = msgspec.json.Decoder(Record)
encode: Final = msgspec.json.Encoder().encode  # writes a record as the log keeps it


def decode(data: bytes) -> Record:
    """Read a record of the log.

    Raises:
        msgspec.DecodeError: It is not of this release. The caller leaves the room as it is.
    """
    return _decoder.decode(data)
