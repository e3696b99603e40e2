"""The bot that knows the rules and nothing else: the measure for the others."""

from __future__ import annotations

from hokm.bots.action import Action, Call, Play, RandomSource
from hokm.game.cards import SUITS, iterate
from hokm.game.view import SeatView


def choose(view: SeatView, random: RandomSource) -> Action:
    """Name any suit, play any legal card."""
    if view.phase == "call":
        return Call(random.randrange(len(SUITS)))
    cards = list(iterate(view.legal))
    return Play(cards[random.randrange(len(cards))])
