"""How an instance leaves its fleet: its rooms become nobody's, and their players come again.

A player's connection ends here, so that a balancer can bring the next one to another instance; who
comes here all the same is relayed to one. His place waits for him: rooms are stored and given up
first, their players told afterwards, a few at a time so that they do not come back all at once.
"""

from __future__ import annotations

import math
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm.control import messages as m
from hokm.jobs import Failed, Job, Refused
from hokm.supervisor.fleet import Fleet
from hokm.supervisor.placement import RoomCode
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.worker import Worker

_log = Logger()

NOTICE_SECONDS: Final = 1.5  # for balancers that ask `/ready` each half a second, twice
PACE_SECONDS: Final = 0.1  # between two handfuls of rooms
ROOMS_AT_ONCE: Final = 8  # 320 players a second; more where the time is short
TRY_SECONDS: Final = 1.0  # for the workers to give the last rooms up, until they are told again


class Leaving:
    """Leaves the fleet.

    Attributes:
        under_way: Whether rooms are being given up.
    """

    def __init__(self, *, reactor: Any, fleet: Fleet, routing: Routing, pool: Pool) -> None:
        """Stay, until told otherwise."""
        self.under_way = False
        self._reactor = reactor
        self._fleet = fleet
        self._routing = routing
        self._pool = pool

    def check(self) -> None:
        """See whether there is anybody to leave the rooms to.

        Raises:
            Refused: There is not.
        """
        if not self._has_heirs():
            raise Refused("last_instance", "there is no other instance to take the rooms")

    def _has_heirs(self) -> bool:
        return any(member.state == "active" for member in self._fleet.others)

    async def leave(self, job: Job, seconds: float) -> None:
        """Give all rooms up, to whichever instance their players come to.

        Args:
            job: Is told how far it is.
            seconds: In which it should be done.

        Raises:
            Failed: Some rooms did not go; they are still played here.
        """
        self.under_way = True
        try:
            await self._leave(job, seconds)
        finally:
            self.under_way = False

    async def leave_at_end(self, seconds: float) -> None:
        """Leave since the server stops; what does not go in time is nobody's when it has."""
        if not self._has_heirs():
            return
        job = Job(id=0, verb="leave", subject="the fleet", clock=self._reactor)
        try:
            await self.leave(job, seconds)
        except Failed as failure:
            _log.warn("{failure}", failure=str(failure))

    async def _leave(self, job: Job, seconds: float) -> None:
        until = self._reactor.seconds() + seconds
        job.note = "the others are told"
        await self._fleet.leave()
        if self._rooms():
            await deferLater(self._reactor, NOTICE_SECONDS)
        while rooms := self._rooms():
            left = until - self._reactor.seconds()
            if left <= 0:
                raise Failed(f"{len(rooms)} rooms did not go")
            job.total = max(job.total, job.done + len(rooms))
            await self._give_up(rooms, left, job)
        job.done = job.total
        job.note = "no room is left; the server can be stopped"
        _log.info("{count} rooms were left to other instances", count=job.done)

    def _rooms(self) -> list[tuple[Worker, RoomCode]]:
        placement = self._routing.placement
        return [
            (worker, room) for worker in self._pool.active for room in placement.rooms_of(worker.id)
        ]

    async def _give_up(
        self, rooms: list[tuple[Worker, RoomCode]], seconds: float, job: Job
    ) -> None:
        """Tell the workers to give rooms up, and wait until they have, for a while."""
        before = job.done
        turns = max(1, int(seconds / 2 / PACE_SECONDS))
        handful = max(ROOMS_AT_ONCE, math.ceil(len(rooms) / turns))
        for first in range(0, len(rooms), handful):
            for worker, room in rooms[first : first + handful]:
                if room not in self._routing.moves:
                    worker.tell(m.HandOver(room=room))
            await deferLater(self._reactor, PACE_SECONDS)
            job.done = before + len(rooms) - len(self._rooms())
            job.note = f"{len(self._rooms())} rooms are left"
        until = self._reactor.seconds() + TRY_SECONDS
        while self._rooms() and self._reactor.seconds() < until:
            await deferLater(self._reactor, PACE_SECONDS)
        job.done = max(before, before + len(rooms) - len(self._rooms()))
