"""What an operator can have done, over HTTP: each verb starts a job that can be asked for."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from hokm import wire
from hokm.admin.route import Answer, Route, json
from hokm.jobs import Job, JobStatus, Refused

MOVE_SECONDS: Final = 10.0  # a move takes milliseconds, unless a worker or the store hangs


class Operations(Protocol):
    """What the verbs ask for. Each returns the job that it began, or raises `Refused`."""

    def drain(self, worker: int) -> Job:
        """Give a worker's rooms to the others and end it."""

    def replace(self) -> Job:
        """Put a fresh process in the place of each worker."""

    def rebalance(self) -> Job:
        """Move rooms from workers with more than their share to those with less."""

    def scale(self, workers: int) -> Job:
        """Start workers, or drain the emptiest, until there are so many."""

    def move(self, room: str, worker: int) -> Job:
        """Move a room to a worker."""

    def upgrade(self) -> Job:
        """Let the supervisor execute itself anew, with the code that is installed now."""

    def leave(self) -> Job:
        """Leave all rooms to the other instances of the fleet."""

    def job(self, id: int) -> Job | None:
        """Return a job; None when there is none of that number any more."""

    def jobs(self) -> list[JobStatus]:
        """Return how all jobs are, the latest last."""


class Scale(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/scale`: how many workers there shall be."""

    workers: Annotated[int, Meta(ge=1)]


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/rooms/CODE/move`: where the room shall go."""

    worker: int


def routes(operations: Operations) -> tuple[Route, ...]:
    """Return the paths of the verbs and jobs."""
    verbs = _Verbs(operations)
    return (
        Route("POST", r"/api/workers/(\d{1,9})/drain", verbs.drain),
        Route("POST", "/api/replace", verbs.replace),
        Route("POST", "/api/rebalance", verbs.rebalance),
        Route("POST", "/api/scale", verbs.scale, takes=Scale),
        Route("POST", "/api/upgrade", verbs.upgrade),
        Route("POST", "/api/leave", verbs.leave),
        Route("POST", "/api/rooms/([^/]{1,32})/move", verbs.move, takes=Move),
        Route("GET", "/api/jobs", verbs.jobs),
        Route("GET", r"/api/jobs/(\d{1,9})", verbs.job),
    )


class _Verbs:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def drain(self, worker: str) -> Answer:
        return _accepted(self._operations.drain(int(worker)))

    async def replace(self) -> Answer:
        return _accepted(self._operations.replace())

    async def rebalance(self) -> Answer:
        return _accepted(self._operations.rebalance())

    async def scale(self, workers: int) -> Answer:
        return _accepted(self._operations.scale(workers))

    async def upgrade(self) -> Answer:
        return _accepted(self._operations.upgrade())

    async def leave(self) -> Answer:
        return _accepted(self._operations.leave())

    async def move(self, room: str, worker: int) -> Answer:
        code = wire.room_code(room)
        if code is None:
            raise Refused("no_such_room", wire.ERRORS["no_such_room"])
        status = await self._operations.move(code, worker).wait(MOVE_SECONDS)
        return json(status, {"done": 200, "failed": 409, "running": 202}[status.state])

    async def jobs(self) -> Answer:
        return json(self._operations.jobs())

    async def job(self, id: str) -> Answer:
        found = self._operations.job(int(id))
        if found is None:
            raise Refused("no_such_job", f"there is no job {id}")
        return json(found.status())


def _accepted(job: Job) -> Answer:
    """Answer that a job is under way; nobody has to wait for it."""
    return json(job.status(), 202)
