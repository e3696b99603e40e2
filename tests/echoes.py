"""Processes with an echo server each: `python -m tests.echoes` is one, `Echoes` starts them.

Apart from `tests.echo`: importing that imports Autobahn, which installs a reactor, and here it must
be a worker's. The processes have this one's environment: what it chooses, they run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from msgspec import Struct, json

from hokm.control.channel import Channel
from hokm.control.ledger import Ledger
from hokm.worker.reactor import WorkerReactor, install

STOP_SECONDS: Final = 20.0
NONE: Final = -1  # in place of a descriptor


class Settings(Struct, frozen=True, kw_only=True):
    """What a process is told, as JSON; descriptors are numbers.

    Attributes:
        listener: To be accepted from; or NONE.
        ledger: See `hokm.control.ledger`.
        channel: To the other process; NONE where connections do not move.
        seed: Of all that is drawn.
    """

    listener: int
    ledger: int
    channel: int
    seed: int


@dataclass
class Process:
    """A started process and where its errors are written."""

    popen: subprocess.Popen[str]
    log: Path


class Echoes:
    """One echo server in one process, or in two between which its connections move.

    Attributes:
        port: Where it listens, on the loopback.
        tally: Once it is stopped, what all processes have counted; see `tests.echo`.
        errors: Once it is stopped, what they have logged.
    """

    def __init__(self, folder: Path, *, moving: bool = False, seed: int = 0) -> None:
        """Start it.

        Args:
            folder: For its logs.
            moving: Whether connections move.
            seed: Of where they are cut and when they move; the rest is the machine's chance.
        """
        self.tally: Counter[str] = Counter()
        self.errors = ""
        ledger = Ledger.make()
        ends = Channel.pair() if moving else ()
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            self.port = listener.getsockname()[1]
            self._processes = [
                _start(
                    folder / f"echo{number}.log",
                    Settings(
                        listener=NONE if number else listener.fileno(),
                        ledger=ledger.fd,
                        channel=ends[number].fileno() if ends else NONE,
                        seed=seed + number,
                    ),
                )
                for number in range(len(ends) or 1)
            ]
        for end in ends:
            end.close()
        os.close(ledger.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self._processes:
            process.popen.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                printed, _ = process.popen.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.communicate()
                raise
            self.errors += process.log.read_text()
            self.tally.update(json.decode(printed))


def _start(log: Path, settings: Settings) -> Process:
    passed = {settings.listener, settings.ledger, settings.channel} - {NONE}
    with log.open("w") as errors:
        popen = subprocess.Popen(
            [sys.executable, "-m", "tests.echoes", json.encode(settings)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            pass_fds=passed,
        )
    return Process(popen, log)


def main() -> None:
    """Echo until SIGTERM; then print the tally as JSON."""
    install()
    from twisted.internet import reactor as installed

    from tests.echo import EchoWorker

    reactor: Any = installed
    assert type(reactor) is WorkerReactor
    worker = EchoWorker(reactor, json.decode(sys.argv[1], type=Settings))
    reactor.run()
    print(json.encode(worker.tally).decode())


if __name__ == "__main__":
    main()
