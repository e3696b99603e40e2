"""More and more players, who stay for a while and leave again, and how the server follows."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from disturbance.checker import Breach
from disturbance.processes import own_cpu_seconds
from disturbance.site import Site, Unexpected
from disturbance.tally import percentiles
from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredSemaphore

from crowd import command, rules
from crowd.progress import Progress
from crowd.table import Table, leave
from crowd.watch import LOOK_SECONDS, Event, Look, Watch
from hokm.client import CommandRefused, Disconnected
from hokm.tasks import every, run

SEATS: Final = 4
TOGETHER: Final = 8  # tables that sit down, or leave, at the same time
STEP_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 2.0  # after which a table that was refused is tried again
WINDOW: Final = 2000  # answers, of which the progress tells the latest
PARTS: Final = 6  # of the run, whose answers are told apart


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be.

    Attributes:
        initial, most: Players; they come and go in fours.
        ramp_s, hold_s, leave_s: Seconds in which they come, stay, and leave.
        settle_s: Seconds that the server has then to be as small as it was; 0: it need not be.
        pace: Mean seconds between two plays at a table.
        url, admin: Of a server that runs already; None: the run starts its own.
        workers, hurry, density, rules: Of the server, if it is the run's own; see `crowd.rules`.
    """

    initial: int
    most: int
    ramp_s: float
    hold_s: float
    leave_s: float
    settle_s: float
    pace: float
    seed: int
    url: str | None
    admin: str | None
    workers: str
    hurry: float
    density: float
    rules: Collection[str] | None


class Report(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        ok: Whether no socket was closed, nothing was lost or doubled, and the workers became more
            and fewer again, where that was to be.
        closed: Sockets that were closed before their players left.
        refused: Rooms that the server did not make at once; they were tried again.
        breaches: How many of each kind; `details` has the first of them in words.
        answers: How many commands were timed, and how long the answers took, in milliseconds: of
            all, and (`answers_over_time`) of the parts of the run, one after the other.
        workers: The least at the beginning, the most, and at the end.
        events: What the server has decided, and why.
        looks: The server once a second.
        load_cpu: Part of one core that the players themselves took.
    """

    ok: bool
    players: int
    seconds: float
    plays: int
    closed: int
    refused: int
    breaches: dict[str, int]
    details: list[str]
    answers: dict[str, float]
    answers_over_time: list[dict[str, float]]
    workers: tuple[int, int, int]
    moves: int
    handoff_pause_ms: dict[str, float]
    events: list[Event]
    looks: list[Look]
    load_cpu: float


async def load(reactor: Any, plan: Plan, progress: Progress) -> Report:
    """Carry out a plan.

    Raises:
        Unexpected: The server did not start, or does not let anybody in.
        OSError: The server cannot be reached.
    """
    server, url, admin = None, plan.url, plan.admin
    if url is None or admin is None:
        settings = rules.settings(
            hurry=plan.hurry,
            density=plan.density,
            game_minutes=(plan.ramp_s + plan.hold_s + plan.leave_s) / 60,
            only=plan.rules,
        )
        server = command.start(reactor, plan.workers, settings, CROWD_STRESS="/nonexistent")
        url, admin = server.url, server.admin
    site = Site(url=url, admin=admin, reactor=reactor)
    await command.until_ready(site, server)
    report = await _Run(reactor, plan, site, url, progress).whole()
    if server is not None and report.ok:
        server.log.unlink()
    elif server is not None:
        progress.tell(f"the server's log is {server.log}")
    return report


class _Run:
    def __init__(self, reactor: Any, plan: Plan, site: Site, url: str, progress: Progress) -> None:
        self._reactor = reactor
        self._plan = plan
        self._site = site
        self._url = url
        self._progress = progress
        self._watch = Watch(site)
        self._began = time.monotonic()
        self._tables: list[Table] = []  # where people sit
        self._coming = 0
        self._made = 0
        self._closed = 0
        self._refused = 0
        self._plays = 0
        self._breaches: list[Breach] = []
        self._waits: list[tuple[float, float]] = []  # when, and for how long
        self._latest: deque[float] = deque(maxlen=WINDOW)
        self._slots = DeferredSemaphore(TOGETHER)
        self._phase = "come"

    async def whole(self) -> Report:
        """Let players come, stay and leave, and report."""
        plan = self._plan
        cpu = own_cpu_seconds()
        first = await self._watch.look(0.0)
        looking = every(self._reactor, LOOK_SECONDS, self._look, "a look")
        await self._come()
        self._phase = "stay"
        await self._wait(plan.hold_s)
        self._phase = "leave"
        await self._leave()
        played_s, cpu = self._now(), own_cpu_seconds() - cpu
        self._phase = "settle"
        await self._settle(first.workers)
        looking.stop()
        await self._watch.look(self._now())
        return self._report(played_s, cpu / played_s)

    def _now(self) -> float:
        return time.monotonic() - self._began

    # --- the phases -----------------------------------------------------------------------

    async def _come(self) -> None:
        plan, most = self._plan, self._most
        first = min(most, math.ceil(plan.initial / SEATS))
        while self._made < most or self._coming:
            part = 1.0 if plan.ramp_s <= 0 else min(1.0, self._now() / plan.ramp_s)
            for _ in range(round(first + part * (most - first)) - self._made):
                self._made += 1
                self._coming += 1
                self._slots.run(lambda: run(self._sit_down(), "a table"))
            await self._site.sleep(STEP_SECONDS)

    @property
    def _most(self) -> int:
        return math.ceil(self._plan.most / SEATS)

    async def _sit_down(self) -> None:
        """Have four more players; where the server refuses, a little later."""
        seed = f"{self._plan.seed}/{len(self._tables) + self._coming}"
        table = Table(
            self._site,
            self._url,
            self._reactor,
            seed=seed,
            pace=self._plan.pace,
            waited=self._waited,
        )
        try:
            await table.sit_down()
            self._tables.append(table)
            self._coming -= 1
        except (Unexpected, OSError, CommandRefused, Disconnected) as error:
            table.end()
            self._refused += 1
            if self._refused == 1:
                self._progress.tell(f"a table was refused, and is tried again: {error}")
            self._reactor.callLater(
                AGAIN_SECONDS, self._slots.run, lambda: run(self._sit_down(), "a table")
            )

    async def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self._site.sleep(STEP_SECONDS)

    async def _leave(self) -> None:
        count, began = len(self._tables), time.monotonic()
        while self._tables:
            passed = time.monotonic() - began
            part = 1.0 if self._plan.leave_s <= 0 else min(1.0, passed / self._plan.leave_s)
            going = min(TOGETHER, len(self._tables) - round((1 - part) * count))
            if going > 0:
                leaving, self._tables = self._tables[:going], self._tables[going:]
                self._closed += sum(table.closed() for table in leaving)
                self._plays += sum(s.plays.total() for t in leaving for s in t.seats)
                self._breaches += await leave(leaving)
            else:
                await self._site.sleep(STEP_SECONDS)

    async def _settle(self, workers: int) -> None:
        until = time.monotonic() + self._plan.settle_s
        while time.monotonic() < until:
            if self._watch.looks[-1].workers <= workers and not self._watch.looks[-1].connections:
                return
            await self._site.sleep(STEP_SECONDS)

    # --- what is seen meanwhile -----------------------------------------------------------

    def _waited(self, seconds: float) -> None:
        self._waits.append((self._now(), seconds))
        self._latest.append(seconds)

    def _look(self) -> None:
        run(self._look_once(), "a look at the server")

    async def _look_once(self) -> Deferred[None] | None:
        seen = len(self._watch.events)
        look = await self._watch.look(self._now())
        for event in self._watch.events[seen:]:
            change = f"{event.before} to {event.target} workers"
            self._progress.tell(f"{event.at:6.1f} s  {change}: {'; '.join(event.reasons)}")
        players = SEATS * len(self._tables)
        p99 = percentiles(list(self._latest)).get("p99", 0.0)
        self._progress.show(
            players / max(1, SEATS * self._most),
            f"{self._phase}: {players} players, {look.workers} workers (cpu {look.busiest:.0%}, "
            f"lag {look.lag_ms:.0f} ms), answers p99 {p99:.0f} ms, "
            f"{self._closed + sum(t.closed() for t in self._tables)} closed",
        )
        return None

    # --- the end --------------------------------------------------------------------------

    def _report(self, played_s: float, cpu: float) -> Report:
        looks, plan = self._watch.looks, self._plan
        counts = (looks[0].workers, max(look.workers for look in looks), looks[-1].workers)
        scaled = counts[1] > counts[0] and counts[2] <= counts[0]
        kinds: dict[str, int] = dict.fromkeys(("lost", "doubled", "reordered"), 0)
        for breach in self._breaches:
            kinds[breach.kind] = kinds.get(breach.kind, 0) + 1
        handoff = self._watch.status["handoff"]
        return Report(
            ok=not (self._closed or self._breaches) and (scaled or plan.settle_s <= 0),
            players=SEATS * self._made,
            seconds=round(self._now(), 1),
            plays=self._plays,
            closed=self._closed,
            refused=self._refused,
            breaches=kinds,
            details=[f"{b.kind}: {b.who}: {b.text}" for b in self._breaches[:10]],
            answers=_answers([wait for _, wait in self._waits]),
            answers_over_time=[
                _answers([wait for at, wait in self._waits if int(PARTS * at / played_s) == part])
                for part in range(PARTS)
            ],
            workers=counts,
            moves=handoff["moves"],
            handoff_pause_ms=handoff["pause_ms"],
            events=self._watch.events,
            looks=looks,
            load_cpu=round(cpu, 3),
        )


def _answers(waits: list[float]) -> dict[str, float]:
    return {"count": len(waits), **percentiles(waits)}


def text(report: Report) -> str:
    """Return the report for a person."""
    least, most, last = report.workers
    rows = [
        ("players", f"{report.players} at the most"),
        ("workers", f"{least} at first, {most} at the most, {last} at the end"),
        ("plays acknowledged", f"{report.plays}"),
        ("sockets closed", f"{report.closed}"),
        *report.breaches.items(),
        ("rooms refused at first", f"{report.refused}"),
        ("answers", _spoken(report.answers)),
        *((f"  part {n} of {PARTS}", _spoken(p)) for n, p in _told(report)),
        ("rooms moved", f"{report.moves}, stood still: {_list(report.handoff_pause_ms)} ms"),
        ("load", f"{100 * report.load_cpu:.0f} % of a core, {report.seconds:.0f} s"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    lines += ["", "what the server has decided:"] if report.events else []
    for event in report.events:
        lines.append(f"  {event.at:6.1f} s  {event.before} to {event.target} workers")
        lines += [f"            {reason}" for reason in event.reasons]
    return "\n".join((*lines, *report.details, "passed" if report.ok else "FAILED"))


def _told(report: Report) -> list[tuple[int, dict[str, float]]]:
    return [(n, p) for n, p in enumerate(report.answers_over_time, 1) if p["count"]]


def _spoken(answers: dict[str, float]) -> str:
    rest = {name: value for name, value in answers.items() if name != "count"}
    return f"{answers['count']:.0f}: {_list(rest)} ms"


def _list(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
