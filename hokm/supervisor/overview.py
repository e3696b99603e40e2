"""How the instance is, in one view: what an operator asks for before he asks for a change."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Final

from hokm.jobs import JobStatus
from hokm.store.redis import RedisStore
from hokm.supervisor.instance import Instance
from hokm.supervisor.operations import Operations
from hokm.supervisor.pool import Pool
from hokm.supervisor.readings import Readings
from hokm.supervisor.routing import Routing
from hokm.supervisor.scaler import Scaler
from hokm.supervisor.status import (
    VERSION,
    InstanceStatus,
    RoomsStatus,
    RoomStatus,
    Status,
    StoreStatus,
)

JOBS_SHOWN: Final = 10
ROOMS_SHOWN: Final = 200


class Overview:
    """Puts together what the parts know."""

    def __init__(
        self,
        *,
        clock: Any,
        pool: Pool,
        routing: Routing,
        readings: Readings,
        scaler: Scaler,
        operations: Operations,
        store: RedisStore,
        embedded: bool,
        instance: Instance | None,
    ) -> None:
        """Make a view; the instance's life begins now.

        Args:
            embedded: Whether the store is our own.
            instance: This server in its fleet; None where there is none.
        """
        self._clock = clock
        self._began = clock.seconds()
        self._pool = pool
        self._routing = routing
        self._readings = readings
        self._scaler = scaler
        self._operations = operations
        self._store = store
        self._embedded = embedded
        self._instance = instance

    def status(self, unhealthy: tuple[str, ...]) -> Status:
        """Say how the instance and its workers are.

        Args:
            unhealthy: Why players cannot be served now; nothing when they can.
        """
        workers = tuple(map(self._readings.status, self._pool.active))
        return Status(
            instance=self._alone() if self._instance is None else self._instance.status(),
            fleet=() if self._instance is None else self._instance.fleet.all(),
            version=VERSION,
            uptime_s=round(self._clock.seconds() - self._began, 1),
            workers=workers,
            rooms=sum(worker.rooms for worker in workers),
            connections=sum(worker.connections for worker in workers),
            scaling=self._scaler.status(),
            store=StoreStatus(
                up=self._store.up,
                kind="embedded" if self._embedded else "shared",
                address=str(self._store.address),
            ),
            spares=len(self._pool.waiting),
            handoff=self._routing.tally.status(moving=len(self._routing.moves)),
            jobs=jobs_to_show(self._operations.jobs()),
            unhealthy=unhealthy,
            players=sum(worker.players for worker in workers),
            games=sum(worker.games for worker in workers),
        )

    def _alone(self) -> InstanceStatus:
        host = socket.gethostname()
        return InstanceStatus(id=host, host=host)

    def rooms(self, code: str, worker: int | None) -> RoomsStatus:
        """Say which rooms are where.

        Args:
            code: Part of the codes of the rooms that are asked for, in any case.
            worker: Where they are; None: anywhere.
        """
        placement, moves = self._routing.placement, self._routing.moves
        found = sorted(
            (room, owner.id)
            for owner in self._pool.active
            if worker in (None, owner.id)
            for room in placement.rooms_of(owner.id)
            if code.upper() in room
        )
        rooms = tuple(
            RoomStatus(room, id, len(self._routing.connections.of_room(room)), room in moves)
            for room, id in found[:ROOMS_SHOWN]
        )
        return RoomsStatus(rooms, len(found))


def jobs_to_show(jobs: Sequence[JobStatus]) -> tuple[JobStatus, ...]:
    """Leave out old jobs, but none that still runs."""
    latest = len(jobs) - JOBS_SHOWN
    return tuple(job for at, job in enumerate(jobs) if at >= latest or job.state == "running")
