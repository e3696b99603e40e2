"""Cards, sets of cards, and who wins a trick."""

import pytest

from hokm.game import cards
from hokm.game.cards import CARDS


def mask(text: str) -> int:
    """Read a set of cards."""
    return cards.mask_of([CARDS[name] for name in text.split()])


def test_every_card_has_its_own_name() -> None:
    """The names are 52, and each is read back as the card that it names."""
    assert len(set(cards.NAMES)) == 52
    assert [cards.parse(name) for name in cards.NAMES] == list(range(52))


@pytest.mark.parametrize(
    ("name", "suit", "rank"),
    [("2S", 0, 0), ("AS", 0, 12), ("TH", 1, 8), ("KD", 2, 11), ("2C", 3, 0)],
)
def test_a_card_is_its_suit_and_rank(name: str, suit: int, rank: int) -> None:
    """Suits are S H D C, ranks rise from the two to the ace."""
    card = cards.parse(name)
    assert (cards.suit_of(card), cards.rank_of(card)) == (suit, rank)


@pytest.mark.parametrize("name", ["", "10S", "as", "SA", "1S", "AX", "AS "])
def test_what_is_no_card_is_not_read(name: str) -> None:
    """A wrong name raises ValueError."""
    with pytest.raises(ValueError, match="no such card"):
        cards.parse(name)


def test_a_set_lists_its_cards_by_suit_and_rank() -> None:
    """Names and cards of a set come in the deck's order, whatever order they were put in."""
    hand = mask("2C AS KH 2S")
    assert cards.names(hand) == ("2S", "AS", "KH", "2C")
    assert list(cards.iterate(hand)) == [CARDS[name] for name in cards.names(hand)]
    assert cards.names(0) == ()


def test_the_suits_share_the_deck() -> None:
    """The four suit sets are 13 cards each and make up the deck."""
    assert [suit.bit_count() for suit in cards.SUIT_MASKS] == [13] * 4
    assert sum(cards.SUIT_MASKS) == (1 << 52) - 1


@pytest.mark.parametrize(
    ("holding", "led", "allowed"),
    [
        ("AS 2H", None, "AS 2H"),
        ("AS 2S 2H", "S", "AS 2S"),
        ("2H 3D", "S", "2H 3D"),
        ("AS", "C", "AS"),
    ],
)
def test_the_led_suit_is_followed_if_held(holding: str, led: str | None, allowed: str) -> None:
    """Only the led suit is legal for who has it; everything is for who leads or is void."""
    suit = None if led is None else cards.SUITS.index(led)
    assert cards.legal(mask(holding), suit) == mask(allowed)


@pytest.mark.parametrize(
    ("trick", "leader", "trump", "winner"),
    [
        ("2S 3S AS KS", 0, "H", 2),
        ("2S 3S AS KS", 3, "H", 1),
        ("AS 2H 3H KS", 0, "H", 2),
        ("2S AD AC AH", 1, "S", 1),
        ("2S AD AC AH", 1, "H", 0),
        ("2S AD KC", 2, "H", 2),
    ],
)
def test_the_highest_trump_else_the_highest_of_the_led_suit_wins(
    trick: str, leader: int, trump: str, winner: int
) -> None:
    """Off-suit aces win nothing; any trump beats any other suit."""
    played = [CARDS[name] for name in trick.split()]
    assert cards.trick_winner(played, leader, cards.SUITS.index(trump)) == winner
