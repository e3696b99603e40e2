"""What the scripts on scaling share: options, the reactor, output, exit code."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NoReturn

import msgspec
from disturbance.server import Server
from disturbance.site import POLL_SECONDS, Site, Unexpected
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from crowd.progress import Progress

START_SECONDS: Final = 30.0
STRESSED: Final = (sys.executable, "-m", "crowd.server")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all scripts have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="the result as JSON")
    return made


def add_own_server(
    made: argparse.ArgumentParser, *, workers: str, hurry: float, density: float
) -> None:
    """Add the options of the server that is started."""
    add = made.add_argument
    add("--workers", default=workers, help="of the server that is started (default %(default)s)")
    text = "its rules are so many times quicker than the default ones (default %(default)g)"
    add("--hurry", type=float, default=hurry, help=text)
    text = "connections that a worker of it shall have at most (default %(default)g)"
    add("--density", type=float, default=density, help=text)


def start(reactor: Any, workers: str, settings: str, **environ: str) -> Server:
    """Start a server whose workers can be put under stress; it ends with this program."""
    with NamedTemporaryFile("w", prefix="hokm-", suffix=".toml", delete=False) as file:
        file.write(settings)
    scripts = str(Path(__file__).parents[1])
    paths = os.pathsep.join(filter(None, (scripts, os.environ.get("PYTHONPATH"))))
    server = Server(workers, f"--config={file.name}", program=STRESSED, PYTHONPATH=paths, **environ)

    def stop() -> None:
        server.stop()
        Path(file.name).unlink()

    reactor.addSystemEventTrigger("after", "shutdown", stop)
    return server


async def until_ready(site: Site, server: Server | None) -> None:
    """Wait until players are welcome.

    Raises:
        Unexpected: They are not for long, or the server has ended.
    """
    until = time.monotonic() + START_SECONDS
    while not await site.is_ready():
        if time.monotonic() > until or (server is not None and server.has_ended):
            where = "" if server is None else f"; its log is {server.log}"
            raise Unexpected(f"the server is not ready{where}")
        await site.sleep(POLL_SECONDS)


def carry_out(
    work: Callable[[Any, Progress], Awaitable[Any]],
    text: Callable[[Any], str],
    *,
    as_json: bool,
) -> NoReturn:
    """Do the work, print what came of it, and end the program.

    The exit code is 0 where the result is `ok`, 1 where not, 2 where there could be none, 3 where
    the program was broken off.
    """
    warnings = LogLevelFilterPredicate(LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [warnings])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    code = 3
    progress = Progress()

    async def whole(reactor: Any) -> None:
        nonlocal code
        try:
            report = await work(reactor, progress)
        except (Unexpected, OSError, ValueError) as error:
            progress.tell(f"it could not be done: {error}")
            code = 2
            return
        progress.tell("")
        print(msgspec.json.encode(report).decode() if as_json else text(report))
        code = 0 if report.ok else 1

    with suppress(SystemExit):  # it says 0 also where a signal has ended the run
        react(lambda reactor: Deferred.fromCoroutine(whole(reactor)))
    sys.exit(code)
