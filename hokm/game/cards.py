"""Cards as numbers and sets of cards as bit masks, so that rules are a few integer operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

Card: TypeAlias = int  # suit * 13 + rank; rank 0 is the two, 12 the ace
Mask: TypeAlias = int  # bit n is card n

SUITS: Final = "SHDC"
RANKS: Final = "23456789TJQKA"
RANKS_IN_SUIT: Final = 13
DECK_SIZE: Final = 52
NAMES: Final[tuple[str, ...]] = tuple(rank + suit for suit in SUITS for rank in RANKS)
CARDS: Final[dict[str, Card]] = {name: card for card, name in enumerate(NAMES)}
SUIT_MASKS: Final[tuple[Mask, ...]] = tuple(0x1FFF << (13 * suit) for suit in range(4))
TEN: Final = RANKS.index("T")
ACE: Final = RANKS.index("A")

_SUIT_OF: Final[tuple[int, ...]] = tuple(card // 13 for card in range(DECK_SIZE))


def parse(name: str) -> Card:
    """Read a card's name, as ``AS`` or ``TD``.

    Raises:
        ValueError: There is no such card.
    """
    try:
        return CARDS[name]
    except KeyError:
        raise ValueError("no such card") from None


def suit_of(card: Card) -> int:
    """Return the index of the card's suit in `SUITS`."""
    return _SUIT_OF[card]


def rank_of(card: Card) -> int:
    """Return the index of the card's rank in `RANKS`."""
    return card % RANKS_IN_SUIT


def iterate(mask: Mask) -> Iterator[Card]:
    """Yield the cards of *mask*, lowest number first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def names(mask: Mask) -> tuple[str, ...]:
    """Return the names of the cards of *mask*, by suit and rising rank."""
    found = []
    while mask:
        low = mask & -mask
        found.append(NAMES[low.bit_length() - 1])
        mask ^= low
    return tuple(found)


def mask_of(cards: Sequence[Card]) -> Mask:
    """Return the set of *cards*."""
    mask = 0
    for card in cards:
        mask |= 1 << card
    return mask


def legal(holding: Mask, led: int | None) -> Mask:
    """Return what may be played from *holding*: the led suit if there is any of it, else all.

    [P][J][B]: follow suit if able; no duty to trump, overtrump or head the trick.

    Args:
        holding: Cards that the player holds.
        led: Suit of the trick's first card; None for whoever leads.
    """
    return holding if led is None else holding & SUIT_MASKS[led] or holding


def trick_winner(cards: Sequence[Card], leader: int, trump: int, seats: int = 4) -> int:
    """Return the seat that wins a trick: by the highest trump, else the highest of the led suit.

    Args:
        cards: In play order; seat + 1 plays next.
        leader: Seat that played the first of them.
        trump: Suit.
        seats: How many play.
    """
    best, winner = -1, leader
    led = _SUIT_OF[cards[0]]
    for place, card in enumerate(cards):
        suit = _SUIT_OF[card]
        worth = card % 13 + (13 if suit == trump else 0 if suit == led else -26)
        if worth > best:
            best, winner = worth, (leader + place) % seats
    return winner
