"""What a hand of cards is made of: plain values, apart from the rules that make one of another.

They are read many times at each play: compiled, an attribute costs a few instructions, of a class
of msgspec a hundred. msgspec writes and reads them all the same, by their annotations, of which
mypyc keeps only names: whatever is not one class has a name here, in quotes where it is used. Of
tuples of any length it keeps nothing; they are named to msgspec once more, below their class.
"""

# ruff: noqa: UP037 - see above

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mypy_extensions import mypyc_attr

from hokm.game.cards import Card, Mask

Phase: TypeAlias = Literal["call", "play", "over"]
Kot: TypeAlias = Literal["none", "kot", "hakem_kot"]
Cards: TypeAlias = tuple[Card, ...]
Holding: TypeAlias = tuple[Mask, ...]
Pair: TypeAlias = tuple[int, int]
Suit: TypeAlias = int | None


def read_as(kind: type, **types: object) -> None:
    """Name to msgspec what fields of a class of this program hold; see the module."""
    kind.__annotations__.update(types)


@mypyc_attr(acyclic=True)
@dataclass(init=False, slots=True, unsafe_hash=True)
class Trick:
    """A complete trick: cards in play order, the first from `leader`. Never changed once made."""

    leader: int
    cards: "Cards"
    winner: int

    def __init__(self, leader: int, cards: Cards, winner: int) -> None:
        self.leader = leader
        self.cards = cards
        self.winner = winner


Tricks: TypeAlias = tuple[Trick, ...]
read_as(Trick, cards=Cards)


@mypyc_attr(acyclic=True)
@dataclass(init=False, slots=True)
class Hand:
    """A hand under way. Never changed once made.

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
    deck: "Cards"
    holding: "Holding"
    trump: "Suit"
    leader: int
    turn: int
    trick: "Cards"
    tricks: "Pair"
    past: "Tricks"
    phase: "Phase"
    redeals: int

    def __init__(
        self,
        hakem: int,
        dealer: int,
        deck: Cards,
        holding: Holding,
        trump: Suit,
        leader: int,
        turn: int,
        trick: Cards,
        tricks: Pair,
        past: Tricks,
        phase: Phase,
        redeals: int,
    ) -> None:
        self.hakem = hakem
        self.dealer = dealer
        self.deck = deck
        self.holding = holding
        self.trump = trump
        self.leader = leader
        self.turn = turn
        self.trick = trick
        self.tricks = tricks
        self.past = past
        self.phase = phase
        self.redeals = redeals


read_as(Hand, deck=Cards, holding=Holding, trick=Cards, past=Tricks)


@dataclass(frozen=True, slots=True)
class Result:
    """How a hand ended; teams are seat % 2."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Kot
