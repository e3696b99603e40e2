"""A server's scaling, watched as it happens: a line for each look, and one for each decision."""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from disturbance.site import Site
from msgspec import Struct

from crowd.progress import Progress, bar
from crowd.watch import Event, Look, Watch

HEAD: Final = "  time  workers  wanted  rooms  players   cpu   lag  nearest rule"
NEAR_WIDTH: Final = 10
STEP_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is watched.

    Attributes:
        admin: Operators' address of the server.
        seconds: How long; None: until the program is broken off.
        interval_s: Between two looks.
        as_json: Whether each line is an object.
    """

    admin: str
    seconds: float | None
    interval_s: float
    as_json: bool


class Report(Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        ok: Whether the server has answered to the end.
        workers: At first and at the end.
    """

    ok: bool
    looks: int
    missed: int
    workers: tuple[int, int]
    events: list[Event]


async def watch(reactor: Any, plan: Plan, progress: Progress) -> Report:
    """Watch, and tell.

    Raises:
        Unexpected: That is no hokm server, or its token is not ours.
        OSError: It cannot be reached at first.
    """
    site = Site(url="http://127.0.0.1:1", admin=plan.admin, reactor=reactor)
    seen, began, missed = Watch(site), time.monotonic(), 0
    broken_off = threading.Event()
    # Twisted leaves a handler alone that is not Python's own.
    signal.signal(signal.SIGINT, lambda *_: broken_off.set())
    await seen.look(0.0)
    if not plan.as_json:
        print(HEAD)
    while True:
        if not missed:
            _tell(seen, plan.as_json)
        now = time.monotonic() - began
        if broken_off.is_set() or (plan.seconds is not None and now >= plan.seconds):
            break
        until = time.monotonic() + plan.interval_s
        while time.monotonic() < until and not broken_off.is_set():
            await site.sleep(min(plan.interval_s, STEP_SECONDS))
        known, missed = len(seen.events), missed + 1
        try:
            await seen.look(time.monotonic() - began)
            missed = 0
        except OSError as error:
            progress.tell(f"the server does not answer: {error}")
            continue
        for event in seen.events[known:]:
            _tell_event(event, plan.as_json)
    return Report(
        ok=not missed,
        looks=len(seen.looks),
        missed=missed,
        workers=(seen.looks[0].workers, seen.looks[-1].workers),
        events=seen.events,
    )


def _tell(seen: Watch, as_json: bool) -> None:
    look = seen.looks[-1]
    _print(msgspec.json.encode(look).decode() if as_json else line(look, nearest(seen.status)))


def _tell_event(event: Event, as_json: bool) -> None:
    if as_json:
        _print(msgspec.json.encode(event).decode())
    else:
        _print(f"{event.at:5.0f}s  {event.before} to {event.target} workers")
        for reason in event.reasons:
            _print(f"        {reason}")


def _print(text: str) -> None:
    print(text)
    sys.stdout.flush()


def line(look: Look, near: tuple[str, float] | None) -> str:
    """Write a look as a row under `HEAD`."""
    rule = "" if near is None else f"{bar(near[1], NEAR_WIDTH)} {near[1]:.0%} {near[0]}"
    warning = "  OVERLOADED" if look.overloaded else ""
    return (
        f"{look.at:5.0f}s {look.workers:8} {look.wanted:7} {look.rooms:6} {look.connections:8} "
        f"{look.busiest:5.0%} {look.lag_ms:3.0f}ms  {rule}{warning}"
    )


def nearest(status: Any) -> tuple[str, float] | None:
    """Return the rule for more workers that is nearest to its threshold, and how near; or None."""
    near = [
        (rule["level"], rule["rule"])
        for rule in status["scaling"]["rules"]
        if rule["direction"] == "above" and rule["level"] is not None
    ]
    if not near:
        return None
    level, name = max(near)
    return name, level


def text(report: Report) -> str:
    """Return the report for a person."""
    first, last = report.workers
    lost = "" if report.ok else f"; the last {report.missed} looks had no answer"
    return (
        f"{report.looks} looks, {len(report.events)} decisions, "
        f"{first} workers at first and {last} at the end{lost}"
    )
