"""Loads to try rules with: how many players there are at each second, and what else happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, Protocol, TypeAlias

import msgspec
from msgspec import Struct

Players: TypeAlias = Callable[[float], float]  # seconds since the beginning -> players
Span: TypeAlias = tuple[float, float]  # seconds: from, to

_NOISE_S: Final = 15.0  # between two independent values of noise


class Chance(Protocol):
    """The randomness that is needed; `random.Random` has it."""

    def random(self) -> float:
        """Return a float in [0, 1)."""

    def gauss(self, mu: float, sigma: float) -> float:
        """Return a normal number."""


class Trace(Struct, frozen=True, kw_only=True):
    """What happens.

    Attributes:
        seconds: How long it goes on.
        calm: How many players there are, but for `noise`.
        noise: Factors of it, one for each quarter of a minute; none is 1 throughout.
        blind: When nothing can be measured.
        sick: When one worker burns a whole core on something that is no room.
        storm: When each player costs three times as much, as just after a reconnect.
    """

    name: str
    seconds: float
    calm: Players
    noise: tuple[float, ...] = ()
    blind: tuple[Span, ...] = ()
    sick: tuple[Span, ...] = ()
    storm: tuple[Span, ...] = ()

    def players(self, now: float) -> float:
        """Return how many players there are."""
        return self.calm(now) * (self.noise[int(now / _NOISE_S)] if self.noise else 1.0)

    def is_in(self, spans: tuple[Span, ...], now: float) -> bool:
        """Say whether *now* is in one of *spans*."""
        return any(begin <= now < end for begin, end in spans)


def through(*points: tuple[float, float]) -> Players:
    """Return players that go straight from point to point, each (seconds, players)."""

    def players(now: float) -> float:
        for (t0, p0), (t1, p1) in pairwise(points):
            if t0 <= now < t1:
                return p0 + (p1 - p0) * (now - t0) / (t1 - t0)
        return points[0][1] if now < points[0][0] else points[-1][1]

    return players


def noisy(trace: Trace, part: float, chance: Chance) -> Trace:
    """Let the players vary by up to *part*, at random."""
    steps = int(trace.seconds / _NOISE_S) + 2
    noise = tuple(1 + part * (2 * chance.random() - 1) for _ in range(steps))
    return msgspec.structs.replace(trace, noise=noise)


def _steady(low: float, high: float, seconds: float) -> Trace:
    return Trace(name="steady", seconds=seconds, calm=lambda now: high)


def _ramp(low: float, high: float, seconds: float) -> Trace:
    """Rise in a quarter of the time, stay, fall in a quarter."""
    quarter = seconds / 4
    way = through((0, low), (quarter, high), (2 * quarter, high), (3 * quarter, low))
    return Trace(name="ramp", seconds=seconds, calm=way)


def _sine(low: float, high: float, seconds: float) -> Trace:
    """Two days in the whole time."""
    mean, swing = (low + high) / 2, (high - low) / 2
    return Trace(
        name="sine",
        seconds=seconds,
        calm=lambda now: mean - swing * math.cos(4 * math.pi * now / seconds),
    )


def _step(low: float, high: float, seconds: float) -> Trace:
    return Trace(name="step", seconds=seconds, calm=lambda now: high if now >= seconds / 4 else low)


def _spike(low: float, high: float, seconds: float) -> Trace:
    """Five minutes of many players."""
    begin = seconds / 4
    return Trace(
        name="spike",
        seconds=seconds,
        calm=lambda now: high if begin <= now < begin + 300 else low,
    )


def _outage(low: float, high: float, seconds: float) -> Trace:
    """Nearly all are gone for a while, and come back at once; they cost more for a minute."""
    begin, end = seconds / 4, seconds / 4 + min(480.0, seconds / 4)
    return Trace(
        name="outage",
        seconds=seconds,
        calm=lambda now: 0.05 * high if begin <= now < end else high,
        storm=((end, end + 60),),
    )


def _gap(low: float, high: float, seconds: float) -> Trace:
    """Ramp with three times of no measurements, one for a sixth of the time."""
    starts = ((0.1, 20.0), (0.3, seconds / 6), (0.7, 45.0))
    blind = tuple((at * seconds, at * seconds + length) for at, length in starts)
    return msgspec.structs.replace(_ramp(low, high, seconds), name="gap", blind=blind)


def _sick(low: float, high: float, seconds: float) -> Trace:
    """One worker at 100 % for a third of the time."""
    spans = ((seconds / 3, 2 * seconds / 3),)
    return msgspec.structs.replace(_steady(low, high, seconds), name="sick", sick=spans)


def _doubling(low: float, high: float, seconds: float) -> Trace:
    """Half of *high* until a quarter of the time, then twice as many within 5 minutes."""
    begin = seconds / 4
    way = through((0, high / 2), (begin, high / 2), (begin + 300, high))
    return Trace(name="doubling", seconds=seconds, calm=way)


TRACES: Final[Mapping[str, Callable[[float, float, float], Trace]]] = {
    "steady": _steady,
    "ramp": _ramp,
    "sine": _sine,
    "step": _step,
    "spike": _spike,
    "outage": _outage,
    "gap": _gap,
    "sick": _sick,
    "doubling": _doubling,
}
