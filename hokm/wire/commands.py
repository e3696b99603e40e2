"""What a client sends. Strict: an unknown type or field is refused whole."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from hokm.wire.values import Id, Level, Name, Role, SeatNo, Seed, Text, Token


class _Command(
    Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True, gc=False
):
    id: Id


class Join(_Command, frozen=True, tag="join"):
    """Take a seat, resume one by its token, or watch. First message, within 5 s.

    `seed` is the player's own share of the shuffle's randomness.
    """

    name: Name
    token: Token | None = None
    seat: SeatNo | None = None
    role: Role = "player"
    seed: Seed | None = None


class AddBot(_Command, frozen=True, tag="add_bot"):
    """Seat a bot (host, between matches); without `seat` on the first free one."""

    seat: SeatNo | None = None
    level: Level = "normal"


class Kick(_Command, frozen=True, tag="kick"):
    """Empty a seat (host, between matches)."""

    seat: SeatNo


class Sit(_Command, frozen=True, tag="sit"):
    """Change to a free seat (between matches)."""

    seat: SeatNo


class Ready(_Command, frozen=True, tag="ready"):
    """Say whether one is ready; the next match or hand begins once all four are."""

    ready: bool = True


class Start(_Command, frozen=True, tag="start"):
    """Begin a match, or the rematch (host). `fill` seats bots on what is free."""

    fill: bool = False


class ChooseTrump(_Command, frozen=True, tag="choose_trump"):
    """Name the trump suit (hakem)."""

    suit: str


class Redeal(_Command, frozen=True, tag="redeal"):
    """Refuse five low cards (hakem, where the table allows it) and have a fresh deal."""


class Play(_Command, frozen=True, tag="play"):
    """Play a card."""

    card: str


class Say(_Command, frozen=True, tag="say"):
    """Chat; at most 5 messages in 10 s."""

    text: Text


class Leave(_Command, frozen=True, tag="leave"):
    """Give the seat up for good; the connection is closed with 1000."""


class Sync(_Command, frozen=True, tag="sync"):
    """Ask for the whole `state`."""


Command: TypeAlias = (
    Join | AddBot | Kick | Sit | Ready | Start | ChooseTrump | Redeal | Play | Say | Leave | Sync
)
