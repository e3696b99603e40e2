"""What the programs of this package share: options, the reactor, output, exit code."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from disturbance.report import text
from disturbance.run import Plan, disturb, tell
from disturbance.schedule import Action
from disturbance.site import Unexpected


def options(description: str | None, *, rooms: int, seconds: float) -> argparse.ArgumentParser:
    """Return a parser with the options that all programs have."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--rooms", type=int, default=rooms, help="tables of four (default %(default)s)")
    add("--seconds", type=float, default=seconds, help="how long is played (default %(default)s)")
    add("--pace", type=float, default=1.0, help="seconds between two plays at a table")
    add("--seed", type=int, default=1, help="of clients and faults")
    add("--workers", type=int, default=4, help="of the server that is started (default 4)")
    add("--plain", action="store_true", help="whole frames and quick readers only, no spectators")
    add("--json", action="store_true", help="the result as JSON")
    add("--url", help="public address of a running server; else one is started")
    add("--admin", help="operators' address of that server")
    return parser


def read(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line; ends the program where it cannot be used."""
    given = parser.parse_args()
    if (given.url is None) != (given.admin is None):
        parser.error("--url and --admin belong together")
    return given


def worker(name: str) -> int:
    """Read which worker is meant: its number, or a name that ends with it (``hokm-server-3``).

    Raises:
        ArgumentTypeError: It ends with no number.
    """
    number = re.search(r"[0-9]+$", name)
    if number is None:
        raise argparse.ArgumentTypeError(f"{name} does not end with a worker's number")
    return int(number[0])


def plan(given: argparse.Namespace, actions: Sequence[Action], *, all_done: bool) -> Plan:
    """Return the plan of a command line; for the other arguments see `Plan`."""
    return Plan(
        rooms=given.rooms,
        seconds=given.seconds,
        pace=given.pace,
        seed=given.seed,
        plain=given.plain,
        workers=given.workers,
        url=given.url,
        admin=given.admin,
        actions=actions,
        all_done=all_done,
    )


def carry_out(plan: Plan, *, as_json: bool) -> None:
    """Carry out a plan, print what came of it, and end the program.

    The exit code is 0 where the run passed, 1 where not, 2 where it could not be made,
    3 where it was broken off.
    """
    warnings = LogLevelFilterPredicate(LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [warnings])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)

    code = 3

    async def whole(reactor: Any) -> None:
        nonlocal code
        try:
            report = await disturb(reactor, plan)
        except (Unexpected, OSError, ValueError) as error:
            tell(f"the run could not be made: {error}")
            code = 2
            return
        print(msgspec.json.encode(report).decode() if as_json else text(report))
        code = 0 if report.ok else 1

    with suppress(SystemExit):  # it says 0 also where a signal has ended the run
        react(lambda reactor: Deferred.fromCoroutine(whole(reactor)))
    sys.exit(code)
