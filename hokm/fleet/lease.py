"""A lease as its holder knows it: until when it may act.

The store lets the lease run out by the store's clock, some time after the renewal got there. The
holder counts by its own clock, from before the renewal was sent, and only two thirds of the
length: no clock is ever compared with another one, and one that goes a third too slow does no harm.
"""

from __future__ import annotations

import math
from typing import Final

FENCE: Final = 2 / 3  # of a lease, after which its holder does nothing more; peers.md, section 10
RENEWAL: Final = 1 / 3  # of a lease, after which it is renewed


class Lease:
    """A lease; all times are seconds of one clock, which also counts while the machine sleeps.

    Attributes:
        seconds: Its length.
        asked: When the renewal was sent that counts.
        term: Rises whenever somebody else may have had the lease's rooms in between. What was
            asked for in one term is not to be answered in another.
    """

    def __init__(self, seconds: float) -> None:
        """Have no lease yet."""
        self.seconds = seconds
        self.asked = -math.inf
        self.term = 0

    def holds(self, now: float) -> bool:
        """Say whether its holder may act."""
        return now < self.asked + FENCE * self.seconds

    def renewed(self, asked: float, now: float, *, anew: bool) -> bool:
        """Hear that the store has renewed it.

        Args:
            asked: When the renewal was sent.
            anew: Whether the store knew of no lease any more.

        Returns:
            Whether a new term begins: all rooms may have other owners by now.
        """
        lapsed = anew or not self.holds(now)
        if lapsed:
            self.term += 1
        self.asked = max(self.asked, asked)
        return lapsed
