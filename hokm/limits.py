"""How fast somebody may do something: token buckets, one or one per key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

_PRUNE_AT: Final = 1024  # keys; a full bucket says nothing and is forgotten


class Bucket:
    """A token bucket: `burst` tokens at most, refilled by `rate` per second.

    Args:
        rate: Tokens per second.
        burst: Tokens that a full bucket holds.
        now: Seconds of a clock that never goes back; the same clock for all calls.
    """

    __slots__ = ("_burst", "_rate", "_stamp", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._stamp = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take *tokens*; False, and nothing taken, when there are fewer."""
        have = self.level(now)
        self._stamp = now
        enough = have >= tokens
        self._tokens = have - tokens if enough else have
        return enough

    def level(self, now: float) -> float:
        """Return how many tokens there are."""
        return min(self._burst, self._tokens + (now - self._stamp) * self._rate)

    def set(self, tokens: float, now: float) -> None:
        """Hold *tokens* from *now* on: where another process kept the bucket before."""
        self._tokens = min(self._burst, tokens)
        self._stamp = now

    def is_full(self, now: float) -> bool:
        """Say whether nothing was taken that is not refilled by now."""
        return self.level(now) >= self._burst


class Buckets:
    """One bucket per key, for as long as it is not full."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[Hashable, Bucket] = {}

    def has(self, key: Hashable, now: float) -> bool:
        """Say whether *key*'s bucket has a token left."""
        return self.level(key, now) >= 1.0

    def level(self, key: Hashable, now: float) -> float:
        """Return how many tokens *key*'s bucket has."""
        bucket = self._buckets.get(key)
        return self._burst if bucket is None else bucket.level(now)

    def lower(self, key: Hashable, tokens: float, now: float) -> None:
        """Leave at most *tokens* in *key*'s bucket, as another process knows it."""
        if tokens < self.level(key, now):
            self._bucket(key, now).set(tokens, now)

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token of *key*'s bucket; False when it is empty."""
        return self._bucket(key, now).take(now)

    def _bucket(self, key: Hashable, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _PRUNE_AT:
                self._buckets = {k: b for k, b in self._buckets.items() if not b.is_full(now)}
            bucket = self._buckets[key] = Bucket(self._rate, self._burst, now)
        return bucket


class Overloaded(Exception):
    """The server has too much to do for one more table. The caller has the player try later."""
