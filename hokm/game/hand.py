"""One hand: the call, the tricks, the result. Values in, values out; refusals are codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hokm.game.cards import SUIT_MASKS, TEN, Card, Mask, iterate, mask_of, suit_of, trick_winner
from hokm.game.cards import legal as legal_of
from hokm.game.values import Hand, Kot, Result, Trick
from hokm.game.variant import FOUR, Options

SEATS: Final = FOUR.seats
_TO_WIN: Final = FOUR.tricks_to_win
_PACKETS: Final = FOUR.packets


def begin(
    options: Options, *, hakem: int, dealer: int, deck: tuple[Card, ...], redeals: int = 0
) -> Hand:
    """Deal what is dealt before the call: five cards to the hakem, or to all.

    The deck alone fixes the hands: packets of 5, 4 and 4 in play order, the hakem first, whatever
    is shown before the call.
    """
    shown = range(SEATS) if options.deal_visible == "all_five" else (hakem,)
    holding = tuple(_dealt(deck, hakem, seat, 1) if seat in shown else 0 for seat in range(SEATS))
    return Hand(
        hakem=hakem,
        dealer=dealer,
        deck=deck,
        holding=holding,
        trump=None,
        leader=hakem,
        turn=hakem,
        trick=(),
        tricks=(0, 0),
        past=(),
        phase="call",
        redeals=redeals,
    )


def _dealt(deck: tuple[Card, ...], hakem: int, seat: int, packets: int) -> Mask:
    """Return what *seat* is dealt in the first *packets* packets."""
    place = (seat - hakem) % SEATS
    mask, start = 0, 0
    for size in _PACKETS[:packets]:
        first = start + place * size
        mask |= mask_of(deck[first : first + size])
        start += SEATS * size
    return mask


def first_packet(hand: Hand, seat: int) -> Mask:
    """Return the five cards that *seat* is dealt first."""
    return _dealt(hand.deck, hand.hakem, seat, 1)


def may_refuse(hand: Hand, options: Options) -> bool:
    """Say whether the hakem may have the cards dealt afresh: nothing above a ten among his five."""
    if options.redeal == "none" or hand.phase != "call" or hand.redeals >= options.redeal_limit:
        return False
    return all(card % 13 <= TEN for card in iterate(first_packet(hand, hand.hakem)))


def check_call(hand: Hand, seat: int, suit: int) -> str | None:
    """Say why *seat* may not name *suit* the trump; None when he may."""
    if hand.phase != "call":
        return "wrong_phase"
    if seat != hand.hakem:
        return "not_hakem"
    return None if 0 <= suit < len(SUIT_MASKS) else "bad_suit"


def call(hand: Hand, suit: int) -> Hand:
    """Name the trump, any suit: all cards are dealt, and the hakem leads."""
    holding = tuple(_dealt(hand.deck, hand.hakem, seat, len(_PACKETS)) for seat in range(SEATS))
    return replace(hand, trump=suit, holding=holding, phase="play")


def legal(hand: Hand, seat: int) -> Mask:
    """Return the cards that *seat* may play now; none when it is not his turn."""
    if hand.phase != "play" or hand.turn != seat or len(hand.trick) == SEATS:
        return 0
    return legal_of(hand.holding[seat], suit_of(hand.trick[0]) if hand.trick else None)


def check_play(hand: Hand, seat: int, card: Card) -> str | None:
    """Say why *seat* may not play *card*; None when he may."""
    if hand.phase != "play" or len(hand.trick) == SEATS:
        return "wrong_phase"
    if hand.turn != seat:
        return "not_your_turn"
    if not hand.holding[seat] >> card & 1:
        return "not_in_hand"
    return None if legal(hand, seat) >> card & 1 else "must_follow"


def play(hand: Hand, card: Card) -> Hand:
    """Let the seat on turn play *card*; the fourth card leaves a full trick to `collect`."""
    seat = hand.turn
    holding = list(hand.holding)
    holding[seat] &= ~(1 << card)
    return Hand(
        hand.hakem,
        hand.dealer,
        hand.deck,
        tuple(holding),
        hand.trump,
        hand.leader,
        (seat + 1) % SEATS,
        (*hand.trick, card),
        hand.tricks,
        hand.past,
        hand.phase,
        hand.redeals,
    )


def trick_full(hand: Hand) -> bool:
    """Say whether four cards lie on the table."""
    return len(hand.trick) == SEATS


def winner_of_trick(hand: Hand) -> int:
    """Return the seat that takes the full trick."""
    assert hand.trump is not None
    return trick_winner(hand.trick, hand.leader, hand.trump)


def collect(hand: Hand) -> Hand:
    """Give the full trick to its winner, who leads next; the hand ends at once at the seventh."""
    winner = winner_of_trick(hand)
    first, second = hand.tricks
    tricks = (first, second + 1) if winner % 2 else (first + 1, second)
    return Hand(
        hand.hakem,
        hand.dealer,
        hand.deck,
        hand.holding,
        hand.trump,
        winner,
        winner,
        (),
        tricks,
        (*hand.past, Trick(hand.leader, hand.trick, winner)),
        "over" if tricks[winner % 2] == _TO_WIN else "play",
        hand.redeals,
    )


def result(hand: Hand, options: Options) -> Result:
    """Score a hand that is over: 1 point, more for seven tricks to none."""
    assert hand.phase == "over"
    winner = 0 if hand.tricks[0] == _TO_WIN else 1
    kot: Kot = "none"
    if hand.tricks[1 - winner] == 0:
        kot = "kot" if hand.hakem % 2 == winner else "hakem_kot"
    points = {"none": 1, "kot": options.kot, "hakem_kot": options.hakem_kot}[kot]
    return Result(winner, hand.tricks, points, kot)
