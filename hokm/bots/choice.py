"""The bots by name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hokm.bots import careless, easy, normal
from hokm.bots.action import Action, Call, Play, RandomSource, Refuse
from hokm.game.view import SeatView

Level: TypeAlias = Literal["random", "easy", "normal"]

__all__ = ["Action", "Call", "Level", "Play", "RandomSource", "Refuse", "choose"]

_BOTS = {"random": careless.choose, "easy": easy.choose, "normal": normal.choose}


def choose(level: Level, view: SeatView, random: RandomSource) -> Action:
    """Decide for the seat of *view*, whose turn it is.

    Args:
        level: `random` plays any legal card: a measure for the others. `easy` prefers low cards.
            `normal` follows the rules of good play.
        view: All that it knows.
        random: `normal` does not use it.
    """
    return _BOTS[level](view, random)
