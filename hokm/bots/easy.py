"""The easy bot: names its longest suit, and plays low cards more often than high ones."""

from __future__ import annotations

from hokm.bots.action import Action, Call, Play, RandomSource
from hokm.bots.trump import best_trump
from hokm.game.cards import RANKS_IN_SUIT, iterate, rank_of
from hokm.game.view import SeatView


def choose(view: SeatView, random: RandomSource) -> Action:
    """Decide for the seat of *view*."""
    if view.phase == "call":
        return Call(best_trump(view.hand))
    cards = list(iterate(view.legal))
    point = random.random() * sum(RANKS_IN_SUIT - rank_of(card) for card in cards)
    for card in cards:
        point -= RANKS_IN_SUIT - rank_of(card)
        if point < 0:
            return Play(card)
    return Play(cards[-1])
