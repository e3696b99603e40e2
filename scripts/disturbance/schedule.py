"""The schedule: which faults strike when, from a seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

WEIGHTS: Final = {  # how often each strikes, relative to the others
    "kill": 3,
    "stop": 1,
    "drain": 2,
    "replace": 1,
    "move": 6,
    "rebalance": 1,
    "scale": 2,
    "store_kill": 1,
    "store_stop": 2,
    "upgrade": 1,
}
OUTSIDE: Final = frozenset(("drain", "replace", "move", "rebalance", "scale", "upgrade"))


@dataclass(frozen=True, slots=True)
class Action:
    """A fault to come.

    Attributes:
        at: Seconds after play began.
        kind: A key of `WEIGHTS`.
        chance: From 0 to 1: which of the workers or rooms there are then.
        worker: Id of the one meant; None leaves it to chance.
    """

    at: float
    kind: str
    chance: float = 0.0
    worker: int | None = None


def read_kinds(text: str) -> list[str]:
    """Read ``all``, ``none`` or a list as ``kill,move``.

    Raises:
        ValueError: It names a fault that does not exist.
    """
    if text in ("all", "none"):
        return list(WEIGHTS) if text == "all" else []
    kinds = text.split(",")
    for kind in kinds:
        if kind not in WEIGHTS:
            raise ValueError(f"{kind} is no fault; there are {', '.join(WEIGHTS)}, all, none")
    return kinds


def make_schedule(*, seed: int, seconds: float, every: float, kinds: Sequence[str]) -> list[Action]:
    """Return the faults of a run, in order; the same for the same arguments.

    Args:
        seconds: Length of the run.
        every: Mean seconds between two faults.
    """
    random = Random(seed)
    weights = [WEIGHTS[kind] for kind in kinds]
    actions: list[Action] = []
    at = random.uniform(0.5, 1.5) * every
    while kinds and at < seconds:
        [kind] = random.choices(kinds, weights)
        actions.append(Action(round(at, 3), kind, random.random()))
        at += random.uniform(0.5, 1.5) * every
    return actions
