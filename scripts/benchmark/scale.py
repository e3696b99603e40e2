"""How a play's cost and time grow with rooms, connections and workers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from benchmark.figures import Spread
from benchmark.measure import Bench, Used, sit
from benchmark.ours import hokm

ROOMS: Final = (10, 25, 50, 100, 250, 500, 1000, 2000)  # of one worker
WORKERS: Final = (1, 2, 3, 4)
ROOMS_OF_WORKERS: Final = 400  # of all of them together
SECONDS_PER_PLAY: Final = 2.0  # in each room, where time is measured: quick players


class Spot(Struct, frozen=True, order=True):
    """Where is measured."""

    workers: int
    rooms: int

    @property
    def connections(self) -> int:
        """Players, of all workers."""
        return 4 * self.rooms


class Sample(Struct, frozen=True):
    """What one run at a spot gave.

    Attributes:
        cpu_us_per_play: Of all workers, every room playing as fast as it can.
        p50_ms: With a play every two seconds in each room, as are p99_ms and
        cpu_share: the part of the time that the workers were on a CPU, added up.
    """

    cpu_us_per_play: float
    plays_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_share: float
    kb_per_connection: float


class Result(Struct, frozen=True):
    """All samples of a spot, one of each round."""

    spot: Spot
    samples: tuple[Sample, ...]

    def spread(self, of: Callable[[Sample], float]) -> Spread:
        """Return median, least and greatest of one figure."""
        return Spread.of([of(sample) for sample in self.samples])


def spots() -> list[Spot]:
    """Return all spots, the ones of one worker first."""
    of_workers = [Spot(workers, ROOMS_OF_WORKERS) for workers in WORKERS]
    return [*(Spot(1, rooms) for rooms in ROOMS), *of_workers]


def take_sample(bench: Bench, spot: Spot, seconds: float) -> Sample:
    """Run hokm at a spot.

    Args:
        seconds: Of play as fast as it goes; three times as long at leisure.

    Raises:
        LoadFailed: A reply was wrong.
        DidNotStart: hokm did not.
    """
    with hokm(bench.cores, workers=spot.workers) as server, bench.playing(server) as load:
        seated = sit(server, load, spot.rooms)
        load.start()
        load.closed(seconds / 2)
        used = Used(server)
        closed = load.closed(seconds)
        spent, _ = used.microseconds()
        used = Used(server)
        paced = load.paced(spot.rooms / SECONDS_PER_PLAY, 3 * seconds)
        at_leisure, _ = used.microseconds()
    return Sample(
        cpu_us_per_play=spent / closed.plays,
        plays_per_second=closed.plays / closed.seconds,
        p50_ms=paced.p50_ms,
        p99_ms=paced.p99_ms,
        cpu_share=at_leisure / 1e6 / paced.seconds,
        kb_per_connection=seated.kb_per_connection,
    )


def take_samples(
    bench: Bench, wanted: Sequence[Spot], rounds: int, seconds: float, tell: Callable[[str], None]
) -> list[Result]:
    """Visit all spots in each round. Raises as `take_sample` does."""
    found: dict[Spot, list[Sample]] = {spot: [] for spot in wanted}
    for number in range(rounds):
        for spot, samples in found.items():
            sample = take_sample(bench, spot, seconds)
            samples.append(sample)
            tell(
                f"round {number + 1}: {spot.workers} workers, {spot.rooms} rooms: "
                f"{sample.cpu_us_per_play:.1f} us of CPU per play, p99 {sample.p99_ms:.1f} ms"
            )
    return [Result(spot, tuple(samples)) for spot, samples in found.items()]


def growth(results: Iterable[Result]) -> Spread | None:
    """Return what a play costs in the most rooms of one worker, over what it does in the fewest.

    Each ratio is taken within a round. None where there is only one number of rooms.
    """
    of_one = sorted((r for r in results if r.spot.workers == 1), key=lambda r: r.spot)
    if len(of_one) < 2:
        return None
    pairs = zip(of_one[-1].samples, of_one[0].samples, strict=True)
    return Spread.of([most.cpu_us_per_play / fewest.cpu_us_per_play for most, fewest in pairs])


def as_json(results: Sequence[Result]) -> str:
    """Return all samples as one JSON text."""
    return msgspec.json.format(msgspec.json.encode({"spots": results})).decode()


def as_text(results: Sequence[Result]) -> str:
    """Return the table, and what it says in two sentences."""
    head = "workers  rooms  connections  CPU us/play [min..max]   plays/s  p50 ms  p99 ms  CPU %"
    lines = [head]
    for result in results:
        spot, cpu = result.spot, result.spread(lambda s: s.cpu_us_per_play)
        middle = statistics.median
        lines.append(
            f"{spot.workers:7}  {spot.rooms:5}  {spot.connections:11}  "
            f"{cpu.median:8.1f} [{cpu.min:.1f}..{cpu.max:.1f}]".ljust(53)
            + f"{middle(s.plays_per_second for s in result.samples):7.0f}  "
            f"{middle(s.p50_ms for s in result.samples):6.2f}  "
            f"{middle(s.p99_ms for s in result.samples):6.1f}  "
            f"{100 * middle(s.cpu_share for s in result.samples):5.1f}"
        )
    lines += [
        "",
        "CPU us/play, plays/s: every room plays as fast as it can. p50, p99, CPU %: a play every "
        f"{SECONDS_PER_PLAY:.0f} s in each room.",
    ]
    grown = growth(results)
    if grown is not None:
        lines.append(
            "A play in the most rooms of one worker costs "
            f"{grown.median:.2f} [{grown.min:.2f}..{grown.max:.2f}] times that in the fewest."
        )
    return "\n".join(lines)
