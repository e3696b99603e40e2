"""A store that is believed only under a lease."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hokm.fleet import Lease
from hokm.store.leased import LeasedStore
from hokm.store.store import Entry, StoreAway, Verdict
from hokm.tasks import run
from tests.unit.worker.memory_store import MemoryStore


class Guarded:
    """A store with a room that this instance has claimed, under a lease of 9 s."""

    def __init__(self) -> None:
        self.time = 100.0
        self.lease = Lease(9)
        self.inner = MemoryStore()
        self.store = LeasedStore(self.inner, self.lease, lambda: self.time)
        self.lease.renewed(100.0, 100.0, anew=True)
        run(self.store.create("ROOM", b""), "create")

    def commit(self) -> list[Any]:
        """Commit; returns a list that what comes of it is put in."""
        outcome: list[Any] = []
        answer = self.store.commit([Entry("ROOM", 0, 0, b"one")])
        answer.addCallbacks(outcome.append, lambda f: outcome.append(type(f.value)))
        return outcome


def test_under_a_lease_it_is_the_store() -> None:
    """What it answers is passed on."""
    assert Guarded().commit() == [[Verdict.DONE]]


def test_without_one_it_is_not_asked() -> None:
    """For all that a worker knows, the store is away."""
    guarded = Guarded()
    guarded.time = 106.0
    assert guarded.commit() == [StoreAway]
    assert guarded.inner.calls == 0


@pytest.mark.parametrize("renewed", [False, True], ids=["over", "a new one"])
def test_a_late_answer_is_none(renewed: bool) -> None:
    """Not even where there is a lease again: another instance may have had the room meanwhile."""
    guarded = Guarded()
    guarded.inner.slow = True
    outcome = guarded.commit()
    guarded.time = 110.0
    if renewed:
        guarded.lease.renewed(110.0, 110.0, anew=False)
    guarded.inner.answer()
    assert outcome == [StoreAway]


def test_claims_are_guarded_too() -> None:
    """Reading is not: who reads only looks."""
    guarded = Guarded()
    guarded.time = 110.0
    failed: list[Any] = []
    claim: Deferred[Any] = Deferred.fromCoroutine(guarded.store.claim("ROOM", "w"))
    claim.addErrback(lambda f: failed.append(type(f.value)))
    read: list[Any] = []
    Deferred.fromCoroutine(guarded.store.read("ROOM")).addCallback(read.append)
    assert failed == [StoreAway]
    assert read[0].snapshot == b""
