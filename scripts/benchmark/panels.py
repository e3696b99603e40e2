"""The four panels of `scale`: cost and time, over connections and over workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark.plot import Line, Panel, Point
from benchmark.scale import ROOMS_OF_WORKERS, SECONDS_PER_PLAY, Result, Sample, Spot


def panels(results: Sequence[Result]) -> list[Panel]:
    """Return the panels, two in a row; without those of which there are no results."""
    by_rooms = {r.spot: r for r in results if r.spot.workers == 1}
    by_workers = [r for r in results if r.spot.rooms == ROOMS_OF_WORKERS]
    found = _pair(
        [by_rooms[spot] for spot in sorted(by_rooms)],
        "one worker",
        "connected players (four in each room)",
        lambda spot: spot.connections,
        logarithmic=True,
    )
    if len(by_workers) > 1:
        rooms = f"{ROOMS_OF_WORKERS} rooms, {4 * ROOMS_OF_WORKERS:,} players"
        found += _pair(by_workers, rooms, "workers", lambda spot: spot.workers, logarithmic=False)
    return found


def _pair(
    results: Sequence[Result],
    what: str,
    x_label: str,
    x: Callable[[Spot], int],
    *,
    logarithmic: bool,
) -> list[Panel]:
    def line(name: str, of: Callable[[Sample], float]) -> Line:
        points = []
        for result in results:
            spread = result.spread(of)
            points.append(Point(x(result.spot), spread.median, spread.min, spread.max))
        return Line(name, points)

    cost = [line("", lambda sample: sample.cpu_us_per_play)]
    times = [line("p50", lambda sample: sample.p50_ms), line("p99", lambda sample: sample.p99_ms)]
    pace = f"a play per room every {SECONDS_PER_PLAY:.0f} s"
    return [
        Panel(f"CPU of a play, {what}", x_label, "CPU per play (µs)", cost, logarithmic),
        Panel(f"Time of a play, {what}", x_label, f"ms, {pace}", times, logarithmic),
    ]
