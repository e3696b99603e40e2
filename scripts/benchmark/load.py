"""The load: a program of its own, which is told line by line what to do (see load/main.c)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from benchmark.folder import Folder, Unavailable
from benchmark.seating import Place
from benchmark.server import Dialect

SOURCES: Final = tuple(f"load/{name}.c" for name in ("main", "plays", "socket", "talk"))


class LoadFailed(Exception):
    """The load found an error in what the server sent: the run does not count.

    Attributes:
        errors: How many.
    """

    def __init__(self, errors: int, first: str) -> None:
        super().__init__(first)
        self.errors = errors


class Answer(Struct):
    """What the program answers; what a line does not ask for is 0.

    Attributes:
        plays: That all four players have received.
        seconds: From the line to the last of them.
        p50_ms: From the time that a play was due until all four had received it.
    """

    errors: int
    first_error: str
    seated: int = 0
    ready: int = 0
    plays: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


_decoder = msgspec.json.Decoder(Answer)


def program(folder: Folder) -> list[str]:
    """Return the command of the load: the C program, or without a compiler the Python one."""
    try:
        return [str(folder.program(*SOURCES))]
    except Unavailable as why:
        print(f"{why}: the load is the Python one, which is slower", file=sys.stderr)
        return [sys.executable, "-m", "benchmark.pythonload"]


class Load:
    """Players of one server. Every method raises `LoadFailed` on the first error."""

    def __init__(self, command: list[str], dialect: Dialect, port: int, core: int) -> None:
        """Start the program on a core of its own."""
        self._process = subprocess.Popen(
            [*command, dialect, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        os.sched_setaffinity(self._process.pid, {core})

    def seat(self, places: Iterable[Place]) -> None:
        """Connect players and have them join."""
        lines = [f"seat {path} {token or '-'}" for path, token in places]
        self._ask(*lines, "open")

    def start(self) -> None:
        """Begin the game in all rooms."""
        self._ask("start")

    def closed(self, seconds: float) -> Answer:
        """Have each room play as fast as it can, one play under way in each."""
        return self._ask(f"closed {seconds}")

    def paced(self, rate: float, seconds: float) -> Answer:
        """Have *rate* plays a second made, over all rooms, however long the server takes."""
        return self._ask(f"paced {rate} {seconds}")

    def close(self) -> None:
        """End the program and with it all connections."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, *lines: str) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._process.stdin.flush()
        text = self._process.stdout.readline()
        if not text:
            raise LoadFailed(1, f"the load ended with code {self._process.wait()}")
        answer = _decoder.decode(text)
        if answer.errors:
            raise LoadFailed(answer.errors, answer.first_error)
        return answer
