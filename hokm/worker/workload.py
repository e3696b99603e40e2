"""Which rooms make a worker work: how many records each makes, looked at once a second.

What a play costs is not counted where it is made: each room's number of records says afterwards how
many there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from operator import itemgetter
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime

TOLD: Final = 100  # rooms; five times as many as may move in a second


class Counted(Protocol):
    """A table, as far as this is about it."""

    @property
    def records(self) -> int:
        """How many it has made so far."""


class Workload:
    """Sees how busy the rooms are.

    Attributes:
        records_s: Of all rooms together, per second.
        busiest: Records per second of the rooms that make most.
    """

    def __init__(self, tables: Mapping[str, Counted], clock: IReactorTime) -> None:
        """Make one that has seen nothing.

        Args:
            tables: By room code; this only looks at them.
        """
        self.records_s = 0.0
        self.busiest: dict[str, float] = {}
        self._tables = tables
        self._clock = clock
        self._at = clock.seconds()
        self._seen: dict[str, tuple[int, float]] = {}  # records, and records per second

    def look(self) -> None:
        """Look at all rooms; to be called about once a second.

        Half of a rate is that of the look before, so that one quick trick is not a busy room.
        """
        now, before = self._clock.seconds(), self._seen
        passed, self._at = now - self._at, now
        if passed <= 0:
            return
        self._seen = {}
        for code, table in self._tables.items():
            records = table.records
            had, rate = before.get(code, (records, 0.0))
            self._seen[code] = records, (rate + (records - had) / passed) / 2
        rates = {code: rate for code, (_, rate) in self._seen.items()}
        self.records_s = sum(rates.values())
        self.busiest = dict(nlargest(TOLD, rates.items(), key=itemgetter(1)))
