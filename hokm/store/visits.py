"""Who played on which day, as far as it takes to count: no id can be read back.

A day is a HyperLogLog (https://redis.io/docs/latest/develop/data-types/probabilistic/hyperloglogs/):
12 KB at most, wrong by 0.8 % or so, and it can be united with others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from hokm.store.redis import RedisStore

KEPT_DAYS: Final = 62  # twice the longest time that is asked about, and a little more


class Visits:
    """The days; all of it fails with `StoreAway`, and may be repeated."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def note(self, day: date, guests: Collection[str]) -> None:
        """Note that *guests*, one at least, played on a day."""
        key = _key(day)
        await self._store.ask(lambda c: c.call("PFADD", key, *guests))
        await self._store.ask(lambda c: c.call("EXPIRE", key, KEPT_DAYS * 86_400))

    async def count(self, days: Sequence[date]) -> int:
        """Return how many different guests played on any of *days*, one at least."""
        found: int = await self._store.ask(lambda c: c.call("PFCOUNT", *map(_key, days)))
        return found


def _key(day: date) -> str:
    return f"hokm:{{guests}}:{day.isoformat()}"  # one hash tag: a cluster unites them, too
