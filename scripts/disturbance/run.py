"""A run: tables play while faults strike; then everything is counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults

from disturbance.checker import Breach
from disturbance.epochs import EpochWatch
from disturbance.faults import Faults
from disturbance.processes import descriptors, own_cpu_seconds
from disturbance.report import Report, make_report
from disturbance.schedule import Action
from disturbance.server import Server
from disturbance.site import POLL_SECONDS, Site, Unexpected, Worker
from disturbance.table import Table
from disturbance.tally import Tally
from hokm.tasks import every, run

START_SECONDS: Final = 30.0
AT_ONCE: Final = 10  # tables that sit down at the same time
LOOK_SECONDS: Final = 1.0  # between two looks at the owners
TELL_SECONDS: Final = 5.0  # between two lines of progress
GO_ON_SECONDS: Final = 30.0  # in which each table must play again after the last fault
LEAVE_SECONDS: Final = 10.0  # until the workers have told that all have left
SETTLE_SECONDS: Final = 30.0  # in which everything must be answered once turns are let pass


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be.

    Attributes:
        seconds: How long is played.
        pace: Mean seconds between two plays at a table.
        plain: Whether all clients are alike.
        workers: Of the server, if it is the run's own.
        url, admin: Of a server that runs already; None: the run starts its own.
        actions: The faults.
        all_done: Whether the run fails where one of them does not end as it should.
    """

    rooms: int
    seconds: float
    pace: float
    seed: int
    plain: bool
    workers: int
    url: str | None
    admin: str | None
    actions: Sequence[Action]
    all_done: bool


async def disturb(reactor: Any, plan: Plan) -> Report:
    """Carry out a plan.

    Raises:
        Unexpected: The run could not be made: the server did not start, or let nobody in.
        OSError: The server cannot be reached.
    """
    if plan.url is not None and plan.admin is not None:
        site = Site(url=plan.url, admin=plan.admin, reactor=reactor)
        return await _Run(reactor, plan, site, None).whole()
    server = Server(plan.workers)
    # However this program ends: a signal stops the reactor and not what is awaited here.
    reactor.addSystemEventTrigger("after", "shutdown", server.stop)
    site = Site(url=server.url, admin=server.admin, reactor=reactor)
    ok = False
    try:
        report = await _Run(reactor, plan, site, server).whole()
        ok = report.ok
        return report
    finally:
        if ok:
            server.log.unlink()
        else:
            tell(f"the server's log is {server.log}")


def tell(line: str) -> None:
    """Tell the person who waits how far it is."""
    print(line, file=sys.stderr, flush=True)


def _connections(workers: Sequence[Worker]) -> int:
    return sum(worker.connections for worker in workers)


class _Run:
    def __init__(self, reactor: Any, plan: Plan, site: Site, server: Server | None) -> None:
        self._reactor = reactor
        self._plan = plan
        self._site = site
        self._server = server
        self._tally = Tally(time.monotonic)
        self._tables = [
            Table(number=number, seed=plan.seed, plain=plan.plain, pace=plan.pace)
            for number in range(plan.rooms)
        ]
        self._breaches: list[Breach] = []

    async def whole(self) -> Report:
        """Begin, play, end, and report."""
        await self._start()
        workers = await self._site.workers()
        before = descriptors(workers)
        await self._sit_down()
        rooms = [table.code for table in self._tables]
        faults = Faults(
            site=self._site,
            server=self._server,
            rooms=rooms,
            workers=len(workers),
            tally=self._tally,
            on_crash=self._warn_clients,
            tell=tell,
        )
        watch = EpochWatch(
            url=(await self._site.status())["store"]["address"], reactor=self._reactor
        )
        loops = [
            every(self._reactor, LOOK_SECONDS, lambda: run(watch.look(rooms), "a look"), "looks"),
            every(self._reactor, TELL_SECONDS, lambda: self._progress(faults), "progress"),
        ]
        used, began = own_cpu_seconds(), self._tally.clock()
        await self._play(faults)
        cpu = (own_cpu_seconds() - used) / (self._tally.clock() - began)
        await self._settle()
        for loop in loops:
            loop.stop()
        await watch.look(rooms)
        watch.close()
        for table in self._tables:
            self._breaches += await table.check(self._site)
        status = await self._site.status()
        after = await self._leave(_connections(workers))
        return make_report(
            self._tally,
            [*self._breaches, *watch.owners.breaches],
            faults.outcomes,
            all_done=self._plan.all_done,
            seed=self._plan.seed,
            seconds=self._plan.seconds,
            tables=len(self._tables),
            clients=sum(len(table.clients) for table in self._tables),
            looks=watch.owners.looks,
            descriptors_before=before,
            descriptors_after=after,
            handoff=status.get("handoff"),
            load_cpu=round(cpu, 3),
        )

    async def _start(self) -> None:
        until = self._tally.clock() + START_SECONDS
        while not await self._is_ready():
            if self._tally.clock() > until or (self._server and self._server.has_ended):
                raise Unexpected("the server is not ready")
            await self._site.sleep(POLL_SECONDS)

    async def _is_ready(self) -> bool:
        if not await self._site.is_ready():
            return False
        return all(worker.state == "ready" for worker in await self._site.workers())

    async def _sit_down(self) -> None:
        for first in range(0, len(self._tables), AT_ONCE):
            coming = [
                Deferred.fromCoroutine(table.sit_down(self._site, self._reactor, self._tally))
                for table in self._tables[first : first + AT_ONCE]
            ]
            await gatherResults(coming, consumeErrors=True)

    async def _play(self, faults: Faults) -> None:
        """Play while faults strike, until the server has got over the last one."""
        for table in self._tables:
            table.play()
        began = self._tally.clock()
        for action in self._plan.actions:
            self._reactor.callLater(action.at, self._strike, faults, action)
        await self._site.sleep(self._plan.seconds)
        while faults.under_way:
            await self._site.sleep(POLL_SECONDS)
        if self._plan.actions:
            await self._go_on()
        tell(f"played for {self._tally.clock() - began:.1f} s")

    def _strike(self, faults: Faults, action: Action) -> None:
        tell(f"  {action.at:.1f} s: {action.kind}")
        run(faults.strike(action), "a fault", kind=action.kind)

    async def _go_on(self) -> None:
        """See every table play on after the last fault."""
        had = [table.plays for table in self._tables]
        await self._until(
            lambda: [table for table, n in zip(self._tables, had, strict=True) if table.plays <= n],
            GO_ON_SECONDS + 4 * self._plan.pace,
        )

    async def _settle(self) -> None:
        """Let turns pass, have everything answered, and everybody told the whole state."""
        for table in self._tables:
            table.pause()
        await self._until_quiet()
        for table in self._tables:
            for client in table.clients:
                client.sync()
        await self._until_quiet()

    async def _until_quiet(self) -> None:
        await self._until(
            lambda: [table for table in self._tables if not table.is_quiet()], SETTLE_SECONDS
        )

    async def _until(self, missing: Callable[[], list[Table]], seconds: float) -> None:
        """Wait until no table is missing; note those that still are after *seconds*."""
        until = self._tally.clock() + seconds
        while (tables := missing()) and self._tally.clock() < until:
            await self._site.sleep(POLL_SECONDS)
        self._breaches += [Breach("stuck", table.code, table.plight()) for table in tables]

    async def _leave(self, others: int) -> dict[str, int]:
        """Close all connections; returns the descriptors that are left then.

        Args:
            others: Connections of other people, on a server that is not ours.
        """
        for table in self._tables:
            for client in table.clients:
                client.end()
        until = self._tally.clock() + LEAVE_SECONDS
        while True:
            workers = await self._site.workers()
            if _connections(workers) <= others or self._tally.clock() > until:
                return descriptors(workers)
            await self._site.sleep(POLL_SECONDS)

    def _warn_clients(self) -> None:
        for table in self._tables:
            for client in table.clients:
                client.worker_dies()

    def _progress(self, faults: Faults) -> None:
        broken = sum(
            len(client.witness.breaches) for table in self._tables for client in table.clients
        )
        tell(
            f"{self._tally.plays} plays, {self._tally.closed.total()} closed, {broken} breaches, "
            f"{len(faults.outcomes)} faults over, {faults.under_way} under way"
        )
