"""Measure CPU per play, latency and memory of hokm and of other servers, side by side."""

from __future__ import annotations

import signal
import sys

from benchmark import command, fleet, scale
from benchmark.load import LoadFailed
from benchmark.measure import measure_all
from benchmark.panels import panels
from benchmark.plot import draw
from benchmark.report import as_json, as_text, make_report
from benchmark.server import DidNotStart


def tell(text: str) -> None:
    """Say how it goes, apart from what is printed in the end."""
    print(text, file=sys.stderr, flush=True)


def compare(arguments: list[str]) -> int:
    """Measure all servers and print the report; 1 if a run had an error."""
    given = command.read(__doc__, arguments)
    rounds, missing = measure_all(
        command.bench(given),
        given.servers,
        command.game(given),
        given.rounds,
        tell,
    )
    report = make_report(rounds, given.servers, missing)
    print(as_json(report) if given.json else as_text(report))
    return 1 if any(server.errors for server in report.servers) else 0


def measure_scale(arguments: list[str]) -> int:
    """Measure hokm alone over rooms, connections and workers; 1 if a run had an error."""
    given = command.read_scale(arguments)
    spots = [s for s in scale.spots() if s.rooms <= given.most_rooms]
    try:
        results = scale.take_samples(command.bench(given), spots, given.rounds, given.seconds, tell)
    except (LoadFailed, DidNotStart) as why:
        tell(f"the run does not count: {why}")
        return 1
    given.svg.write_text(draw(panels(results), columns=2))
    print(scale.as_json(results) if given.json else scale.as_text(results))
    return 0


def measure_fleet(arguments: list[str]) -> int:
    """Measure fleets of several sizes; 1 if a run had an error."""
    given = command.read_fleet(arguments)
    try:
        found = [
            fleet.measure(command.bench(given), number, given.players, given.seconds, tell)
            for number in given.instances
        ]
    except (LoadFailed, DidNotStart) as why:
        tell(f"the run does not count: {why}")
        return 1
    print(fleet.as_json(found) if given.json else fleet.as_text(found))
    return 0


def main() -> int:
    """Do what the command line says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    if sys.argv[1:2] == ["scale"]:
        return measure_scale(sys.argv[2:])
    if sys.argv[1:2] == ["fleet"]:
        return measure_fleet(sys.argv[2:])
    return compare(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
