"""The rules as data: what they are, and which there are by default.

The defaults are those of the deployment guide, under its names, and four of our own. What differs
from the guide, and why: docs/operations/scaling.md.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

MAX_WORKERS: Final = 256  # far above the cores of any machine: a typing error, not a wish
DAY_S: Final = 86_400.0
LEAST_HORIZON_S: Final = 130.0  # the rate of creations looks back on 120 s


def _about(help: str, unit: str = "", **limits: Any) -> Meta:
    return Meta(description=help, extra={"unit": unit}, **limits)


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule: what it looks at, when it fires, and what it asks for then.

    It has either `above`, and asks for more, or `below`, and asks for less.

    Attributes:
        duration_s: For so long the metric must be above (below) the threshold without a break.
        cooldown_s: Least time since the last change of its own direction.
        step: How many workers it asks for; None lets an `above` rule ask for as many as the value
            calls for, and a `below` rule for one less.
        enabled: False takes the rule away, at reading.
        adds: What an `above` rule asks for: a `worker` here, or another `instance`, where this
            machine itself is full.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    metric: str
    above: Annotated[float, Meta(ge=0)] | None = None
    below: Annotated[float, Meta(gt=0)] | None = None
    duration_s: Annotated[float, Meta(ge=0, le=DAY_S)]
    cooldown_s: Annotated[float, Meta(ge=0, le=DAY_S)]
    step: Annotated[int, Meta(ge=1, le=MAX_WORKERS)] | None = None
    adds: Literal["worker", "instance"] = "worker"
    enabled: bool = True

    @property
    def threshold(self) -> float:
        """The one of `above` and `below` that it has."""
        limit = self.above if self.above is not None else self.below
        assert limit is not None, "`reading` refuses rules without a threshold"
        return limit

    def is_met(self, value: float) -> bool:
        """Say whether *value* is beyond the threshold; the threshold itself is not."""
        return value > self.threshold if self.above is not None else value < self.threshold


UP_COOLDOWN_S: Final = 120.0  # twice what moves and the 30 s window of the lag take to settle
DOWN_COOLDOWN_S: Final = 600.0


def _up(name: str, metric: str, above: float, duration_s: float, **more: Any) -> Rule:
    return Rule(
        name=name,
        metric=metric,
        above=above,
        duration_s=duration_s,
        cooldown_s=UP_COOLDOWN_S,
        **more,
    )


def _down(name: str, metric: str, below: float, duration_s: float) -> Rule:
    return Rule(
        name=name,
        metric=metric,
        below=below,
        duration_s=duration_s,
        cooldown_s=DOWN_COOLDOWN_S,
    )


DEFAULTS: Final = (
    _up("high_cpu_usage", "cpu", 70, 120),
    _up("high_memory_usage", "memory", 80, 120),
    _up("high_player_density", "connections_per_worker", 100, 180),
    _up("high_game_creation_rate", "game_creation_rate", 10, 120),
    _up("player_queue_length", "queue_length", 20, 60),
    _up("hot_worker", "max_worker_cpu", 85, 60),
    _up("slow_event_loop", "loop_lag_ms", 50, 30),
    _up("full_machine_cpu", "host_cpu", 90, 300, adds="instance"),
    _up("full_machine_memory", "host_memory", 90, 120, adds="instance"),
    _down("low_cpu_usage", "cpu", 20, 600),
    _down("low_player_density", "connections_per_worker", 20, 900),
)


class Scaling(Struct, frozen=True, kw_only=True):
    """`[scaling]`: what `decide` goes by."""

    min_workers: Annotated[
        int, _about("never fewer workers; where left out, as `workers` says", ge=1, le=MAX_WORKERS)
    ]
    max_workers: Annotated[
        int, _about("never more workers; where left out, as `workers` says", ge=1, le=MAX_WORKERS)
    ]
    interval_s: Annotated[
        float, _about("between two looks at the load, and decisions", "s", ge=0.1, le=60)
    ] = 5.0
    tolerance: Annotated[
        float,
        _about("a change of the load by this part brings no worker and takes none", ge=0, le=0.4),
    ] = 0.1
    keep_s: Annotated[
        float, _about("a worker that was added is kept for so long at least", "s", ge=0, le=DAY_S)
    ] = 1200.0
    game_minutes: Annotated[
        float, _about("length of a match, until enough were played to know", "min", gt=0, le=1440)
    ] = 30.0
    overload_lag_ms: Annotated[
        float,
        _about(
            "lag of most workers above which new rooms are refused, at `max_workers`", "ms", gt=0
        ),
    ] = 250.0
    instance_command: Annotated[
        tuple[str, ...],
        _about("run, with its arguments, when another instance begins to be wanted"),
    ] = ()
    instance_url: Annotated[
        Annotated[str, Meta(pattern="^https?://.", title="an http or https address")] | None,
        _about("is sent a POST when another instance begins to be wanted"),
    ] = None
    rule: tuple[Rule, ...] = DEFAULTS

    def horizon_s(self) -> float:
        """Return how far back `decide` looks; twice the longest rule, since its clock may stop."""
        longest = [max(2 * rule.duration_s, rule.cooldown_s) for rule in self.rule]
        return max(self.keep_s, *longest, LEAST_HORIZON_S) + 2 * self.interval_s
