"""Provable dealing: a commitment before each hand, a proof after it, unbiased shuffles between.

The server draws 32 random bytes once per table, the `root`. Secrets form a chain backwards from
it: ``secret(n) = SHA-256(secret(n + 1))``. What is revealed after hand n is secret(n), and its own
SHA-256 is secret(n - 1): one commitment, given before anybody sits down, binds every later hand.

A hand's cards come from ``HMAC-SHA256(secret, what is dealt | every player's seed)``. The server
is bound before it sees the players' seeds; a player cannot choose a seed to his advantage since he
does not know the secret. So neither side can steer the deal, whoever comes last. A refused redeal
is a deal of its own, revealed with the others. The draw of the first hakem and its start seat come
from a stream of the same secret. What is proved is the shuffle; that nobody was shown other
players' cards it cannot prove.

Method: provably fair dealing by commit and reveal as with bitZino's cards (2012); HMAC: RFC 2104;
rejection sampling and the Fisher-Yates shuffle: Knuth, TAOCP 2, 3.4.2.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from hokm.game.cards import Card

Purpose: TypeAlias = Literal["draw", "deal"]

ALGORITHM: Final = "hokm-fair-1"
ROOT_BYTES: Final = 32  # 256 bits; 52! needs 226
LENGTH: Final = 1024  # secrets of one chain; 0.5 ms of hashing to reach the first
_STRIDE: Final = 32
_WORD: Final = 1 << 32
_BLOCK: Final = struct.Struct(">8I")


@lru_cache(maxsize=4096)  # tables in play; 1 KB each
def _marks(root: bytes) -> bytes:
    """Return each `_STRIDE`-th link of a chain, from its root on: a whole walk costs 0.5 ms."""
    marks = found = root
    for _ in range(LENGTH // _STRIDE):
        for _ in range(_STRIDE):
            found = hashlib.sha256(found).digest()
        marks += found
    return marks


@lru_cache(maxsize=4096)  # tables in play; 1 KB each
def _stretch(root: bytes, mark: int) -> bytes:
    """Return a mark and the links after it up to the next one."""
    stretch = found = _marks(root)[ROOT_BYTES * mark : ROOT_BYTES * (mark + 1)]
    for _ in range(_STRIDE - 1):
        found = hashlib.sha256(found).digest()
        stretch += found
    return stretch


def secret(root: bytes, number: int) -> bytes:
    """Return the secret of the *number*-th hand of a chain, from 1 to `LENGTH`.

    Raises:
        ValueError: The chain has no such secret. The caller begins a new one.
    """
    if not 1 <= number <= LENGTH:
        raise ValueError("the chain has no such secret")
    mark, steps = divmod(LENGTH - number, _STRIDE)
    return _stretch(root, mark)[ROOT_BYTES * steps : ROOT_BYTES * (steps + 1)]


def commitment(secret: bytes) -> str:
    """Return the SHA-256 of *secret*, hex: what is told before the hand."""
    return hashlib.sha256(secret).hexdigest()


def key(
    secret: bytes,
    *,
    room: str,
    hand_no: int,
    redeal_no: int = 0,
    purpose: Purpose,
    seeds: Sequence[str],
) -> bytes:
    """Return the key of one stream.

    Args:
        secret: Of this hand.
        room: Room code.
        hand_no: Hand of the match, from 1.
        redeal_no: Decks refused before this one.
        purpose: Whether the first hakem is drawn, or a hand dealt.
        seeds: Of the seats in order, hex; the empty text where a seat gave none.
    """
    parts = (ALGORITHM, purpose, room, str(hand_no), str(redeal_no), *seeds)
    return hmac.digest(secret, "|".join(parts).encode(), "sha256")


class Stream:
    """Random numbers from a key: HMAC-SHA256(key, counter) as 32-bit words, big-endian."""

    def __init__(self, key: bytes) -> None:
        """Begin the stream of *key*."""
        self._hmac = hmac.new(key, digestmod="sha256")  # begun once: half of what a block costs
        self._counter = 0
        self._words: list[int] = []  # of the block begun, the next one last

    def _word(self) -> int:
        if not self._words:
            block = self._hmac.copy()
            block.update(self._counter.to_bytes(8, "big"))
            self._counter += 1
            self._words = list(_BLOCK.unpack(block.digest()))
            self._words.reverse()
        return self._words.pop()

    def below(self, limit: int) -> int:
        """Return a number in [0, *limit*), all equally likely; words of a partial round go."""
        fair = _WORD - _WORD % limit
        while (word := self._word()) >= fair:
            pass
        return word % limit


def shuffle(stream: Stream, cards: Sequence[Card]) -> tuple[Card, ...]:
    """Return *cards* in random order (Fisher-Yates, from the last place down)."""
    shuffled = list(cards)
    for last in range(len(shuffled) - 1, 0, -1):
        other = stream.below(last + 1)
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return tuple(shuffled)
