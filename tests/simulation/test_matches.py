"""Two thousand whole matches of bots through the pure room, judged by rules written anew."""

from __future__ import annotations

import os
from typing import Any

import pytest

from hokm import wire
from hokm.room.effects import Tell
from hokm.room.state import freeze
from tests.referee import Judge, replay
from tests.tables import HOST_TOKEN, PureTable

MATCHES = int(os.environ.get("HOKM_MATCHES", "2000"))
PARTS = 8
STEPS = 20_000  # far more than the longest match has

OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {"first_hakem": "ace_partner"},
    {"first_hakem": "random", "deal_visible": "all_five"},
    {"redeal": "ten_low"},
    {"rotation": "left", "kot": 1, "hakem_kot": 1, "target": 5},
    {"rotation": "winner_keeps", "target": 3},
    {"target": 13, "kot": 3, "hakem_kot": 4},
]


def bots_only(seed: int, **options: Any) -> PureTable:
    """Begin a match of four bots: its maker seats them, starts, and leaves his own seat to one."""
    table = PureTable(seed, bot_seconds=1.0, pause_seconds=0.5, **options)
    table.join("Sara", token=HOST_TOKEN, seed=table.chance.randbytes(16).hex())
    for seat, level in ((1, "normal"), (2, "easy"), (3, "normal")):
        table.do(0, wire.AddBot, seat=seat, level=level)
    table.do(0, wire.Start)
    table.do(0, wire.Leave)
    return table


def check_cards(table: PureTable) -> None:
    """Prove that no card is in two places, and in play that none is missing."""
    hand = table.room.hand
    assert hand is not None
    held = [mask.bit_count() for mask in hand.holding]
    together = hand.holding[0] | hand.holding[1] | hand.holding[2] | hand.holding[3]
    assert together.bit_count() == sum(held)
    if hand.phase == "play":
        assert sum(held) + 4 * len(hand.past) + len(hand.trick) == 52


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_bots_play_whole_matches(part: int) -> None:
    """All invariants hold: cards, turns, tricks, points, hakems, proofs; the log gives the room."""
    for number in range(part, MATCHES, PARTS):
        options = OPTIONS[part]
        table = bots_only(number, **options)
        judge = Judge(table.room.options)
        for message in table.told[None]:
            judge.hear(message)
        told = len(table.told[None])
        for _ in range(STEPS):
            if table.room.phase == "match_over":
                break
            table.tick()
            check_cards(table)
        for message in table.told[None][told:]:
            judge.hear(message)
        assert table.room.phase == "match_over"
        assert judge.hands == len(table.hands) > 0
        sequence = [message.seq for message in table.told[None]]
        assert sequence == list(range(1, len(sequence) + 1))
        if number < 10 * PARTS:
            assert freeze(table.replayed()) == freeze(table.room)
            check_history(table)


def check_history(table: PureTable) -> None:
    """Prove that the history says what was played."""
    for hand in table.hands:
        plays = [{"leader": t.leader, "cards": t.cards, "winner": t.winner} for t in hand.plays]
        told = {"hakem": hand.hakem, "deck": hand.deck, "trump": hand.trump, "plays": plays}
        winner, tricks, _ = replay(told)
        assert (winner, tricks) == (hand.result.winner, hand.result.tricks)


def test_a_record_says_all() -> None:
    """After every single record the fold of the log is the room, byte for byte."""
    table = bots_only(7, target=1)
    folded = 0
    while table.room.phase != "match_over" and folded < STEPS:
        table.tick()
        folded += 1
        assert freeze(table.replayed()) == freeze(table.room)
    assert folded > 40


def test_effects_name_everybody() -> None:
    """A public message of a deal never holds a card."""
    table = PureTable(1)
    table.seat_four()
    effects = table.do(0, wire.Start)
    public = [wire.decode_message(x.public) for x in effects if isinstance(x, Tell)]
    dealt = [message for message in public if isinstance(message, wire.CardsDealt)]
    assert dealt and all(message.cards == () for message in dealt)
