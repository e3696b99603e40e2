"""Scaling, pure: rules as data, what they decide about measured load, and which rooms to move.

`measure` makes a `Sample` of what was read, `remember` keeps it, `decide` says from all of them how
many workers there shall be and why; `choose_moves` and `cheapest` say which rooms go where, `judge`
whether new ones are refused.
"""

from hokm.scaling.decide import Decision, decide
from hokm.scaling.metric import METRICS
from hokm.scaling.overload import Overload, judge
from hokm.scaling.reading import BadRule, check, markdown, read_rules
from hokm.scaling.relief import Load, RoomCost, RoomMove, cheapest, choose_moves, loads_of, messages
from hokm.scaling.rules import DEFAULTS, MAX_WORKERS, Rule, Scaling
from hokm.scaling.sample import (
    History,
    Reading,
    Sample,
    WorkerReading,
    measure,
    remember,
    typical_lag,
)
from hokm.scaling.standing import Standing

__all__ = [
    "DEFAULTS",
    "MAX_WORKERS",
    "METRICS",
    "BadRule",
    "Decision",
    "History",
    "Load",
    "Overload",
    "Reading",
    "RoomCost",
    "RoomMove",
    "Rule",
    "Sample",
    "Scaling",
    "Standing",
    "WorkerReading",
    "cheapest",
    "check",
    "choose_moves",
    "decide",
    "judge",
    "loads_of",
    "markdown",
    "measure",
    "messages",
    "read_rules",
    "remember",
    "typical_lag",
]
