"""The command line of `hokmctl`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hokm.ctl import live, text
from hokm.ctl.progress import Progress, Watch
from hokm.ctl.server import Server, Trouble

_ADMIN: Final = "http://127.0.0.1:8764"
_TIMEOUT: Final = 600.0  # seconds
_EPILOG: Final = """\
No verb but leave closes a player's connection. Those that take a while, as drain, go on by
themselves; hokmctl shows how far they are until they end.

environment:  HOKM_ADMIN_URL, HOKM_ADMIN_TOKEN, HOKM_ADMIN_TOKEN_FILE
exit codes:   0 done, 1 failed, 2 bad usage, 3 refused by the server, 4 server not reached,
              5 not done in time
"""


class BadUsage(Trouble):
    """What was given cannot be used."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = _parser().parse_args(arguments, _defaults())
    try:
        code: int = given.command(Server(given.admin, _token(given.token_file)), given)
    except Trouble as trouble:
        sys.stderr.write(f"hokmctl: {trouble}\n")
        return trouble.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nhokmctl: what was begun goes on; see hokmctl jobs\n")
        return 130  # 128 + SIGINT, as shells have it
    return code


def _defaults() -> Namespace:
    return Namespace(
        admin=os.environ.get("HOKM_ADMIN_URL") or _ADMIN,
        token_file=None,
        json=False,
        no_wait=False,
        timeout=_TIMEOUT,
    )


def _parser() -> ArgumentParser:
    options = _options()
    parser = ArgumentParser(
        prog="hokmctl",
        description="See how a hokm server is, and change it while it serves.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        parents=[options],
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, help: str, command: Callable[[Server, Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, parents=[options])
        sub.set_defaults(command=command)
        return sub

    def verb(
        name: str, help: str, path: str | None = None, body: Sequence[str] = ()
    ) -> ArgumentParser:
        sub = add(name, help, _do)
        sub.set_defaults(verb=name, path=path or f"/api/{name}", body=body)
        return sub

    add("status", "show workers, store, rooms and what is under way", _status)
    drain = verb(
        "drain", "give a worker's rooms to the others and end it", "/api/workers/{worker}/drain"
    )
    verb("replace", "put a fresh process, with the installed code, in each worker's place")
    move = verb("move", "move a room to a worker", "/api/rooms/{room}/move", ["worker"])
    move.add_argument("room", metavar="ROOM", type=_quoted, help="room code")
    for sub in (drain, move):
        sub.add_argument("worker", metavar="W", type=_count(0), help="worker's number, see status")
    verb("rebalance", "move rooms from workers with more than their share to those with less")
    scale = verb(
        "scale", "start workers, or drain the emptiest, until there are N", body=["workers"]
    )
    scale.add_argument("workers", metavar="N", type=_count(1), help="how many there shall be")
    verb("upgrade", "restart the supervisor in place, with the installed code; replace follows")
    verb("leave", "leave all rooms to the other instances, before this one is stopped")
    add(
        "explain",
        "say why there are as many workers as there are, and what the rules see",
        _explain,
    )
    add("top", "show all of it, live; q ends it (into a pipe: once)", _top)
    add("jobs", "show what is under way and what was done", _jobs)
    return parser


def _options() -> ArgumentParser:
    """Make the options; they may stand before the command or behind it."""
    # Without defaults: those of the command would hide what stood before it.
    options = ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    options.add_argument("--admin", metavar="URL", help=f"the admin port (default {_ADMIN})")
    options.add_argument("--token-file", metavar="FILE", help="holds the operators' token")
    options.add_argument("--json", action="store_true", help="write the server's JSON")
    options.add_argument("--no-wait", action="store_true", help="do not wait until it is done")
    options.add_argument(
        "--timeout",
        metavar="S",
        type=_seconds,
        help=f"how long to wait until it is done (default {_TIMEOUT:.0f} s)",
    )
    return options


def _quoted(given: str) -> str:
    return quote(given, safe="")


def _count(least: int) -> Callable[[str], int]:
    def number(given: str) -> int:
        if not given.isascii() or not given.isdecimal() or int(given) < least:
            raise argparse.ArgumentTypeError(f"{given} is no whole number of at least {least}")
        return int(given)

    return number


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{given} is no time in seconds")
    return seconds


def _token(file: str | None) -> str | None:
    """Find the operators' token: the option wins, then the variables.

    Raises:
        BadUsage: It cannot be read or sent.
    """
    token = None if file else os.environ.get("HOKM_ADMIN_TOKEN")
    path = file or os.environ.get("HOKM_ADMIN_TOKEN_FILE")
    if not token and path:
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise BadUsage(f"cannot read {path}: {reason}") from None
    if token and not token.isprintable():
        raise BadUsage("the token must be one line of text")
    return token or None


def _status(server: Server, given: Namespace) -> int:
    status = server.get("/api/status")
    _write(given, status, lambda: text.status(status, server.get("/api/jobs")))
    return 0


def _explain(server: Server, given: Namespace) -> int:
    scaling = server.get("/api/status")["scaling"]
    _write(given, scaling, lambda: text.explanation(scaling))
    return 0


def _top(server: Server, given: Namespace) -> int:
    if given.json:
        _write(given, server.get("/api/status"), str)
    else:
        with contextlib.suppress(KeyboardInterrupt):
            live.watch(server)
    return 0


def _jobs(server: Server, given: Namespace) -> int:
    jobs = server.get("/api/jobs")
    _write(given, jobs, lambda: text.jobs(jobs))
    return 0


def _do(server: Server, given: Namespace) -> int:
    """Ask for a verb and wait until its job ends."""
    progress = Progress(sys.stderr)
    watch = Watch(server, progress, seconds=given.timeout)
    if given.verb == "upgrade":
        watch.note_uptime()
    body = {name: getattr(given, name) for name in given.body}
    job = server.post(given.path.format_map(vars(given)), **body)
    if not given.no_wait:
        try:
            job = watch.follow(job)
        finally:
            progress.clear()
    _write(given, job, lambda: text.job_line(job))
    return 1 if job["state"] == "failed" else 0


def _write(given: Namespace, value: Any, in_words: Callable[[], str]) -> None:
    sys.stdout.write((json.dumps(value) if given.json else in_words()) + "\n")
