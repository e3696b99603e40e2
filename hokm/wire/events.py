"""What the server tells: events, numbered without a gap, and notices."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from hokm.game.proof import Proof
from hokm.wire.values import Action, CardName, SuitName


class _Event(Struct, frozen=True, tag_field="type", omit_defaults=True, gc=False):
    seq: int


class PlayerJoined(_Event, frozen=True, tag="player_joined"):
    """A player took a seat; `back`: the seat's own player has returned to it."""

    seat: int
    name: str
    back: bool = False


class PlayerLeft(_Event, frozen=True, tag="player_left"):
    """`away`: the connection is lost, the seat is kept. `left` and `kicked`: it is free."""

    seat: int
    name: str
    reason: Literal["away", "left", "kicked"]


class BotJoined(_Event, frozen=True, tag="bot_joined"):
    """A bot took a seat, or (`stand_in`) plays for its absent owner until he is back."""

    seat: int
    name: str
    level: str
    stand_in: bool = False


class SeatChanged(_Event, frozen=True, tag="seat_changed"):
    """A player moved to another seat."""

    seat: int
    to: int


class PlayerReady(_Event, frozen=True, tag="player_ready"):
    """A player is ready, or no longer."""

    seat: int
    ready: bool


class HostChanged(_Event, frozen=True, tag="host_changed"):
    """Another player is the host."""

    seat: int


class MatchStarted(_Event, frozen=True, tag="match_started"):
    """A match begins; `commitment` binds the draw and the first hand."""

    match_no: int
    names: tuple[str, ...]
    commitment: str


class HakemDrawn(_Event, frozen=True, tag="hakem_drawn"):
    """The first hakem and the cards turned up for him, the first one to `start_seat`.

    `swap`: with `ace_partner`, the two seats whose players changed places.
    """

    hakem: int
    start_seat: int
    cards: tuple[CardName, ...]
    swap: tuple[int, int] | None = None


class HandStarted(_Event, frozen=True, tag="hand_started"):
    """A hand begins; `commitment` is the SHA-256 of the secret that `proof` will reveal."""

    hand_no: int
    hakem: int
    dealer: int
    commitment: str
    redeal_no: int = 0


class CardsDealt(_Event, frozen=True, tag="cards_dealt"):
    """Cards were dealt: `cards` are the recipient's new ones, `counts` what each seat holds."""

    cards: tuple[CardName, ...]
    counts: tuple[int, ...]


class Turn(_Event, frozen=True, tag="turn"):
    """Somebody's turn; `legal` (cards, or suits for the call) is told to him alone."""

    seat: int
    action: Action
    seconds_left: float
    legal: tuple[str, ...] | None = None
    may_redeal: bool = False


class TrumpChosen(_Event, frozen=True, tag="trump_chosen"):
    """`auto`: by a bot or the clock."""

    seat: int
    suit: SuitName
    auto: bool = False


class CardPlayed(_Event, frozen=True, tag="card_played"):
    """`auto`: by a bot or the clock."""

    seat: int
    card: CardName
    auto: bool = False


class TrickWon(_Event, frozen=True, tag="trick_won"):
    """A trick is complete; its winner leads next. `tricks` by team (seat % 2)."""

    seat: int
    tricks: tuple[int, int]


class HandOver(_Event, frozen=True, tag="hand_over"):
    """A team has seven tricks; `proof` lets anyone check the deal."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Literal["none", "kot", "hakem_kot"]
    score: tuple[int, int]
    next_hakem: int
    proof: Proof


class MatchOver(_Event, frozen=True, tag="match_over"):
    """A team has reached the target."""

    winner: int
    score: tuple[int, int]


class Said(_Event, frozen=True, tag="said"):
    """Chat."""

    seat: int
    name: str
    text: str


class Notice(Struct, frozen=True, tag_field="type", tag="notice", omit_defaults=True, gc=False):
    """Something about the table itself.

    `paused` and `resumed`: the store is away, and back. `moved`: the table goes on on another
    server, and the connection closes with 1012.

    It is no part of the log, so it carries no `seq` of its own.
    """

    kind: Literal["paused", "resumed", "moved"]
    message: str


Event: TypeAlias = (
    PlayerJoined
    | PlayerLeft
    | BotJoined
    | SeatChanged
    | PlayerReady
    | HostChanged
    | MatchStarted
    | HakemDrawn
    | HandStarted
    | CardsDealt
    | Turn
    | TrumpChosen
    | CardPlayed
    | TrickWon
    | HandOver
    | MatchOver
    | Said
)
