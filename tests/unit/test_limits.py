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


def test_a_bucket_goes_on_elsewhere() -> None:
    """Another process's bucket holds what this one had, and is refilled from then on."""
    bucket = Bucket(2.0, 5.0, 0.0)
    bucket.take(0.0, 4.0)
    assert bucket.level(0.0) == 1.0
    other = Bucket(2.0, 5.0, 100.0)
    other.set(bucket.level(0.5), 100.0)
    assert other.level(100.0) == 2.0
    assert other.level(101.0) == 4.0
    assert other.level(1000.0) == 5.0


def test_a_bucket_is_never_set_above_its_burst() -> None:
    """A release with larger bursts may have filled it."""
    bucket = Bucket(1.0, 5.0, 0.0)
    bucket.set(100.0, 0.0)
    assert bucket.level(0.0) == 5.0
    bucket.set(0.0, 7.0)
    assert not bucket.take(7.0) and bucket.take(8.0)


def test_to_look_at_a_level_takes_nothing() -> None:
    """It may be asked for as often as one likes."""
    buckets = Buckets(1.0, 3.0)
    assert buckets.level("a", 0.0) == 3.0
    buckets.take("a", 0.0)
    assert [buckets.level("a", now) for now in (0.0, 0.5, 0.5, 9.0)] == [2.0, 2.5, 2.5, 3.0]


def test_a_level_is_only_lowered() -> None:
    """What another process knows may make it worse, and never better."""
    buckets = Buckets(1.0, 3.0)
    buckets.lower("a", 1.0, 0.0)
    assert buckets.level("a", 0.0) == 1.0
    buckets.lower("a", 2.0, 0.0)
    assert buckets.level("a", 0.0) == 1.0
    assert (buckets.level("a", 1.0), buckets.level("b", 0.0)) == (2.0, 3.0)
    buckets.lower("b", 3.0, 0.0)
    assert "b" not in buckets._buckets  # a full bucket says nothing
