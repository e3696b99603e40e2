"""The command line: what is measured, and for how long."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmark.cores import Cores
from benchmark.folder import HERE, Folder
from benchmark.load import program
from benchmark.measure import SERVERS, Bench, Game

SVG: Final = HERE.parent.parent / "docs" / "performance.svg"
QUICK_SERVERS: Final = ("hokm", "ws", "autobahn", "c_limit")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in SERVERS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(SERVERS)}")
    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with what all commands take."""
    made = argparse.ArgumentParser(prog="scripts/bench", description=about)
    made.add_argument("--folder", type=Path, help="for peers and programs [the user's cache]")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return made


def bench(given: argparse.Namespace) -> Bench:
    """Return the place where is measured, as the command line has it."""
    folder = Folder(given.folder)
    return Bench(folder, Cores.divide(), program(folder))


def read(about: str | None, arguments: list[str]) -> argparse.Namespace:
    """Read the command line of the comparison."""
    made = parser(about)
    made.add_argument("--quick", action="store_true", help="a few servers, under 50 s in all")
    made.add_argument("--servers", type=_names, help=f"a list of {','.join(SERVERS)}")
    made.add_argument("--rounds", type=int, help="in each, every server runs once [5; quick 2]")
    made.add_argument("--seconds", type=float, help="of play that are counted [8; quick 1]")
    made.add_argument("--rooms", type=int, default=100, help="of four players, playing [100]")
    made.add_argument("--idle", type=int, help="players when memory is read [2000; quick 400]")
    given = made.parse_args(arguments)
    quick = given.quick
    given.servers = given.servers or (QUICK_SERVERS if quick else SERVERS)
    given.rounds = given.rounds or (2 if quick else 5)
    given.seconds = given.seconds or (1.0 if quick else 8.0)
    given.idle = 0 if quick and given.idle is None else 2000 if given.idle is None else given.idle
    return given


def read_scale(arguments: list[str]) -> argparse.Namespace:
    """Read the command line of `scale`."""
    made = parser("Measure hokm over rooms, connections and workers, and plot it.")
    made.prog += " scale"
    made.add_argument("--rounds", type=int, default=3, help="[3]")
    made.add_argument("--seconds", type=float, default=4.0, help="of play at full speed [4]")
    made.add_argument("--most-rooms", type=int, default=2000, help="of one worker [2000]")
    made.add_argument("--svg", type=Path, default=SVG, help="the plot [docs/performance.svg]")
    return made.parse_args(arguments)


def read_fleet(arguments: list[str]) -> argparse.Namespace:
    """Read the command line of `fleet`."""
    made = parser("Measure several instances that share one store, with players at leisure.")
    made.prog += " fleet"
    made.add_argument(
        "--instances", type=_numbers, default=(1, 4, 20), help="a list of numbers [1,4,20]"
    )
    made.add_argument("--players", type=int, default=200, help="of each instance [200]")
    made.add_argument("--seconds", type=float, default=20.0, help="of play that count [20]")
    return made.parse_args(arguments)


def game(given: argparse.Namespace) -> Game:
    """Return what is played, as the command line has it."""
    return Game(
        rooms=given.rooms,
        warm_up=0.8 if given.quick else 3.0,
        seconds=given.seconds,
        paced_seconds=1.0 if given.quick else 4.0,
        rates=(500,) if given.quick else (500, 2000),
        idle=given.idle,
    )
