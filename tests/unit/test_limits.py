"""Token buckets."""

from __future__ import annotations

from hokm.limits import Bucket, Buckets


def test_burst_then_rate() -> None:
    """A full bucket gives its burst at once, then as much as it is refilled."""
    bucket = Bucket(2.0, 5.0, 0.0)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert not bucket.take(0.4)
    assert bucket.take(0.5)
    assert not bucket.take(0.5)


def test_never_more_than_the_burst() -> None:
    """A long pause fills it, and no more."""
    bucket = Bucket(2.0, 5.0, 0.0)
    assert bucket.take(1000.0, 5.0)
    assert not bucket.take(1000.0)


def test_a_refused_wish_costs_nothing() -> None:
    """Who asks for more than there is may have the smaller thing still."""
    bucket = Bucket(1.0, 3.0, 0.0)
    assert not bucket.take(0.0, 4.0)
    assert bucket.take(0.0, 3.0)


def test_keys_do_not_affect_each_other() -> None:
    """Each key has a bucket of its own."""
    buckets = Buckets(1.0, 1.0)
    assert buckets.take("a", 0.0)
    assert not buckets.take("a", 0.0)
    assert not buckets.has("a", 0.5)
    assert buckets.has("b", 0.0) and buckets.take("b", 0.0)
    assert buckets.has("a", 1.0)


def test_full_buckets_are_forgotten() -> None:
    """Memory follows those who did something lately, not all who ever came."""
    buckets = Buckets(1.0, 2.0)
    for number in range(5000):
        buckets.take(number, float(number))
    assert len(buckets._buckets) < 1100
