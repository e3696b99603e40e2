"""What a hand of cards is made of: plain values, apart from the rules that make one of another.

Classes of msgspec stand in modules of their own: mypyc, which compiles the rules, keeps no types of
their fields.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from hokm.game.cards import Card, Mask

Phase: TypeAlias = Literal["call", "play", "over"]
Kot: TypeAlias = Literal["none", "kot", "hakem_kot"]


class Trick(Struct, frozen=True, gc=False):
    """A complete trick: cards in play order, the first from `leader`."""

    leader: int
    cards: tuple[Card, ...]
    winner: int


class Hand(Struct, frozen=True, gc=False):
    """A hand under way.

    Attributes:
        hakem: Who names the trump and leads first.
        dealer: Who dealt.
        deck: All cards in deal order; it fixes who gets what.
        holding: Cards that each seat holds now.
        trump: Suit; None before the call.
        leader: Who led, or leads, the trick on the table.
        turn: Who is to call or play.
        trick: Cards on the table, the first from `leader`.
        tricks: Taken by each team.
        past: Complete tricks, oldest first.
        redeals: Decks that the hakem refused before this one.
    """

    hakem: int
    dealer: int
    deck: tuple[Card, ...]
    holding: tuple[Mask, ...]
    trump: int | None
    leader: int
    turn: int
    trick: tuple[Card, ...]
    tricks: tuple[int, int]
    past: tuple[Trick, ...]
    phase: Phase
    redeals: int


class Result(Struct, frozen=True, gc=False):
    """How a hand ended; teams are seat % 2."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Kot
