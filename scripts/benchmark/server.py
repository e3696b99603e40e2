"""A server that is measured: its processes, and how it is started and waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Dialect: TypeAlias = Literal["hokm", "json", "socketio", "colyseus"]

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0


class DidNotStart(Exception):
    """A server did not come up. One line that says which; what it wrote is on stderr."""


class Server(Struct, frozen=True):
    """A server that runs.

    Attributes:
        workers: Processes whose CPU is what a play costs: one, but for hokm with several workers.
        helpers: Other processes that have a part in it, by their names.
    """

    name: str
    dialect: Dialect
    port: int
    workers: tuple[int, ...]
    helpers: Mapping[str, int] = {}


@contextmanager
def process(
    command: Sequence[str], environ: Mapping[str, str], core: int, cwd: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on one core until the end of the block; our own settings do not reach it."""
    inherited = {name: value for name, value in os.environ.items() if name[:5] != "HOKM_"}
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # inherited: threads that it starts are on that core, too
    try:
        child = subprocess.Popen(
            command,
            env={**inherited, **environ},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    finally:
        os.sched_setaffinity(0, mine)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until(answers: Callable[[], bool], child: subprocess.Popen[bytes], name: str) -> None:
    """Wait until a server answers.

    Raises:
        DidNotStart: It has ended, or takes too long.
    """
    until = time.monotonic() + START_SECONDS
    while not answers():
        if child.poll() is not None:
            raise DidNotStart(f"{name} ended with code {child.returncode} when it was started")
        if time.monotonic() > until:
            raise DidNotStart(f"{name} did not answer within {START_SECONDS:.0f} s")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Say whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
