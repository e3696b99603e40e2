"""What a bot may answer, and the randomness it is given."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from msgspec import Struct

from hokm.game.cards import Card


class Call(Struct, frozen=True):
    """Name the trump suit."""

    suit: int


class Refuse(Struct, frozen=True):
    """Have the cards dealt afresh."""


class Play(Struct, frozen=True):
    """Play a card."""

    card: Card


Action: TypeAlias = Call | Refuse | Play


class RandomSource(Protocol):
    """Randomness; `random.Random` and its kin have it."""

    def random(self) -> float:
        """Return a float in [0, 1)."""

    def randrange(self, stop: int, /) -> int:
        """Return an int in [0, stop)."""
