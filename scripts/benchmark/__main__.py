"""Measure CPU per play, latency and memory of hokm and of other servers, side by side."""

from __future__ import annotations

import sys

from benchmark import command
from benchmark.measure import measure_all
from benchmark.report import as_json, as_text, make_report


def compare(arguments: list[str]) -> int:
    """Measure all servers and print the report; 1 if a run had an error."""
    given = command.read(__doc__, arguments)
    rounds, missing = measure_all(
        command.bench(given),
        given.servers,
        command.game(given),
        given.rounds,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    report = make_report(rounds, given.servers, missing)
    print(as_json(report) if given.json else as_text(report))
    return 1 if any(server.errors for server in report.servers) else 0


def main() -> int:
    """Do what the command line says."""
    return compare(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
