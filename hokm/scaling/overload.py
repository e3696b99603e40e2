"""Overload: players wait too long though there are as many workers as there may be. Pure.

It is judged once a second by the lag of the last few seconds, so that it is noticed, and over,
soon. It begins and ends at different lags, and neither at once: new rooms are not refused and
welcomed by turns.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

OVERLOAD_S: Final = 5.0  # of lag above the limit; longer than the lag's window of 3 s remembers
RELIEF_S: Final = 5.0  # of lag under the part below, until new rooms are welcome again
CALM: Final = 0.5  # of the limit


class Overload(Struct, frozen=True):
    """Whether new rooms are refused.

    Attributes:
        since: Since when the lag says the contrary, without a break; None: it does not.
    """

    refuses: bool = False
    since: float | None = None


def judge(
    before: Overload, lag_ms: float | None, limit_ms: float, *, at_most: bool, now: float
) -> Overload:
    """Say whether new rooms are refused from now on.

    Args:
        before: What was said last.
        lag_ms: Of the worker in the middle; None where it is not known: then all stays as it is,
            and what it said until then counts no more.
        at_most: Whether there are as many workers as there may be.
        now: Seconds.
    """
    if not at_most:
        return Overload()
    if lag_ms is None:
        return Overload(before.refuses)
    contrary = lag_ms < CALM * limit_ms if before.refuses else lag_ms > limit_ms
    if not contrary:
        return Overload(before.refuses)
    since = now if before.since is None else before.since
    if now - since >= (RELIEF_S if before.refuses else OVERLOAD_S):
        return Overload(not before.refuses)
    return Overload(before.refuses, since)
