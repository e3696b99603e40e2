"""The rules said once more, to judge by, and the count of what was acknowledged. Pure.

Nothing of hokm's own rules is used: what the two agree on was said twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from disturbance.checker import Breach
from hokm import wire

RANKS = "23456789TJQKA"
DECK = frozenset(rank + suit for rank in RANKS for suit in "SHDC")
PACKETS = (5, 4, 4)
TRICKS_TO_WIN = 7

Hand: TypeAlias = tuple[int, int]  # number of the match, and of the hand in it
Plays: TypeAlias = Counter[tuple[Hand, str]]  # of one seat: which card, in which hand


class Foul(Exception):
    """A hand was not played by the rules; the text says where."""


def judge(hand: wire.FinishedHand) -> list[set[str]]:
    """Replay a finished hand.

    Returns:
        The cards that each seat has played.

    Raises:
        Foul: See there.
    """
    holds = _deal(hand)
    played: list[set[str]] = [set() for _ in range(4)]
    tricks = [0, 0]
    leader = hand.hakem
    for number, trick in enumerate(hand.plays, 1):
        if trick.leader != leader or max(tricks) == TRICKS_TO_WIN or len(trick.cards) != 4:
            raise Foul(f"trick {number} has no place in this hand")
        for place, card in enumerate(trick.cards):
            seat = (leader + place) % 4
            _check_card(card, trick.cards[0], holds[seat])
            holds[seat].remove(card)
            played[seat].add(card)
        leader = (leader + _best(trick.cards, hand.trump)) % 4
        if trick.winner != leader:
            raise Foul(f"trick {number} is seat {leader}'s, not {trick.winner}'s")
        tricks[leader % 2] += 1
    if max(tricks) != TRICKS_TO_WIN or tuple(tricks) != hand.result.tricks:
        raise Foul(f"{tricks} tricks were won, the result says {hand.result.tricks}")
    return played


def _deal(hand: wire.FinishedHand) -> list[set[str]]:
    """Deal the deck 5-4-4, the hakem first."""
    if len(hand.deck) != len(DECK) or set(hand.deck) != DECK:
        raise Foul("the deck is not 52 different cards")
    holds: list[set[str]] = [set() for _ in range(4)]
    place = 0
    for packet in PACKETS:
        for turn in range(4):
            holds[(hand.hakem + turn) % 4] |= set(hand.deck[place : place + packet])
            place += packet
    return holds


def _check_card(card: str, led: str, held: set[str]) -> None:
    if card not in held:
        raise Foul(f"{card} was played and not held")
    if card[1] != led[1] and any(own[1] == led[1] for own in held):
        raise Foul(f"{card} does not follow {led}")


def _best(cards: tuple[str, ...], trump: str) -> int:
    """Return the place of the winning card: the highest trump, else the highest of the led suit."""

    def worth(place: int) -> tuple[bool, bool, int]:
        card = cards[place]
        return card[1] == trump, card[1] == cards[0][1], RANKS.index(card[0])

    return max(range(4), key=worth)


def check_table(
    history: wire.History, states: list[wire.State], acknowledged: list[Plays], auto: list[Plays]
) -> list[Breach]:
    """Prove that what was acknowledged is what was played: each play once, and nothing else.

    Args:
        states: Each seat's own, asked for while nobody plays, the history after them.
        acknowledged: By seat.
        auto: Plays that a bot or the clock made, by seat.
    """
    code = history.room_code
    breaches: list[Breach] = []
    played: list[Plays] = [Counter() for _ in range(4)]
    numbers = [(hand.match_no, hand.hand_no) for hand in history.hands]
    if not _follow(numbers):
        breaches.append(Breach("lost", code, f"hands are missing or doubled: {numbers}"))
    for number, hand in zip(numbers, history.hands, strict=True):
        try:
            for seat, cards in enumerate(judge(hand)):
                played[seat].update((number, card) for card in cards)
        except Foul as foul:
            breaches.append(Breach("doubled", code, f"hand {number}: {foul}"))
    for seat, state in enumerate(states):
        who = f"{code} seat {seat}"
        known = acknowledged[seat] + auto[seat]
        now = (state.match_no, state.hand_no)
        if now not in numbers:
            mine = {card for (hand_no, card) in known if hand_no == now}
            breaches += _check_open_hand(who, state, seat, mine)
            played[seat].update((now, card) for card in mine)
        breaches += _compare(who, known, played[seat])
    return breaches


def _follow(numbers: list[Hand]) -> bool:
    """Say whether hands follow each other without a gap."""
    return all(
        following in ((match, hand + 1), (match + 1, 1))
        for (match, hand), following in pairwise(numbers)
    ) and (not numbers or numbers[0] == (1, 1))


def _compare(who: str, known: Plays, played: Plays) -> Iterator[Breach]:
    for play in known - played:
        kind = "doubled" if play in played else "lost"
        yield Breach(kind, who, f"acknowledged and not played: {play}")  # type: ignore[arg-type]
    for play in played - known:
        yield Breach("doubled", who, f"played and not acknowledged: {play}")


def _check_open_hand(who: str, state: wire.State, seat: int, mine: set[str]) -> Iterator[Breach]:
    """Check a hand that is being played: of its plays, only the last trick's can be seen."""
    gone = 13 - state.counts[seat] if state.phase == "play" else 0
    if len(mine) != gone:
        kind = "lost" if len(mine) > gone else "doubled"
        text = f"{len(mine)} plays of this hand acknowledged, {gone} cards gone"
        yield Breach(kind, who, text)  # type: ignore[arg-type] # one of the two
    for card in mine & set(state.hand):
        yield Breach("lost", who, f"{card} was played and is in the hand again")
    for trick in (state.table, state.last_trick):
        if trick is not None and trick.cards:
            place = (seat - trick.leader) % 4
            if place < len(trick.cards) and trick.cards[place] not in mine:
                yield Breach("doubled", who, f"{trick.cards[place]} lies there unacknowledged")
