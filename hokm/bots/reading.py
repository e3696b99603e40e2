"""What can be concluded from a seat's view: who may hold what, which card is sure to win."""

from __future__ import annotations

from hokm.game.cards import SUIT_MASKS, Card, Mask, suit_of, trick_winner
from hokm.game.view import SeatView

_ALL = (1 << 52) - 1


class Reading:
    """Conclusions from one view, made when its seat is to play.

    Attributes:
        unseen: Cards that others may hold.
        partner: The seat opposite.
        rivals: The two other seats.
    """

    def __init__(self, view: SeatView) -> None:
        assert view.seat is not None and view.trump is not None
        self.view = view
        self.seat = view.seat
        self.trump = view.trump
        self.trumps = SUIT_MASKS[view.trump]
        self.unseen: Mask = _ALL & ~view.played & ~view.hand
        self.partner = (view.seat + 2) % 4
        self.rivals = ((view.seat + 1) % 4, (view.seat + 3) % 4)

    def may_hold(self, seat: int) -> Mask:
        """Return the cards that *seat* may hold: unseen, and of no suit it failed to follow."""
        mask = self.unseen
        for suit, suit_mask in enumerate(SUIT_MASKS):
            if self.view.voids[seat] >> suit & 1:
                mask &= ~suit_mask
        return mask if self.view.counts[seat] else 0

    def is_master(self, card: Card) -> bool:
        """Say whether nobody can hold a higher card of its suit."""
        return not self.unseen & higher(card)

    @property
    def rival_trumps(self) -> Mask:
        """Trumps that the other side may hold."""
        return (self.may_hold(self.rivals[0]) | self.may_hold(self.rivals[1])) & self.trumps

    # --- the trick on the table -----------------------------------------------------------

    def winning(self) -> tuple[int, Card]:
        """Return the seat that wins the trick as it lies, and its card."""
        trick = self.view.trick
        winner = trick_winner(trick, self.view.leader, self.trump)
        return winner, trick[(winner - self.view.leader) % 4]

    def to_come(self) -> tuple[int, ...]:
        """Return the seats that play after this one."""
        left = 3 - len(self.view.trick)
        return tuple((self.seat + n) % 4 for n in range(1, left + 1))

    def beats(self, card: Card, other: Card) -> bool:
        """Say whether *card*, played later, beats *other*."""
        if suit_of(card) == suit_of(other):
            return card > other
        return suit_of(card) == self.trump

    def may_be_beaten(self, card: Card, led: int, by: int) -> bool:
        """Say whether *by*, who plays later, may hold what beats *card*."""
        holds = self.may_hold(by)
        if suit_of(card) == self.trump:
            follows = led != self.trump and not self.can_lack(by, led)
            return not follows and bool(holds & higher(card))
        if suit_of(card) == led and holds & higher(card):
            return True
        return bool(holds & self.trumps) and self.can_lack(by, led)

    def can_lack(self, seat: int, suit: int) -> bool:
        """Say whether *seat* is known, or likely, to have none of *suit*.

        Likely: fewer unseen cards of the suit are left than two for each who may have some.
        """
        if self.view.voids[seat] >> suit & 1:
            return True
        open_seats = [s for s in (self.partner, *self.rivals) if not self.view.voids[s] >> suit & 1]
        left = (self.unseen & SUIT_MASKS[suit]).bit_count()
        return left < 2 * len(open_seats)


def higher(card: Card) -> Mask:
    """Return the cards of the same suit that are higher."""
    return SUIT_MASKS[suit_of(card)] & ~((2 << card) - 1)
