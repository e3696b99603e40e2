"""One hand from the deal to its result."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hokm.game import hand as hands
from hokm.game.cards import CARDS, SUIT_MASKS, mask_of
from hokm.game.values import Hand
from hokm.game.variant import Options

OPTIONS = Options()
IN_ORDER = tuple(range(52))
SUIT_HANDS = tuple(tuple(range(13 * suit, 13 * suit + 13)) for suit in range(4))


def deck_of(holdings: tuple[tuple[int, ...], ...], hakem: int = 0) -> tuple[int, ...]:
    """Stack a deck that deals *holdings*, by seat, when *hakem* is dealt to first."""
    deck: list[int] = []
    for start, end in ((0, 5), (5, 9), (9, 13)):
        for place in range(4):
            deck += holdings[(hakem + place) % 4][start:end]
    return tuple(deck)


def begin(options: Options = OPTIONS, hakem: int = 0, deck: tuple[int, ...] = IN_ORDER) -> Hand:
    """Deal what is dealt before the call."""
    return hands.begin(options, hakem=hakem, dealer=(hakem - 1) % 4, deck=deck)


def play(hand: Hand, text: str) -> Hand:
    """Play cards by name, collecting full tricks; each must be allowed."""
    for name in text.split():
        assert hands.check_play(hand, hand.turn, CARDS[name]) is None
        hand = hands.play(hand, CARDS[name])
        if hands.trick_full(hand):
            hand = hands.collect(hand)
    return hand


def seven_tricks(hakem: int, trump: int, deck: tuple[int, ...]) -> Hand:
    """Play lowest legal cards until the hand is over."""
    hand = hands.call(begin(hakem=hakem, deck=deck), trump)
    while hand.phase == "play":
        legal = hands.legal(hand, hand.turn)
        hand = hands.play(hand, (legal & -legal).bit_length() - 1)
        if hands.trick_full(hand):
            hand = hands.collect(hand)
    return hand


def test_only_the_hakem_has_cards_before_the_call() -> None:
    """He is dealt the first five of the deck; the others hold nothing yet."""
    hand = begin(hakem=2)
    assert hand.holding == (0, 0, mask_of(range(5)), 0)
    assert (hand.phase, hand.turn, hand.dealer, hand.trump) == ("call", 2, 1, None)


def test_all_may_have_their_five_before_the_call() -> None:
    """With `all_five` the first packets go round in play order from the hakem."""
    hand = begin(Options(deal_visible="all_five"), hakem=3)
    assert hand.holding == tuple(mask_of(range(start, start + 5)) for start in (5, 10, 15, 0))


@pytest.mark.parametrize("visible", ["hakem_only", "all_five"])
def test_the_deal_is_five_four_four_from_the_hakem(visible: Any) -> None:
    """What is shown before the call changes nothing about who gets what."""
    hand = hands.call(begin(Options(deal_visible=visible), hakem=1), 0)
    second = mask_of([*range(5, 10), *range(24, 28), *range(40, 44)])
    assert [mask.bit_count() for mask in hand.holding] == [13] * 4
    assert hand.holding[2] == second
    assert hands.first_packet(hand, 2) == mask_of(range(5, 10))


@pytest.mark.parametrize(
    ("seat", "suit", "code"),
    [(0, 0, None), (0, 3, None), (1, 0, "not_hakem"), (0, 4, "bad_suit"), (0, -1, "bad_suit")],
)
def test_the_hakem_alone_names_one_of_four_suits(seat: int, suit: int, code: str | None) -> None:
    """Any suit will do, even one that he has none of."""
    assert hands.check_call(begin(), seat, suit) == code


def test_the_trump_is_named_once() -> None:
    """After the call there is no other, and the hakem leads."""
    hand = hands.call(begin(hakem=2), 1)
    assert hands.check_call(hand, 2, 1) == "wrong_phase"
    assert (hand.phase, hand.trump, hand.leader, hand.turn) == ("play", 1, 2, 2)


def test_nothing_is_played_before_the_call() -> None:
    """A card of the hakem's five is not played in the call."""
    hand = begin()
    assert hands.check_play(hand, 0, 0) == "wrong_phase"
    assert hands.legal(hand, 0) == 0


def test_each_wrong_play_has_its_code() -> None:
    """Whose turn, whether held, whether the suit is followed: asked in this order."""
    deck = deck_of(((*range(12), 13), (12, *range(14, 26)), SUIT_HANDS[2], SUIT_HANDS[3]))
    hand = hands.call(begin(deck=deck), 0)
    assert hands.check_play(hand, 1, CARDS["AS"]) == "not_your_turn"
    assert hands.check_play(hand, 0, CARDS["AS"]) == "not_in_hand"
    hand = hands.play(hand, CARDS["2S"])
    assert hands.check_play(hand, 1, CARDS["3H"]) == "must_follow"
    assert hands.legal(hand, 1) == mask_of([CARDS["AS"]])
    assert hands.legal(hand, 0) == 0
    hand = hands.play(hand, CARDS["AS"])
    assert hands.legal(hand, 2) == SUIT_MASKS[2]


def test_a_full_trick_waits_to_be_collected() -> None:
    """After four cards nobody may play until the trick is taken."""
    hand = hands.call(begin(deck=deck_of(SUIT_HANDS)), 0)
    for name in ("2S", "2H", "2D", "2C"):
        hand = hands.play(hand, CARDS[name])
    assert hands.trick_full(hand)
    assert hands.winner_of_trick(hand) == 0
    assert hands.check_play(hand, hand.turn, CARDS["3S"]) == "wrong_phase"
    assert hands.legal(hand, hand.turn) == 0


def test_the_winner_of_a_trick_takes_it_and_leads() -> None:
    """A ruff wins; the trick is kept with its leader, cards and winner."""
    hand = play(hands.call(begin(deck=deck_of(SUIT_HANDS)), 2), "2S 2H 2D 2C")
    assert (hand.leader, hand.turn, hand.tricks, hand.trick) == (2, 2, (1, 0), ())
    assert hand.past == (hands.Trick(0, tuple(CARDS[n] for n in ("2S", "2H", "2D", "2C")), 2),)


def test_seven_tricks_end_the_hand_at_once() -> None:
    """The other six are not played."""
    hand = seven_tricks(0, 0, deck_of(SUIT_HANDS))
    assert (hand.phase, hand.tricks, len(hand.past)) == ("over", (7, 0), 7)
    assert [mask.bit_count() for mask in hand.holding] == [6] * 4
    assert hands.check_play(hand, hand.turn, CARDS["AS"]) == "wrong_phase"


def test_seven_to_none_for_the_hakem_is_a_kot() -> None:
    """It pays two points."""
    hand = seven_tricks(0, 0, deck_of(SUIT_HANDS))
    assert hands.result(hand, OPTIONS) == hands.Result(0, (7, 0), 2, "kot")


def test_seven_to_none_against_the_hakem_is_a_hakem_kot() -> None:
    """It pays three points."""
    hand = seven_tricks(0, 1, deck_of(SUIT_HANDS))
    assert hands.result(hand, OPTIONS) == hands.Result(1, (0, 7), 3, "hakem_kot")


@pytest.mark.parametrize(("tricks", "winner"), [((7, 1), 0), ((6, 7), 1)])
def test_any_other_win_pays_one_point(tricks: tuple[int, int], winner: int) -> None:
    """One trick for the losers and there is no kot."""
    hand = replace(begin(), phase="over", tricks=tricks)
    assert hands.result(hand, OPTIONS) == hands.Result(winner, tricks, 1, "none")


def test_the_table_may_set_what_kots_pay() -> None:
    """The options' points are paid."""
    options = Options(kot=4, hakem_kot=5)
    over = replace(begin(), phase="over", tricks=(7, 0))
    assert hands.result(over, options).points == 4
    assert hands.result(replace(over, tricks=(0, 7)), options).points == 5


@pytest.mark.parametrize(
    ("options", "redeals", "may"),
    [
        (Options(), 0, False),
        (Options(redeal="ten_low"), 0, True),
        (Options(redeal="ten_low"), 1, True),
        (Options(redeal="ten_low"), 2, False),
        (Options(redeal="ten_low", redeal_limit=1), 1, False),
    ],
)
def test_five_low_cards_may_be_refused_a_few_times(
    options: Options, redeals: int, may: bool
) -> None:
    """Only where the table allows it, and only as often as it allows."""
    hand = hands.begin(options, hakem=0, dealer=3, deck=IN_ORDER, redeals=redeals)
    assert hands.may_refuse(hand, options) is may


@pytest.mark.parametrize(("top", "may"), [("TH", True), ("JH", False), ("AH", False)])
def test_a_ten_is_low_and_a_jack_is_not(top: str, may: bool) -> None:
    """One court card or ace among the five, and they may not be refused."""
    options = Options(redeal="ten_low")
    rest = tuple(card for card in range(52) if card not in (0, 1, 2, 3, CARDS[top]))
    hand = begin(options, deck=(0, 1, 2, 3, CARDS[top], *rest))
    assert hands.may_refuse(hand, options) is may


def test_nothing_is_refused_after_the_call() -> None:
    """Whoever has named the trump plays the hand."""
    options = Options(redeal="ten_low")
    hand = hands.begin(options, hakem=0, dealer=3, deck=IN_ORDER)
    assert not hands.may_refuse(hands.call(hand, 0), options)


def test_a_hand_survives_json() -> None:
    """A hand with past tricks and cards on the table is read back equal."""
    hand = play(hands.call(begin(deck=deck_of(SUIT_HANDS)), 2), "2S 2H 2D 2C 3D 3C")
    assert msgspec.json.decode(msgspec.json.encode(hand), type=Hand) == hand
