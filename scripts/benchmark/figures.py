"""The figures: one server's run, the medians of its runs, and ratios within a round."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Final

from msgspec import Struct

RATED: Final = ("hokm", "hokm_nostore")  # whose CPU is compared with everybody else's


class Latency(Struct, frozen=True):
    """Of plays at a fixed rate, from when each was due until all four players had it, in ms."""

    p50_ms: float
    p99_ms: float


class Run(Struct, frozen=True):
    """One server in one round, freshly started.

    Attributes:
        latency: By plays per second.
        helpers_us_per_play: CPU of the processes beside it, by their names.
        errors: Replies that were wrong; a run with one counts for nothing else.
        first_error: What the first was.
    """

    server: str
    cpu_us_per_play: float = 0.0
    plays_per_second: float = 0.0
    latency: Mapping[int, Latency] = {}
    helpers_us_per_play: Mapping[str, float] = {}
    kb_per_connection: float = 0.0
    accept_us: float = 0.0
    helpers_accept_us: Mapping[str, float] = {}
    errors: int = 0
    first_error: str = ""


class Spread(Struct, frozen=True):
    """The middle of several figures, and their least and greatest."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one figure."""
        return cls(statistics.median(values), min(values), max(values))


class Summary(Struct, frozen=True):
    """One server over all rounds: medians of the runs without an error."""

    server: str
    cpu_us_per_play: float
    cpu_us_per_play_min: float
    cpu_us_per_play_max: float
    p50_ms: float
    p99_ms: float
    kb_per_connection: float
    errors: int
    plays_per_second: float
    accept_us: float
    latency: Mapping[int, Latency]
    helpers_us_per_play: Mapping[str, float]
    helpers_accept_us: Mapping[str, float]


class Report(Struct, frozen=True):
    """What `--json` prints.

    Attributes:
        ratios: CPU per play of the one over that of the other, by "hokm/ws".
        missing: Why a server that was asked for is not there, by its name.
    """

    servers: list[Summary]
    ratios: dict[str, Spread]
    missing: dict[str, str]


def summarise(runs: Sequence[Run]) -> Summary:
    """Sum up one server's runs; p50 and p99 are those of the lowest rate."""
    good = [run for run in runs if not run.errors]
    errors = sum(run.errors for run in runs)
    cpu = Spread.of([run.cpu_us_per_play for run in good] or [0.0])
    latency = {
        rate: Latency(
            _median(run.latency[rate].p50_ms for run in good if rate in run.latency),
            _median(run.latency[rate].p99_ms for run in good if rate in run.latency),
        )
        for rate in sorted({rate for run in good for rate in run.latency})
    }
    first = next(iter(latency.values()), Latency(0.0, 0.0))
    return Summary(
        server=runs[0].server,
        cpu_us_per_play=cpu.median,
        cpu_us_per_play_min=cpu.min,
        cpu_us_per_play_max=cpu.max,
        p50_ms=first.p50_ms,
        p99_ms=first.p99_ms,
        kb_per_connection=_median(run.kb_per_connection for run in good),
        errors=errors,
        plays_per_second=_median(run.plays_per_second for run in good),
        accept_us=_median(run.accept_us for run in good),
        latency=latency,
        helpers_us_per_play=_medians(run.helpers_us_per_play for run in good),
        helpers_accept_us=_medians(run.helpers_accept_us for run in good),
    )


def ratios(rounds: Sequence[Sequence[Run]]) -> dict[str, Spread]:
    """Return the ratios of CPU per play of hokm to each other server.

    Each is taken within a round, where both servers met the same machine; a round in which one of
    the two has an error has none.
    """
    found: dict[str, list[float]] = {}
    for runs in rounds:
        good = [run for run in runs if not run.errors and run.cpu_us_per_play]
        for ours, other in permutations(good, 2):
            if ours.server in RATED:
                ratio = ours.cpu_us_per_play / other.cpu_us_per_play
                found.setdefault(f"{ours.server}/{other.server}", []).append(ratio)
    return {name: Spread.of(values) for name, values in found.items()}


def _median(values: Iterable[float]) -> float:
    return statistics.median(list(values) or [0.0])


def _medians(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for value in values:
        for name, figure in value.items():
            by_name.setdefault(name, []).append(figure)
    return {name: statistics.median(figures) for name, figures in by_name.items()}
