"""What a seat sees, and what it does not."""

import dataclasses

import pytest
from msgspec.structs import replace

from hokm.game import hand as hands
from hokm.game.cards import CARDS, SUIT_MASKS, mask_of
from hokm.game.match import Match
from hokm.game.values import Hand
from hokm.game.variant import Options
from hokm.game.view import look

ALL = (1 << 52) - 1
OPTIONS = Options(redeal="ten_low")
MATCH = Match(options=OPTIONS, score=(4, 2), hand_no=7, hakem=0)


def dealt() -> Hand:
    """Deal seat 0 low spades first, and everybody a mixed hand."""
    return hands.begin(OPTIONS, hakem=0, dealer=3, deck=tuple(range(52)))


def played(names: str) -> Hand:
    """Make spades trump and play cards by name."""
    hand = hands.call(dealt(), 0)
    for name in names.split():
        assert hands.check_play(hand, hand.turn, CARDS[name]) is None
        hand = hands.play(hand, CARDS[name])
        if hands.trick_full(hand):
            hand = hands.collect(hand)
    return hand


def test_before_the_call_only_the_hakem_sees_cards() -> None:
    """Others and spectators see how many he has, and nothing else."""
    hand = dealt()
    assert look(MATCH, hand, 0).hand == mask_of(range(5))
    for seat in (1, 2, 3, None):
        view = look(MATCH, hand, seat)
        assert (view.hand, view.legal, view.counts) == (0, 0, (5, 0, 0, 0))


def test_only_the_hakem_learns_whether_he_may_refuse() -> None:
    """That his five are low is his secret."""
    hand = dealt()
    assert [look(MATCH, hand, seat).may_refuse for seat in (0, 1, 2, 3, None)] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_legal_cards_are_told_on_turn_only() -> None:
    """Who is not on turn, and a spectator, has none."""
    hand = played("2S")
    assert look(MATCH, hand, 1).legal == hand.holding[1] & SUIT_MASKS[0]
    assert [look(MATCH, hand, seat).legal for seat in (0, 2, 3, None)] == [0, 0, 0, 0]


def test_public_facts_are_the_same_for_all() -> None:
    """Trick, trump, score and counts do not depend on who looks."""
    hand = played("2S 7S QS 4H 2H")
    views = [look(MATCH, hand, seat) for seat in (0, 1, 2, 3, None)]
    public = {replace(view, seat=None, hand=0, legal=0, may_refuse=False) for view in views}
    assert len(public) == 1
    view = public.pop()
    assert (view.trump, view.hakem, view.dealer, view.leader) == (0, 0, 3, 2)
    assert (view.tricks, view.score, view.target) == ((1, 0), (4, 2), 7)
    assert view.trick == (CARDS["2H"],)
    assert view.last_trick == hand.past[0]
    assert view.counts == (12, 12, 11, 12)


def test_voids_are_what_play_has_shown() -> None:
    """Who did not follow spades has none; who followed may have more."""
    view = look(MATCH, played("2S 7S QS 4H"), 0)
    assert view.voids == (0, 0, 0, 0b0001)


def test_played_cards_include_those_on_the_table() -> None:
    """Every card that was seen counts, and no other."""
    view = look(MATCH, played("2S 7S QS 4H 2H"), None)
    assert view.played == mask_of([CARDS[name] for name in ("2S", "7S", "QS", "4H", "2H")])


@pytest.mark.parametrize("seat", [0, 1, 2, 3, None])
def test_other_seats_cards_do_not_show(seat: int | None) -> None:
    """With other seats' cards replaced, and the deck, the view is the very same."""
    hand = played("2S 7S QS 4H 2H")
    own = 0 if seat is None else hand.holding[seat]
    others = [s for s in range(4) if s != seat]
    left = ALL & ~own
    holding = list(hand.holding)
    for other in others:
        wanted = hand.holding[other].bit_count()
        taken = mask_of([card for card in range(51, -1, -1) if left >> card & 1][:wanted])
        holding[other] = taken
        left &= ~taken
    swapped = dataclasses.replace(hand, holding=tuple(holding), deck=hand.deck[::-1])
    assert swapped.holding != hand.holding
    assert look(MATCH, swapped, seat) == look(MATCH, hand, seat)
