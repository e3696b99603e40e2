"""Guests are counted once a day, whatever the store does, and it is told how many come back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred

from hokm.metrics import Metrics
from hokm.store.store import StoreAway
from hokm.supervisor.guests import Guests, retention

TODAY = date(2026, 3, 10)


class Visits:
    """The store's counts, exact ones."""

    def __init__(self) -> None:
        self.away = False
        self.days: dict[date, set[str]] = {}

    async def note(self, day: date, guests: set[str]) -> None:
        if self.away:
            raise StoreAway
        self.days.setdefault(day, set()).update(guests)

    async def count(self, days: list[date]) -> int:
        if self.away:
            raise StoreAway
        return len(set().union(*(self.days.get(day, set()) for day in days)))


class World:
    """A server on some day."""

    def __init__(self) -> None:
        self.seconds = datetime(2026, 3, 10, 23, 59, tzinfo=UTC).timestamp()
        self.visits = Visits()
        self.metrics = Metrics()
        self.guests = Guests(visits=self.visits, metrics=self.metrics, now=lambda: self.seconds)

    def tend(self) -> dict[str, float]:
        """Have it done what is done now and then; returns what is shown."""
        done: list[None] = []
        Deferred.fromCoroutine(self.guests.tend()).addCallback(done.append)
        assert done == [None]
        return {
            " ".join((sample.name.removeprefix("hokm_"), *sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
            if "guest" in sample.name
        }

    def had(self, days_ago: int, *guests: str) -> None:
        """Have had guests on another day."""
        self.visits.days[TODAY - timedelta(days=days_ago)] = set(guests)


def test_a_guest_counts_once() -> None:
    """However often the page tells it; at midnight, of UTC, another day begins."""
    world = World()
    for guest in ("a", "b", "a"):
        world.guests.come(guest)
    assert world.tend()["guests today"] == 2
    world.guests.come("a")
    world.seconds += 120
    world.guests.come("a")
    found = world.tend()
    assert (found["guests today"], found["guests day"], found["guests month"]) == (1, 2, 2)


def test_who_comes_while_the_store_is_away_is_not_forgotten() -> None:
    """He is noted under the day on which he came, with whoever came meanwhile."""
    world = World()
    world.visits.away = True
    world.guests.come("a")
    assert world.tend() == {}
    world.guests.come("b")
    world.seconds += 120
    world.guests.come("c")
    world.tend()
    world.visits.away = False
    found = world.tend()
    assert (found["guests day"], found["guests today"]) == (2, 1)
    assert world.visits.days == {TODAY: {"a", "b"}, TODAY + timedelta(days=1): {"c"}}


def test_who_comes_back() -> None:
    """Of a day's guests those who also came yesterday; without guests then there is no figure."""
    world = World()
    world.had(1, "a", "b", "new")
    world.had(2, "a", "b", "c", "d")
    world.had(8, "a", "x")
    found = world.tend()
    assert found["guest_retention 1"] == 0.5
    assert found["guest_retention 7"] == 0.5
    assert "guest_retention 30" not in found
    assert (found["guests day"], found["guests week"], found["guests month"]) == (3, 5, 6)


@pytest.mark.parametrize(
    ("there", "again", "either", "part"),
    [
        (0, 5, 5, None),
        (10, 0, 10, 0.0),
        (10, 10, 10, 1.0),
        (10, 5, 12, 0.3),
        (10, 5, 16, 0.0),  # estimates that do not fit each other
        (10, 20, 12, 1.0),
    ],
)
def test_retention(there: int, again: int, either: int, part: float | None) -> None:
    """It is between 0 and 1, or not known."""
    assert retention(there, again, either) == part
