"""Whole matches between bots: strength, and figures that a fair game must show.

Decks come from seeded generators, so each run plays the same matches; the bounds leave at least
three standard deviations to what was measured over other seeds.
"""

import random
import time
from collections import Counter
from typing import Any

import pytest

from hokm import bots
from hokm.bots import Level
from hokm.game import hand as hands
from hokm.game import match as matches
from hokm.game.match import Match
from hokm.game.values import Hand
from hokm.game.variant import Options
from hokm.game.view import look


class Figures(Counter[Any]):
    """Counts over hands, and the bots' time in seconds."""

    def share(self, what: str) -> float:
        """Return how often *what* happened, per hand."""
        return float(self[what] / self["hands"])


def play_hand(
    played: Match, levels: tuple[Level, ...], hakem: int, chance: random.Random, figures: Figures
) -> Hand:
    """Play one hand; every bot's action must be allowed."""
    redeals = 0
    while True:
        deck = list(range(52))
        chance.shuffle(deck)
        hand = hands.begin(
            played.options,
            hakem=hakem,
            dealer=matches.dealer_of(hakem),
            deck=tuple(deck),
            redeals=redeals,
        )
        answer = bots.choose(levels[hakem], look(played, hand, hakem), chance)
        if isinstance(answer, bots.Call):
            break
        assert isinstance(answer, bots.Refuse) and hands.may_refuse(hand, played.options)
        redeals += 1
    assert hands.check_call(hand, hakem, answer.suit) is None
    figures["redeals"] += redeals
    hand = hands.call(hand, answer.suit)
    while hand.phase == "play":
        view = look(played, hand, hand.turn)
        began = time.perf_counter()
        action = bots.choose(levels[hand.turn], view, chance)
        figures["seconds"] += time.perf_counter() - began  # type: ignore[assignment]
        figures["choices"] += 1
        assert isinstance(action, bots.Play)
        assert hands.check_play(hand, hand.turn, action.card) is None
        hand = hands.play(hand, action.card)
        if hands.trick_full(hand):
            hand = hands.collect(hand)
    return hand


def play_match(
    levels: tuple[Level, ...], seed: int, figures: Figures, options: Options | None = None
) -> int:
    """Play a match with the bots of *levels*, by seat, and return the team that wins it."""
    chance = random.Random(seed)
    played = Match(options=options or Options())
    hakem = chance.randrange(4)
    while played.winner is None:
        hand = play_hand(played, levels, hakem, chance, figures)
        result = hands.result(hand, played.options)
        figures["hands"] += 1
        figures["hakem"] += result.winner == hakem % 2
        figures["tricks"] += len(hand.past)
        figures[result.kot] += 1
        played = matches.score_hand(played, result)
        hakem = matches.next_hakem(played.options, hand, result)
    return played.winner


def wins(one: Level, other: Level, count: int) -> tuple[float, Figures]:
    """Return the share of *count* matches that *one* wins; sides change from match to match."""
    figures = Figures()
    won = 0
    for seed in range(count):
        first = seed % 2
        levels = (one, other, one, other) if first == 0 else (other, one, other, one)
        won += play_match(levels, seed, figures) == first
    return won / count, figures


@pytest.mark.slow
def test_the_normal_bot_beats_chance() -> None:
    """It wins nearly every match (0.995 measured), and each choice takes under 1 ms."""
    share, figures = wins("normal", "random", 400)
    assert share >= 0.97
    assert figures["seconds"] / figures["choices"] < 0.001


@pytest.mark.slow
def test_the_normal_bot_beats_the_easy_one() -> None:
    """The levels are well apart (0.915 measured)."""
    share, _ = wins("normal", "easy", 400)
    assert share >= 0.87


@pytest.mark.slow
def test_the_easy_bot_beats_chance() -> None:
    """Even a beginner's game is a game (0.99 measured)."""
    share, _ = wins("easy", "random", 200)
    assert share >= 0.95


@pytest.mark.slow
def test_equal_bots_play_the_game_that_is_known() -> None:
    """Hakem's side wins about 60 % of hands, kots are rare, a hand has about eleven tricks."""
    figures = Figures()
    for seed in range(300):
        play_match(("normal",) * 4, seed, figures)
    assert 0.55 < figures.share("hakem") < 0.65
    assert 0.005 < figures.share("kot") < 0.045
    assert 0.001 < figures.share("hakem_kot") < 0.015
    assert 10.5 < figures.share("tricks") < 11.5


@pytest.mark.parametrize(
    "options",
    [
        Options(redeal="ten_low", target=20),
        Options(deal_visible="all_five", rotation="left"),
        Options(rotation="winner_keeps", kot=1, hakem_kot=1),
        Options(target=1),
    ],
)
def test_bots_play_by_every_option(options: Options) -> None:
    """Matches with any options are played to their end without a refused action."""
    figures = Figures()
    for seed in range(10):
        assert play_match(("normal", "easy", "random", "normal"), seed, figures, options) in (0, 1)
    refused = figures["redeals"]
    assert refused > 0 if options.redeal == "ten_low" else refused == 0
