"""How fast somebody may do something, by token buckets; and how many may wait at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

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


class Crowd(Generic[T]):
    """Strangers who wait, in the order of their coming.

    Where there are too many, the oldest goes, not the newest: an honest one is soon done, so that
    those who sit and wait displace one another.
    """

    def __init__(self, most: int, most_per_peer: int) -> None:
        """Let nobody wait yet.

        Args:
            most: How many may wait.
            most_per_peer: How many of one address.
        """
        self._most = most
        self._most_per_peer = most_per_peer
        self._all: dict[T, tuple[str, float]] = {}  # address, and since when
        self._of_peer: dict[str, dict[T, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._all))

    def __contains__(self, one: object) -> bool:
        return one in self._all

    def add(self, one: T, peer: str, now: float, *, is_many: bool = False) -> T | None:
        """Let somebody wait; returns who is one too many, and waits still.

        Args:
            peer: His address.
            now: Seconds of a clock that never goes back.
            is_many: Whether many come from that address, as from a proxy's.
        """
        siblings = self._of_peer.setdefault(peer, {})
        self._all[one], siblings[one] = (peer, now), None
        if len(siblings) > self._most_per_peer and not is_many:
            return next(iter(siblings))
        return next(iter(self._all)) if len(self._all) > self._most else None

    def remove(self, one: T) -> bool:
        """Forget somebody; returns whether he was waiting."""
        if one not in self._all:
            return False
        peer, _ = self._all.pop(one)
        siblings = self._of_peer[peer]
        del siblings[one]
        if not siblings:
            del self._of_peer[peer]
        return True

    def since(self, before: float) -> list[T]:
        """Return who waits since before a time."""
        return [one for one, (_, since) in self._all.items() if since <= before]


class Overloaded(Exception):
    """The server has too much to do for one more table. The caller has the player try later."""
