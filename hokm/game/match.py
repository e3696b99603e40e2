"""A match: the draw for the first hakem, hand after hand, the score, and who is hakem next."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hokm.game.cards import ACE, Card, rank_of
from hokm.game.fair import Stream, shuffle
from hokm.game.values import Hand, Result
from hokm.game.variant import FOUR, Options

SEATS: Final = FOUR.seats


class Match(Struct, frozen=True, kw_only=True, gc=False):
    """A match under way.

    Attributes:
        score: Points by team.
        hand_no: The hand being played, from 1; 0 before the first.
        hakem: Of that hand.
        winner: Team; None before the end.
    """

    options: Options
    score: tuple[int, int] = (0, 0)
    hand_no: int = 0
    hakem: int | None = None
    winner: int | None = None


class Draw(Struct, frozen=True, gc=False):
    """How the first hakem was found.

    Attributes:
        start: Seat that got the first card.
        cards: Seat and card, in the order they were turned up; none when drawn by lot.
        partner: With `ace_partner` the seat that got the second ace.
    """

    start: int
    cards: tuple[tuple[int, Card], ...]
    hakem: int
    partner: int | None


def deck(options: Options) -> tuple[Card, ...]:
    """Return all cards of the game in their natural order."""
    return FOUR.deck


def most_hands(options: Options) -> int:
    """Return how many hands a match can have at most: each side one point short, and one more."""
    return 2 * (options.target - 1) + 1


def draw(options: Options, stream: Stream) -> Draw:
    """Find the first hakem.

    The start seat is drawn too: the seat dealt to first gets the first ace in 28 % of the cases.
    """
    if options.first_hakem == "random":
        hakem = stream.below(SEATS)
        return Draw(hakem, (), hakem, None)
    start = stream.below(SEATS)
    wanted = 2 if options.first_hakem == "ace_partner" else 1
    turned: list[tuple[int, Card]] = []
    owners: list[int] = []
    seat = start
    for card in shuffle(stream, deck(options)):
        turned.append((seat, card))
        if rank_of(card) == ACE:
            owners.append(seat)
            if len(owners) == wanted:
                break
        seat = (seat + 1) % SEATS
        if owners and seat == owners[0]:
            seat = (seat + 1) % SEATS  # the hakem gets no more cards
    return Draw(start, tuple(turned), owners[0], owners[1] if wanted > 1 else None)


def swap_for_partner(hakem: int, partner: int | None) -> tuple[int, int] | None:
    """Return the two seats that change places so that *partner* sits opposite *hakem*.

    Returns:
        None when nobody moves: no partner was drawn, or he sits there already.
    """
    opposite = (hakem + 2) % SEATS
    return None if partner is None or partner == opposite else (partner, opposite)


def dealer_of(hakem: int) -> int:
    """Return the dealer: the seat to the hakem's left."""
    return (hakem - 1) % SEATS


def next_hakem(options: Options, hand: Hand, result: Result) -> int:
    """Return who is hakem after *hand*: the same while his side wins, else as `rotation` says."""
    hakem = hand.hakem
    right = (hakem + 1) % SEATS
    if hakem % 2 == result.winner or options.rotation == "right":
        return hakem if hakem % 2 == result.winner else right
    left = (hakem - 1) % SEATS
    if options.rotation == "left":
        return left
    taken = [trick.winner for trick in hand.past]
    return left if taken.count(left) > taken.count(right) else right


def score_hand(match: Match, result: Result) -> Match:
    """Add a hand's points; the first side to reach the target, if by more than it, has won."""
    score = list(match.score)
    score[result.winner] += result.points
    over = score[result.winner] >= match.options.target
    return replace(
        match, score=(score[0], score[1]), winner=result.winner if over else match.winner
    )
