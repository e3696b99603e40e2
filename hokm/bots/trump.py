"""Which suit to make trump on five cards."""

from __future__ import annotations

from typing import Final

from hokm.game.cards import SUIT_MASKS, Mask, iterate, rank_of

LENGTH: Final = 10  # a card more weighs as much as a queen: four small beat an ace and a king


def best_trump(holding: Mask) -> int:
    """Return the suit with the highest sum of ranks, `LENGTH` added for each card."""
    return max(range(len(SUIT_MASKS)), key=lambda suit: _worth(holding & SUIT_MASKS[suit]))


def _worth(cards: Mask) -> int:
    return sum(LENGTH + rank_of(card) for card in iterate(cards))


def is_poor(holding: Mask) -> bool:
    """Say whether five cards that may be refused should be: no suit of four among them."""
    return all((holding & mask).bit_count() < 4 for mask in SUIT_MASKS)
