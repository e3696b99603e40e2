"""What one seat, or a spectator, may see of a hand: all that bots get, and what pages show."""

from __future__ import annotations

from msgspec import Struct

from hokm.game import hand as hands
from hokm.game.cards import Card, Mask, mask_of, suit_of
from hokm.game.match import Match
from hokm.game.values import Hand, Phase, Trick


class SeatView(Struct, frozen=True, gc=False):
    """A hand from one seat.

    Attributes:
        seat: Whose view; None for a spectator's.
        hand: His cards; none for a spectator.
        legal: What he may play now.
        counts: Cards that each seat holds.
        trick: Cards on the table, the first from `leader`.
        played: All cards that were seen on the table in this hand.
        voids: By seat, the suits it has shown to have none of (bit n is suit n).
        may_refuse: Whether he may have the cards dealt afresh.
    """

    seat: int | None
    phase: Phase
    hakem: int
    dealer: int
    trump: int | None
    hand: Mask
    legal: Mask
    counts: tuple[int, ...]
    leader: int
    turn: int
    trick: tuple[Card, ...]
    tricks: tuple[int, int]
    last_trick: Trick | None
    played: Mask
    voids: tuple[int, ...]
    may_refuse: bool
    score: tuple[int, int]
    target: int


def look(match: Match, hand: Hand, seat: int | None) -> SeatView:
    """Return what *seat* (None: a spectator) may see. Only public facts and its own cards."""
    own = 0 if seat is None else hand.holding[seat]
    played, voids = _seen(hand)
    return SeatView(
        seat=seat,
        phase=hand.phase,
        hakem=hand.hakem,
        dealer=hand.dealer,
        trump=hand.trump,
        hand=own,
        legal=0 if seat is None else hands.legal(hand, seat),
        counts=tuple(mask.bit_count() for mask in hand.holding),
        leader=hand.leader,
        turn=hand.turn,
        trick=hand.trick,
        tricks=hand.tricks,
        last_trick=hand.past[-1] if hand.past else None,
        played=played,
        voids=voids,
        may_refuse=seat == hand.hakem and hands.may_refuse(hand, match.options),
        score=match.score,
        target=match.options.target,
    )


def _seen(hand: Hand) -> tuple[Mask, tuple[int, ...]]:
    """Return the cards seen on the table, and by seat the suits that it could not follow."""
    played = 0
    voids = [0] * hands.SEATS
    for trick in (*hand.past, Trick(hand.leader, hand.trick, -1)):
        if not trick.cards:
            continue
        played |= mask_of(trick.cards)
        led = suit_of(trick.cards[0])
        for place, card in enumerate(trick.cards):
            if suit_of(card) != led:
                voids[(trick.leader + place) % hands.SEATS] |= 1 << led
    return played, tuple(voids)
