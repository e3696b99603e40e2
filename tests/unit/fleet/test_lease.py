"""A lease as its holder counts it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hokm.fleet import Lease


def test_nobody_has_a_lease_at_first() -> None:
    """It has to be asked for."""
    assert not Lease(10).holds(0.0)
    assert not Lease(10).holds(-1e9)


def test_it_holds_for_two_thirds_from_before_it_was_asked_for() -> None:
    """When the answer came does not matter."""
    lease = Lease(9)
    assert lease.renewed(100.0, 103.0, anew=True)
    assert lease.holds(105.99)
    assert not lease.holds(106.0)


def test_a_term_goes_on_while_it_is_renewed_in_time() -> None:
    """Nobody else can have had its rooms."""
    lease = Lease(9)
    lease.renewed(100.0, 100.1, anew=True)
    term = lease.term
    assert not lease.renewed(103.0, 103.1, anew=False)
    assert lease.term == term
    assert lease.holds(108.9)


def test_a_new_term_begins_where_it_was_over() -> None:
    """By its own clock, or because the store says so."""
    lease = Lease(9)
    lease.renewed(100.0, 100.1, anew=True)
    assert lease.renewed(106.0, 106.2, anew=False)
    assert lease.renewed(106.1, 106.2, anew=True)
    assert lease.term == 3


def test_an_old_answer_shortens_nothing() -> None:
    """Answers may overtake each other."""
    lease = Lease(9)
    lease.renewed(103.0, 103.1, anew=True)
    lease.renewed(100.0, 103.2, anew=False)
    assert lease.holds(108.9)


@given(
    rate=st.floats(0.75, 1.5),
    asked=st.floats(0, 1e6),
    delay=st.floats(0, 60),
    length=st.floats(1, 300),
)
def test_the_holder_stops_before_the_store_does(
    rate: float, asked: float, delay: float, length: float
) -> None:
    """However late the renewal was, and with a clock that goes up to a quarter too slow."""
    lease = Lease(length)
    lease.renewed(asked, asked, anew=True)
    store_ends = delay + length  # true seconds after it was sent
    stops = asked + rate * store_ends
    assert not lease.holds(math.nextafter(stops, math.inf))
