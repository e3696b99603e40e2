"""The server's own rules, quicker and for fewer players, so that one can watch them at work."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from hokm.scaling import DEFAULTS, Rule
from hokm.scaling.sample import RATE_S

INTERVAL_S: Final = 5.0
KEEP_S: Final = 1200.0
LEAST_INTERVAL_S: Final = 0.2
LOW: Final = 0.2  # the guide's 20 connections for 100
_DENSITY: Final = "connections_per_worker"


def settings(
    *,
    hurry: float,
    density: float,
    game_minutes: float,
    thresholds: dict[str, float] | None = None,
    only: Collection[str] | None = None,
) -> str:
    """Write the settings file of a server that scales itself in a hurry.

    It goes without the rules that say nothing here: those on the whole machine, which the players
    share, and, where tables are gone before that can be counted, that on the rate of creations.

    Args:
        hurry: All times of the default rules are divided by it.
        density: Connections that a worker shall have at most.
        game_minutes: How long a table stays.
        thresholds: By rule, others than the default ones.
        only: The rules that there are; None: all.
    """
    interval = max(LEAST_INTERVAL_S, INTERVAL_S / hurry)
    lines = [
        "[scaling]",
        f"interval_s = {interval:g}",
        f"keep_s = {KEEP_S / hurry:g}",
        f"game_minutes = {game_minutes:g}",
    ]
    for rule in DEFAULTS:
        lines += ["[[scaling.rule]]", f"name = {json.dumps(rule.name)}"]
        uncounted = rule.metric == "game_creation_rate" and 60 * game_minutes < RATE_S
        if rule.adds == "instance" or uncounted or (only is not None and rule.name not in only):
            lines.append("enabled = false")
            continue
        lines.append(f"duration_s = {max(interval, rule.duration_s / hurry):g}")
        lines.append(f"cooldown_s = {rule.cooldown_s / hurry:g}")
        side = "above" if rule.above is not None else "below"
        lines.append(f"{side} = {_threshold(rule, density, thresholds or {}):g}")
    return "\n".join(lines) + "\n"


def _threshold(rule: Rule, density: float, thresholds: dict[str, float]) -> float:
    if rule.metric == _DENSITY:
        return density if rule.above is not None else LOW * density
    return thresholds.get(rule.name, rule.threshold)
