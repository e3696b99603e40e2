"""The circuit breaker."""

from __future__ import annotations

from hokm.store.breaker import FIRST_SECONDS, MOST_SECONDS, Breaker


def test_closed_while_all_is_well() -> None:
    """Everybody is admitted."""
    breaker = Breaker()
    assert all(breaker.admit(0.0) for _ in range(10))


def test_one_try_at_a_time() -> None:
    """After a failure callers are refused, but for one after each pause."""
    breaker = Breaker()
    breaker.failed(0.0)
    assert breaker.open
    assert not breaker.admit(FIRST_SECONDS / 2)
    assert breaker.admit(FIRST_SECONDS)
    assert not breaker.admit(FIRST_SECONDS)


def test_pauses_grow_to_a_bound_and_begin_anew() -> None:
    """They double, up to the most, and are short again after a success."""
    breaker = Breaker()
    now, pauses = 0.0, []
    for _ in range(10):
        breaker.failed(now)
        began = now
        while not breaker.admit(now):
            now += 0.01
        pauses.append(round(now - began, 2))
    assert pauses == sorted(pauses)
    assert abs(pauses[0] - FIRST_SECONDS) < 0.02
    assert abs(pauses[-1] - MOST_SECONDS) < 0.02
    breaker.succeeded()
    assert not breaker.open
    breaker.failed(now)
    assert breaker.admit(now + FIRST_SECONDS)
