#!/usr/bin/env python3
"""Try scaling rules on a made-up server and a fake clock, before they meet players.

The rules are those of --config, or the default ones. The exit code is 1 if workers came and went
for nothing. What the made-up server is like: hokm/scaling/simulator.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random

from environment import enter


def main() -> int:
    """Run."""
    enter()
    import msgspec

    from hokm import config
    from hokm.scaling.simulator import World, simulate
    from hokm.scaling.traces import TRACES, Trace, noisy, through

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--config", metavar="FILE", help="settings file with [scaling] and [[scaling.rule]]")
    add("--workers", metavar="MIN-MAX", help="bounds (those of --config, else 1-8)")
    add("--trace", action="append", choices=sorted(TRACES), help="may be repeated; all without it")
    add("--csv", type=Path, help="a load of your own: lines of seconds,players")
    add("--low", type=float, default=20, help="fewest players (20)")
    add("--high", type=float, default=600, help="most players (600)")
    add("--minutes", type=float, default=120, help="how long each trace is (120)")
    add("--noise", type=float, default=0.05, help="part by which the players vary (0.05)")
    add("--cpu-per-player", type=float, default=0.002, help="part of one core (0.002)")
    add("--seed", type=int, default=1, help="of all that is left to chance (1)")
    add("--json", action="store_true", help="write the reports as JSON")
    given = parser.parse_args()
    try:
        workers = given.workers or (None if given.config else "1-8")
        options = {"config": given.config, "workers": workers}
        settings = config.load(options, {}, lambda path: Path(path).read_bytes(), 8)
    except config.BadSetting as error:
        parser.error(str(error))
    seconds = 60 * given.minutes
    traces = [
        TRACES[name](given.low, given.high, seconds) for name in given.trace or sorted(TRACES)
    ]
    if given.csv is not None:
        lines = [line.split(",") for line in given.csv.read_text().split()]
        points = [(float(at), float(players)) for at, players in lines]
        traces = [Trace(name=given.csv.name, seconds=points[-1][0], calm=through(*points))]
    chance = Random(given.seed)
    world = World(cpu_per_player=given.cpu_per_player)
    reports = [
        simulate(settings.scaling, noisy(trace, given.noise, chance), world, chance)
        for trace in traces
    ]
    if given.json:
        print(msgspec.json.encode(reports).decode())
    for report in () if given.json else reports:
        print(
            f"{report.trace}: {len(report.flaps)} flaps, {report.shortfall_s:g} s short of workers,"
            f" {report.moves} rooms moved, at most {report.most_workers} workers,"
            f" {report.worker_hours:g} worker hours, new rooms refused for {report.refused_s:g} s,"
            f" another instance wanted for {report.wished_s:g} s"
        )
        for change in report.changes:
            print(f"  {change.at:6g} s  {change.before} -> {change.after}")
            for reason in change.reasons:
                print(f"            {reason}")
    return 1 if any(report.flaps for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
