"""Variants of the game and the options of a table, as data."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from hokm.game.cards import DECK_SIZE, Card


class Variant(Struct, frozen=True):
    """What a variant is made of.

    Attributes:
        seats: Number of players.
        deck: All its cards.
        packets: Cards of each packet of the deal; the hakem names the trump on the first.
        tricks_to_win: Tricks that end the hand.
        teams: Team of each seat.
    """

    name: str
    seats: int
    deck: tuple[Card, ...]
    packets: tuple[int, ...]
    tricks_to_win: int
    teams: tuple[int, ...]


# pagat.com/whist/hokm.html: four players, partners opposite, packets of 5, 4 and 4, seven tricks.
FOUR: Final = Variant(
    name="four",
    seats=4,
    deck=tuple(range(DECK_SIZE)),
    packets=(5, 4, 4),
    tricks_to_win=7,
    teams=(0, 1, 0, 1),
)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What players may agree on before a match; the defaults are pagat.com's rules.

    Attributes:
        first_hakem: `ace`: who is dealt the first ace. `ace_partner`: who gets the second is his
            partner and changes places. `random`: drawn by lot.
        deal_visible: Whether only the hakem has his first five cards before the call.
        redeal: `ten_low`: a hakem whose five hold nothing above a ten may refuse them.
        redeal_limit: How often in one hand.
        target: Points that win the match.
        kot: Points for seven tricks to none.
        hakem_kot: Points for seven tricks to none against the hakem's side.
        rotation: Who is hakem after a lost hand: the seat to the old one's right or left, or
            `winner_keeps`, the winner who took more tricks (his right neighbour if equal).

    Raises:
        ValueError: `hakem_kot` is below `kot`.
    """

    first_hakem: Literal["ace", "random", "ace_partner"] = "ace"
    deal_visible: Literal["hakem_only", "all_five"] = "hakem_only"
    redeal: Literal["none", "ten_low"] = "none"
    redeal_limit: Annotated[int, Meta(ge=1, le=5)] = 2
    target: Annotated[int, Meta(ge=1, le=100)] = 7
    kot: Annotated[int, Meta(ge=1, le=10)] = 2
    hakem_kot: Annotated[int, Meta(ge=1, le=10)] = 3
    rotation: Literal["right", "left", "winner_keeps"] = "right"

    def __post_init__(self) -> None:
        if self.hakem_kot < self.kot:
            raise ValueError("hakem_kot must be at least kot")
