"""A hand under any play: checked against the rules written a second time, with names of cards."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hokm.game import cards
from hokm.game import hand as hands
from hokm.game.cards import NAMES, SUITS
from hokm.game.match import Match
from hokm.game.values import Hand
from hokm.game.variant import Options
from hokm.game.view import look

ALL = (1 << 52) - 1
DECKS = st.permutations(range(52)).map(tuple)
SEATS = st.integers(0, 3)
OPTIONS = st.builds(
    Options,
    deal_visible=st.sampled_from(["hakem_only", "all_five"]),
    redeal=st.sampled_from(["none", "ten_low"]),
)

# --- the rules once more ------------------------------------------------------------------


def beats(card: str, other: str, trump: str) -> bool:
    """Say whether *card*, played after *other*, takes the trick from it."""
    if card[1] == other[1]:
        return "23456789TJQKA".index(card[0]) > "23456789TJQKA".index(other[0])
    return card[1] == trump


def taker(trick: Sequence[str], trump: str) -> int:
    """Return the place of the card that wins *trick*."""
    best = 0
    for place in range(1, len(trick)):
        if beats(trick[place], trick[best], trump):
            best = place
    return best


def allowed(holding: Sequence[str], trick: Sequence[str]) -> set[str]:
    """Return the cards that may be played to *trick*."""
    same = {card for card in holding if trick and card[1] == trick[0][1]}
    return same or set(holding)


@given(DECKS, SEATS, st.integers(0, 3))
def test_the_trick_goes_where_the_rules_say(deck: tuple[int, ...], leader: int, trump: int) -> None:
    """Four cards of any deck are won by whom the second writing of the rules names."""
    trick = [NAMES[card] for card in deck[:4]]
    winner = (leader + taker(trick, SUITS[trump])) % 4
    assert cards.trick_winner(deck[:4], leader, trump) == winner


@given(DECKS, st.integers(1, 13), st.booleans())
def test_what_is_legal_is_what_the_rules_allow(
    deck: tuple[int, ...], size: int, leads: bool
) -> None:
    """For any holding and any led card."""
    trick = [] if leads else [NAMES[deck[13]]]
    led = None if leads else cards.suit_of(deck[13])
    legal = cards.legal(cards.mask_of(deck[:size]), led)
    assert set(cards.names(legal)) == allowed([NAMES[card] for card in deck[:size]], trick)


@given(DECKS, SEATS)
def test_what_is_shown_before_the_call_changes_no_hand(deck: tuple[int, ...], hakem: int) -> None:
    """One deck deals the same thirteen cards each, whichever option the table has."""
    dealt = [
        hands.call(
            hands.begin(
                Options(deal_visible=visible),
                hakem=hakem,
                dealer=(hakem - 1) % 4,
                deck=deck,
            ),
            0,
        )
        for visible in ("hakem_only", "all_five")
    ]
    assert dealt[0] == dealt[1]
    assert [mask.bit_count() for mask in dealt[0].holding] == [13] * 4
    assert all(
        hands.first_packet(dealt[0], seat) & ~dealt[0].holding[seat] == 0 for seat in range(4)
    )


# --- a hand ------------------------------------------------------------------------------


class Table(RuleBasedStateMachine):
    """Four players who try all sorts of things, and the rules' second writing beside them."""

    @initialize(deck=DECKS, hakem=SEATS, options=OPTIONS, redeals=st.integers(0, 2))
    def deal(self, deck: tuple[int, ...], hakem: int, options: Options, redeals: int) -> None:
        self.options = options
        self.match = Match(options=options, hand_no=1, hakem=hakem)
        self.hand = hands.begin(
            options, hakem=hakem, dealer=(hakem - 1) % 4, deck=deck, redeals=redeals
        )
        self.trick: list[str] = []
        self.taken = [0, 0]
        self.leader = hakem

    @rule(seat=SEATS, suit=st.integers(-1, 4))
    def name_trump(self, seat: int, suit: int) -> None:
        code = hands.check_call(self.hand, seat, suit)
        if self.hand.phase != "call":
            assert code == "wrong_phase"
        elif seat != self.hand.hakem:
            assert code == "not_hakem"
        elif suit not in range(4):
            assert code == "bad_suit"
        else:
            assert code is None
            self.hand = hands.call(self.hand, suit)

    @precondition(lambda self: self.hand.phase == "play")
    @rule(choices=st.lists(st.integers(0, 12), min_size=4, max_size=16))
    def play_legally(self, choices: list[int]) -> None:
        for choice in choices:
            if self.hand.phase == "play":
                self.play_one(choice)

    def play_one(self, choice: int) -> None:
        seat = self.hand.turn
        holding = cards.names(self.hand.holding[seat])
        may = sorted(allowed(holding, self.trick))
        assert set(cards.names(hands.legal(self.hand, seat))) == set(may)
        name = may[choice % len(may)]
        assert hands.check_play(self.hand, seat, cards.CARDS[name]) is None
        self.hand = hands.play(self.hand, cards.CARDS[name])
        self.trick.append(name)
        if len(self.trick) == 4:
            self.collect()

    def collect(self) -> None:
        assert hands.trick_full(self.hand) and self.hand.trump is not None
        assert all(hands.legal(self.hand, seat) == 0 for seat in range(4))
        self.leader = (self.leader + taker(self.trick, SUITS[self.hand.trump])) % 4
        self.taken[self.leader % 2] += 1
        self.trick = []
        assert hands.winner_of_trick(self.hand) == self.leader
        self.hand = hands.collect(self.hand)

    @rule(seat=SEATS, card=st.integers(0, 51))
    def try_any_card(self, seat: int, card: int) -> None:
        hand = self.hand
        code = hands.check_play(hand, seat, card)
        if hand.phase != "play":
            assert code == "wrong_phase"
        elif seat != hand.turn:
            assert code == "not_your_turn"
        elif NAMES[card] not in cards.names(hand.holding[seat]):
            assert code == "not_in_hand"
        elif NAMES[card] not in allowed(cards.names(hand.holding[seat]), self.trick):
            assert code == "must_follow"
        else:
            assert code is None

    @invariant()
    def every_card_is_in_one_place(self) -> None:
        hand = self.hand
        places = [cards.mask_of(hand.trick), *hand.holding]
        places += [cards.mask_of(trick.cards) for trick in hand.past]
        together = 0
        for place in places:
            assert not together & place
            together |= place
        if hand.phase != "call":
            assert together == ALL

    @invariant()
    def the_count_is_the_second_writing_s(self) -> None:
        assert self.hand.tricks == tuple(self.taken)
        assert len(self.hand.past) == sum(self.taken)
        assert self.hand.leader == self.leader
        assert (self.hand.phase == "over") is (7 in self.taken)
        assert max(self.taken) <= 7

    @precondition(lambda self: self.hand.phase == "over")
    @invariant()
    def the_result_is_the_winners(self) -> None:
        result = hands.result(self.hand, self.options)
        winner = self.taken.index(7)
        kot = self.taken[1 - winner] == 0
        hakems = self.hand.hakem % 2 == winner
        assert (result.winner, result.tricks) == (winner, tuple(self.taken))
        assert result.points == (1 if not kot else 2 if hakems else 3)
        assert result.kot == ("none" if not kot else "kot" if hakems else "hakem_kot")

    @invariant()
    def a_hand_survives_json(self) -> None:
        assert msgspec.json.decode(msgspec.json.encode(self.hand), type=Hand) == self.hand

    @invariant()
    def nobody_sees_what_is_hidden(self) -> None:
        for seat in (0, 1, 2, 3, None):
            seen = msgspec.json.encode(look(self.match, self.hand, seat))
            other = msgspec.json.encode(look(self.match, self.swapped(seat), seat))
            assert seen == other

    def swapped(self, seat: int | None) -> Hand:
        """Return the hand with all that *seat* must not know replaced."""
        hand = self.hand
        own = 0 if seat is None else hand.holding[seat]
        if hand.phase == "call" and seat == hand.hakem:
            deck = (*hand.deck[:5], *hand.deck[:4:-1])  # the first five are his
        else:
            deck = hand.deck[::-1]
        hidden = [card for card in range(51, -1, -1) if ALL & ~own >> card & 1]
        holding = []
        for other, mask in enumerate(hand.holding):
            size = mask.bit_count()
            holding.append(mask if other == seat else cards.mask_of(hidden[:size]))
            hidden = hidden if other == seat else hidden[size:]
        return replace(hand, deck=deck, holding=tuple(holding))


def test_a_hand_keeps_the_rules_under_any_play() -> None:
    """52 cards, suits followed, the seventh trick ends it, and no view shows what is hidden."""
    machine: Any = Table
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
