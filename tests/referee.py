"""The rules once more, written from the rule book and not from the program, to judge it by.

Nothing of hokm's own rules or shuffling is used here: what the two agree on was said twice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import msgspec

RANKS = "23456789TJQKA"
DECK = [rank + suit for suit in "SHDC" for rank in RANKS]


def deal(deck: list[str], hakem: int) -> list[set[str]]:
    """Deal a deck 5-4-4, the hakem first."""
    assert sorted(deck) == sorted(DECK)
    holds: list[set[str]] = [set() for _ in range(4)]
    place = 0
    for packet in (5, 4, 4):
        for turn in range(4):
            holds[(hakem + turn) % 4] |= set(deck[place : place + packet])
            place += packet
    return holds


def trick_winner(cards: list[str], leader: int, trump: str) -> int:
    """Return who wins a trick: the highest trump, else the highest of the led suit."""

    def worth(place: int) -> tuple[bool, bool, int]:
        rank, suit = cards[place]
        return suit == trump, suit == cards[0][1], RANKS.index(rank)

    return (leader + max(range(len(cards)), key=worth)) % 4


def replay(hand: Any) -> tuple[int, tuple[int, int], int]:
    """Fold a hand of the history: who wins, tricks by team, points.

    Raises:
        AssertionError: A card was played that was not held, or against the duty to follow.
    """
    hakem, leader = hand["hakem"], hand["hakem"]
    holds = deal(list(hand["deck"]), hakem)
    tricks = [0, 0]
    for trick in hand["plays"]:
        assert max(tricks) < 7 and trick["leader"] == leader
        cards = list(trick["cards"])
        for turn, card in enumerate(cards):
            held = holds[(leader + turn) % 4]
            assert card in held
            assert card[1] == cards[0][1] or not any(own[1] == cards[0][1] for own in held)
            held.discard(card)
        leader = trick_winner(cards, leader, hand["trump"])
        assert trick["winner"] == leader
        tricks[leader % 2] += 1
    winner = 0 if tricks[0] == 7 else 1
    assert tricks[winner] == 7
    kot = tricks[1 - winner] == 0
    points = (2 if hakem % 2 == winner else 3) if kot else 1
    return winner, (tricks[0], tricks[1]), points


class Judge:
    """Hears what a table tells in public, and proves hand by hand that it was played by the rules.

    Attributes:
        hands: How many hands it has judged.
    """

    def __init__(self, options: Any) -> None:
        self.hands = 0
        self._options = options
        self._hand: dict[str, Any] = {}
        self._score = [0, 0]
        self._expected: int | None = None  # hakem of the next hand
        self._over = False
        self._commitment: str | None = None

    def hear(self, message: Any) -> None:
        """Take one public message."""
        kind = type(message).__name__
        judge = getattr(self, f"_on_{kind}", None)
        if judge is not None:
            judge(message)

    def _on_MatchStarted(self, message: Any) -> None:
        self._score = [0, 0]
        self._expected = None
        self._over = False

    def _on_HakemDrawn(self, message: Any) -> None:
        self._expected = message.hakem
        assert self._options.first_hakem == "random" or message.cards[-1][0] == "A"

    def _on_HandStarted(self, message: Any) -> None:
        assert not self._over
        assert message.hakem == self._expected
        assert message.dealer == (message.hakem + 3) % 4
        self._hand = {"hakem": message.hakem, "plays": [], "redeals": message.redeal_no}
        self._commitment = message.commitment

    def _on_TrumpChosen(self, message: Any) -> None:
        assert message.seat == self._hand["hakem"]
        self._hand["trump"] = message.suit

    def _on_CardPlayed(self, message: Any) -> None:
        plays = self._hand["plays"]
        if not plays or "winner" in plays[-1]:
            leader = plays[-1]["winner"] if plays else self._hand["hakem"]
            plays.append({"leader": leader, "cards": []})
        trick = plays[-1]
        assert message.seat == (trick["leader"] + len(trick["cards"])) % 4
        trick["cards"].append(message.card)

    def _on_TrickWon(self, message: Any) -> None:
        self._hand["plays"][-1]["winner"] = message.seat

    def _on_HandOver(self, message: Any) -> None:
        proof = message.proof
        assert proof.commitment == self._commitment
        assert len(proof.decks) == self._hand["redeals"] + 1
        check_proof(proof)
        winner, tricks, points = replay({**self._hand, "deck": proof.decks[-1]})
        if message.kot != "none":
            ours = self._hand["hakem"] % 2 == winner
            points = self._options.kot if ours else self._options.hakem_kot
            assert message.kot == ("kot" if ours else "hakem_kot")
        self._score[winner] += points
        assert (message.winner, message.tricks, message.points) == (winner, tricks, points)
        assert list(message.score) == self._score
        self._expected = self._next_hakem(winner)
        assert message.next_hakem == self._expected
        self._over = max(self._score) >= self._options.target
        self.hands += 1

    def _next_hakem(self, winner: int) -> int:
        hakem: int = self._hand["hakem"]
        if hakem % 2 == winner:
            return hakem
        if self._options.rotation == "left":
            return (hakem + 3) % 4
        if self._options.rotation == "winner_keeps":
            return self._best_taker(hakem)
        return (hakem + 1) % 4

    def _best_taker(self, hakem: int) -> int:
        """Return which of the winners took more tricks; of equals, the one on the right."""
        takers = [trick["winner"] for trick in self._hand["plays"]]
        right, left = (hakem + 1) % 4, (hakem + 3) % 4
        return left if takers.count(left) > takers.count(right) else right

    def _on_MatchOver(self, message: Any) -> None:
        assert self._over
        assert list(message.score) == self._score
        assert self._score[message.winner] == max(self._score)


def check_proof(proof: Any) -> None:
    """Check a hand's proof by docs/protocol/fairness.md.

    Raises:
        AssertionError: The deal does not follow from what it reveals.
    """
    proof = msgspec.to_builtins(proof)
    secret = bytes.fromhex(proof["secret"])
    assert hashlib.sha256(secret).hexdigest() == proof["commitment"]
    for number, deck in enumerate(proof["decks"]):
        assert list(deck) == _shuffled(_words(_key(proof, secret, "deal", number)))
    if proof.get("start_seat") is not None:
        words = _words(_key(proof, secret, "draw", 0))
        assert proof["start_seat"] == _below(words, 4)
        drawn = list(proof.get("draw", ()))
        assert drawn == _shuffled(words)[: len(drawn)]


def _key(proof: Any, secret: bytes, purpose: str, redeal: int) -> bytes:
    numbers = [str(proof["hand_no"]), str(redeal)]
    text = "|".join(["hokm-fair-1", purpose, proof["room"], *numbers, *proof["seeds"]])
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def _words(key: bytes) -> Iterator[int]:
    counter = 0
    while True:
        block = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha256).digest()
        for place in range(0, 32, 4):
            yield int.from_bytes(block[place : place + 4], "big")
        counter += 1


def _below(words: Iterator[int], limit: int) -> int:
    while True:
        word = next(words)
        if word < 2**32 - 2**32 % limit:
            return word % limit


def _shuffled(words: Iterator[int]) -> list[str]:
    deck = list(DECK)
    for last in range(51, 0, -1):
        other = _below(words, last + 1)
        deck[last], deck[other] = deck[other], deck[last]
    return deck
