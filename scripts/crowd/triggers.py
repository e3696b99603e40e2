"""The rules on CPU and memory fire for real, and clear: real work and real memory in a worker."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from disturbance.server import Server
from disturbance.site import Site, Unexpected
from disturbance.tally import percentiles
from msgspec import Struct
from twisted.internet.defer import Deferred, gatherResults

from crowd import command, rules
from crowd.progress import Progress
from crowd.stress import VARIABLE, Stress
from crowd.table import Table, leave
from crowd.watch import LOOK_SECONDS, Event, Watch
from hokm.supervisor.machine import Machine

MEGABYTE: Final = 1 << 20
LIMIT: Final = 250 * MEGABYTE  # of a worker: more is too much; an idle one has 40
BALLAST: Final = 320 * MEGABYTE
CPU_LIMIT: Final = 25.0  # %; on a machine with other work a worker may not get all that it wants
CPU: Final = 0.95  # part of a core that it wants
RULES: Final = ("high_cpu_usage", "high_memory_usage", "low_cpu_usage")
DENSITY: Final = 1000.0  # connections of a worker: not what this is about


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be.

    Attributes:
        cpu, memory: Whether that trigger is pulled.
        tables: That play meanwhile.
        patience_s: For each step, until it has failed.
        pace, workers, hurry: See `crowd.load.Plan`.
    """

    cpu: bool
    memory: bool
    tables: int
    pace: float
    patience_s: float
    workers: str
    hurry: float


class Trigger(Struct, frozen=True, kw_only=True):
    """What became of one trigger.

    Attributes:
        ok: Whether it fired, workers came, and it cleared.
        value: Of the rule's metric, the highest until it fired.
        fired_s, scaled_s: After how many seconds of stress the rule fired, and the worker was
            there; None: it was not.
        cleared_s, shrunk_s: After how many seconds without stress the metric was within the rule
            again, and the worker gone.
    """

    rule: str
    ok: bool
    threshold: float
    value: float | None
    fired_s: float | None
    scaled_s: float | None
    cleared_s: float | None
    shrunk_s: float | None


class Report(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        ok: Whether all triggers fired and cleared, no socket was closed and nothing was lost.
    """

    ok: bool
    triggers: list[Trigger]
    plays: int
    closed: int
    breaches: list[str]
    answers: dict[str, float]
    events: list[Event]


async def pull(reactor: Any, plan: Plan, progress: Progress) -> Report:
    """Carry out a plan.

    Raises:
        Unexpected: The server did not start.
    """
    most = int(plan.workers.partition("-")[2] or plan.workers)
    share = Machine(now=time.monotonic).memory / most
    settings = rules.settings(
        hurry=plan.hurry,
        density=DENSITY,
        game_minutes=1.0,
        thresholds={"high_memory_usage": 100 * LIMIT / share, "high_cpu_usage": CPU_LIMIT},
        only=RULES,
    )
    with tempfile.TemporaryDirectory(prefix="hokm-") as directory:
        file = Path(directory) / "stress.json"
        server = command.start(reactor, plan.workers, settings, **{VARIABLE: str(file)})
        site = Site(url=server.url, admin=server.admin, reactor=reactor)
        await command.until_ready(site, server)
        report = await _Run(reactor, plan, site, server, file, progress).whole()
    if report.ok:
        server.log.unlink()
    else:
        progress.tell(f"the server's log is {server.log}")
    return report


class _Run:
    def __init__(
        self,
        reactor: Any,
        plan: Plan,
        site: Site,
        server: Server,
        file: Path,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._site = site
        self._file = file
        self._progress = progress
        self._watch = Watch(site)
        self._began = time.monotonic()
        self._waits: list[float] = []
        self._tables = [
            Table(site, server.url, reactor, seed=str(n), pace=plan.pace, waited=self._waits.append)
            for n in range(plan.tables)
        ]
        self._least = 0
        self._values: dict[str, float] = {}  # of each rule, the highest

    async def whole(self) -> Report:
        """Pull one trigger after the other, while people play."""
        await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in self._tables])
        self._least = (await self._watch.look(0.0)).workers
        triggers = []
        if self._plan.cpu:
            triggers.append(await self._pull("high_cpu_usage", Stress(cpu=CPU)))
        if self._plan.memory:
            triggers.append(await self._pull("high_memory_usage", Stress(memory=BALLAST)))
        closed = sum(table.closed() for table in self._tables)
        plays = sum(seat.plays.total() for table in self._tables for seat in table.seats)
        breaches = [f"{b.kind}: {b.who}: {b.text}" for b in await leave(self._tables)]
        return Report(
            ok=all(trigger.ok for trigger in triggers) and not closed and not breaches,
            triggers=triggers,
            plays=plays,
            closed=closed,
            breaches=breaches,
            answers=percentiles(self._waits),
            events=self._watch.events,
        )

    async def _pull(self, rule: str, stress: Stress) -> Trigger:
        """Put the first worker under stress until there is another one; then let it rest."""
        worker = self._watch.status["workers"][0]
        self._file.write_bytes(
            msgspec.json.encode(msgspec.structs.replace(stress, pid=worker["pid"]))
        )
        began = time.monotonic()
        fired_s = await self._until(f"{rule} fires", began, lambda: self._has_fired(rule))
        scaled_s = await self._until("a worker comes", began, lambda: self._workers > self._least)
        self._file.unlink()
        began = time.monotonic()
        cleared_s = await self._until(f"{rule} is quiet", began, lambda: self._is_quiet(rule))
        shrunk_s = await self._until("a worker goes", began, lambda: self._workers <= self._least)
        return Trigger(
            rule=rule,
            ok=None not in (fired_s, scaled_s, cleared_s, shrunk_s),
            threshold=self._standing(rule)["threshold"],
            value=self._values.get(rule),
            fired_s=fired_s,
            scaled_s=scaled_s,
            cleared_s=cleared_s,
            shrunk_s=shrunk_s,
        )

    async def _until(self, what: str, began: float, holds: Callable[[], bool]) -> float | None:
        """Wait until something holds; returns how long after *began* that was, None: never."""
        until = time.monotonic() + self._plan.patience_s
        while True:
            look = await self._watch.look(time.monotonic() - self._began)
            now = time.monotonic()
            if holds():
                self._progress.tell(f"{what}: after {now - began:.1f} s, {look.workers} workers")
                return round(now - began, 1)
            if now > until:
                self._progress.tell(f"{what}: not within {self._plan.patience_s:g} s")
                return None
            part = 1 - (until - now) / self._plan.patience_s
            self._progress.show(part, f"until {what}: cpu {look.busiest:.0%}")
            await self._site.sleep(LOOK_SECONDS / 2)

    @property
    def _workers(self) -> int:
        return self._watch.looks[-1].workers

    def _standing(self, rule: str) -> Any:
        standings = self._watch.status["scaling"]["rules"]
        found = [standing for standing in standings if standing["rule"] == rule]
        if not found:
            raise Unexpected(f"the server has no rule {rule}")
        return found[0]

    def _has_fired(self, rule: str) -> bool:
        """Say whether the rule fires, or has had its effect already."""
        standing = self._standing(rule)
        state, value = standing["state"], standing["value"]
        if value is not None:
            self._values[rule] = max(value, self._values.get(rule, value))
        decided = (reason for event in self._watch.events for reason in event.reasons)
        return state in ("fired", "held_back") or any(r.startswith(rule) for r in decided)

    def _is_quiet(self, rule: str) -> bool:
        return bool(self._standing(rule)["state"] == "quiet")


def text(report: Report) -> str:
    """Return the report for a person."""
    lines = []
    for t in report.triggers:
        lines += [
            f"{t.rule}: {'fired and cleared' if t.ok else 'FAILED'}",
            f"  fired after {_seconds(t.fired_s)}, at {t.value} (above {t.threshold:g})",
            f"  a worker more after {_seconds(t.scaled_s)}",
            f"  without the stress quiet after {_seconds(t.cleared_s)}, "
            f"a worker less after {_seconds(t.shrunk_s)}",
        ]
    answers = ", ".join(f"{name} {value:g}" for name, value in report.answers.items())
    lines.append(f"meanwhile {report.plays} plays were acknowledged: {answers} ms")
    lines.append(f"sockets closed: {report.closed}; lost, doubled: {len(report.breaches)}")
    lines += ["", "what the server has decided:"]
    for event in report.events:
        lines.append(f"  {event.at:6.1f} s  {event.before} to {event.target} workers")
        lines += [f"            {reason}" for reason in event.reasons]
    return "\n".join((*lines, *report.breaches, "passed" if report.ok else "FAILED"))


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:g} s"
