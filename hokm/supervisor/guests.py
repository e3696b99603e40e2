"""How many guests there are, and how many come back: from the ids that players' pages tell.

An id is a random number that a browser keeps for itself. It goes into the store's counts and is
forgotten; with a shared store the counts are the whole fleet's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from hokm.metrics import Metrics
from hokm.store.store import StoreAway

LOOK_S: Final = 10.0  # between two calls of `tend`; who came since is lost with this process
MOST_WAITING: Final = 50_000  # ids, while the store is away: 5 MB
PERIODS: Final = {"day": 1, "week": 7, "month": 30}  # whole days, the last one yesterday
RETURNS: Final = (1, 7, 30)  # days after which a guest may come again


class Visits(Protocol):
    """The store's counts; see `hokm.store.visits`."""

    async def note(self, day: date, guests: set[str]) -> None:
        """Note that guests played on a day."""

    async def count(self, days: list[date]) -> int:
        """Return how many different ones played on any of *days*."""


class Guests:
    """Notes who comes, and shows how many there were."""

    def __init__(self, *, visits: Visits, metrics: Metrics, now: Callable[[], float]) -> None:
        """Make one that knows nobody.

        Args:
            now: Seconds since 1970: days are those of UTC.
        """
        self._visits = visits
        self._metrics = metrics
        self._now = now
        self._waiting: dict[date, set[str]] = {}

    def come(self, guest: str) -> None:
        """Take the id of a browser in which somebody plays."""
        waiting = self._waiting.setdefault(self._today(), set())
        if len(waiting) < MOST_WAITING:
            waiting.add(guest)

    async def tend(self) -> None:
        """Have noted who came, and show the counts; what the store does not take waits."""
        try:
            await self._note()
            await self._show()
        except StoreAway:
            return

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    async def _note(self) -> None:
        for day in sorted(self._waiting):
            guests = self._waiting.pop(day)
            try:
                await self._visits.note(day, guests)
            except StoreAway:
                self._waiting[day] = guests | self._waiting.get(day, set())
                raise

    async def _show(self) -> None:
        today = self._today()
        yesterday = today - timedelta(days=1)
        guests, returned = self._metrics.guests, self._metrics.guest_retention
        guests.labels("today").set(await self._visits.count([today]))
        for name, days in PERIODS.items():
            guests.labels(name).set(await self._visits.count(_days_until(yesterday, days)))
        for days in RETURNS:
            before = yesterday - timedelta(days=days)
            there = await self._visits.count([before])
            again = await self._visits.count([yesterday])
            either = await self._visits.count([before, yesterday])
            part = retention(there, again, either)
            returned.labels(days).set(float("nan") if part is None else part)


def retention(there: int, again: int, either: int) -> float | None:
    """Return which part of the guests of one day came on another, too.

    Args:
        there: Guests of the first day.
        again: Of the second.
        either: Of both together, each counted once.

    Returns:
        0 to 1: the counts are estimates, and may not quite fit each other. None without guests.
    """
    if not there:
        return None
    return min(1.0, max(0.0, (there + again - either) / there))


def _days_until(last: date, days: int) -> list[date]:
    return [last - timedelta(days=n) for n in range(days)]
