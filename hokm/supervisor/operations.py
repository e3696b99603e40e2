"""What an operator can ask for: drain, replace, move, rebalance, scale.

All of them move rooms, a few at a time: with a thousand connections in one burst the last player
would wait for a second. The invariant: no worker ends while it has rooms that can go elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm.config import MAX_WORKERS
from hokm.jobs import Failed, Job, Jobs, JobStatus, Refused
from hokm.metrics import Metrics
from hokm.scaling import WorkerReading, cheapest
from hokm.supervisor.child import START_SECONDS
from hokm.supervisor.gates import Gates
from hokm.supervisor.leaving import Leaving
from hokm.supervisor.lives import Lives
from hokm.supervisor.placement import NoWorker, RoomCode, WorkerId
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.worker import Worker

_log = Logger()

AT_ONCE: Final = 4  # rooms on the move; more at once only let players wait for each other
PATIENCE_SECONDS: Final = 60.0  # without one room that moved, until a drain is given up
LEAVE_SECONDS: Final = 60.0  # for 19,000 players at the pace of `leaving`; more go faster
_PAUSE_SECONDS: Final = 0.1  # before another try of rooms that could not move


class Operations:
    """The operators' verbs; each is a job."""

    def __init__(
        self,
        *,
        reactor: Any,
        pool: Pool,
        routing: Routing,
        lives: Lives,
        gates: Gates,
        metrics: Metrics,
        stop_seconds: float,
        leaving: Leaving | None = None,
    ) -> None:
        """Make the verbs.

        Args:
            lives: Knows how the program executes itself in place.
            leaving: Knows how the fleet is left, where there is one.
            stop_seconds: That a worker without rooms may take to end.
        """
        self._jobs = Jobs(reactor)
        self._reactor = reactor
        self._pool = pool
        self._placement = routing.placement
        self._connections = routing.connections
        self._moves = routing.moves
        self._lives = lives
        self._gates = gates
        self._metrics = metrics
        self._stop_seconds = stop_seconds
        self._leaving = leaving
        self._slots = DeferredSemaphore(AT_ONCE)

    # --- verbs ----------------------------------------------------------------------------

    def drain(self, worker: int) -> Job:
        """Give all rooms of a worker to the others and end it; there is one less from then on.

        Raises:
            Refused: There is no such worker, it is the last one, or another job is under way.
        """
        leaving = self._worker(worker)
        if self._pool.ready == [leaving]:
            text = "there is no other worker to take its rooms; `replace` starts one first"
            raise Refused("last_worker", text)
        return self._jobs.start("drain", f"worker {worker}", lambda job: self._drain(leaving, job))

    def replace(self) -> Job:
        """Put a fresh process, with the code that is installed now, in each worker's place.

        Raises:
            Refused: Another job is under way.
        """
        count = len(self._pool.active)
        return self._jobs.start("replace", f"{count} workers", self._replace)

    def scale(self, workers: int, why: str = "") -> Job:
        """Have so many workers.

        Args:
            why: For the job's subject, where it is no operator's wish.

        Raises:
            Refused: That is no possible number, or another job is under way.
        """
        if not 1 <= workers <= MAX_WORKERS:
            raise Refused("bad_request", f"workers must be 1 to {MAX_WORKERS}")
        subject = f"to {workers} {why}".rstrip()
        return self._jobs.start("scale", subject, lambda job: self._scale(workers, job))

    def rebalance(self) -> Job:
        """Move rooms until no worker has more than one above another.

        Raises:
            Refused: Another job is under way.
        """
        return self._jobs.start("rebalance", "rooms", self._rebalance)

    def move(self, room: str, worker: int) -> Job:
        """Move one room to a worker.

        Raises:
            Refused: The room is on no worker, it is just moving, or there is no such worker.
        """
        code, target = RoomCode(room), self._worker(worker)
        if self._placement.where(code) is None:
            raise Refused("no_such_room", f"room {room} is on no worker")
        if code in self._moves:
            raise Refused("busy", f"room {room} is just moving")
        if target not in self._pool.ready:
            raise Refused("no_such_worker", f"worker {worker} takes no rooms")
        subject = f"{room} to worker {worker}"
        return self._jobs.start(
            "move", subject, lambda job: self._move_one(code, target, job), alone=False
        )

    def upgrade(self) -> Job:
        """Execute the code that is installed now in this process's place; workers live on.

        Raises:
            Refused: Another job is under way, or this process was not started so that it can.
        """
        if not self._lives.can_execute:
            raise Refused("unavailable", "only `twistd -n hokm` can execute itself in place")
        return self._jobs.start("upgrade", "the supervisor", self._lives.upgrade)

    def leave(self) -> Job:
        """Leave all rooms to the other instances of the fleet, and take no new ones.

        Raises:
            Refused: There is no fleet, or nobody else in it, or another job is under way.
        """
        leaving = self._leaving
        if leaving is None:
            raise Refused("unavailable", "there is no fleet: this server has a store of its own")
        leaving.check()
        return self._jobs.start("leave", "the fleet", lambda job: leaving.leave(job, LEAVE_SECONDS))

    @property
    def busy(self) -> bool:
        """Whether a job that changes the workers is under way."""
        return self._jobs.busy

    def job(self, id: int) -> Job | None:
        """Return a job; None when there is none of that number any more."""
        return self._jobs.get(id)

    def jobs(self) -> list[JobStatus]:
        """Return how all jobs are, the latest last."""
        return self._jobs.all()

    def _worker(self, id: int) -> Worker:
        worker = self._pool.get(id)
        if worker is None or not worker.active:
            raise Refused("no_such_worker", f"there is no worker {id}")
        return worker

    # --- how ------------------------------------------------------------------------------

    async def _drain(self, worker: Worker, job: Job) -> None:
        self._metrics.scaling_events.labels("down").inc()
        await self._take_away(worker, job)

    async def _take_away(self, worker: Worker, job: Job) -> None:
        self._pool.target = max(1, self._pool.target - 1)
        try:
            await self._empty(worker, job)
        except Failed:
            self._pool.target += 1
            raise
        await worker.stop(self._stop_seconds)

    async def _empty(self, worker: Worker, job: Job) -> None:
        """Move all rooms of a worker elsewhere.

        Raises:
            Failed: They do not go; the worker keeps what it has.
        """
        worker.drain()
        self._placement.draining(worker.id)
        began, had = self._reactor.seconds(), job.done
        while worker.state == "draining":
            rooms = self._rooms_to_move(worker)
            job.total = max(job.total, job.done + len(rooms))
            job.note = f"worker {worker.id} has {len(rooms)} rooms"
            if not rooms:
                return
            await self.move_all(((room, None) for room in rooms), _counted_by(job))
            now = self._reactor.seconds()
            if job.done > had:
                began, had = now, job.done
            elif now - began > PATIENCE_SECONDS:
                worker.undrain()
                self._placement.add(worker.id)
                raise Failed(f"worker {worker.id} keeps {len(rooms)} rooms: they do not move")
            else:
                await deferLater(self._reactor, _PAUSE_SECONDS)

    def _rooms_to_move(self, worker: Worker) -> list[RoomCode]:
        """Return a worker's rooms; those to which nobody is connected may open anywhere."""
        rooms = []
        for room in self._placement.rooms_of(worker.id):
            if self._connections.of_room(room) or room in self._moves:
                rooms.append(room)
            else:
                self._placement.unpin(room, worker.id)
        return rooms

    async def move_all(
        self,
        wanted: Iterable[tuple[RoomCode, WorkerId | None]],
        moved: Callable[[RoomCode], None],
    ) -> None:
        """Move rooms, each to a worker or (None) to where it would be placed; a few at a time.

        Args:
            moved: Is told of each room that has moved.
        """
        await gatherResults(
            [self._slots.run(self._move_in_slot, room, target, moved) for room, target in wanted]
        )

    def _move_in_slot(
        self, room: RoomCode, to: WorkerId | None, moved: Callable[[RoomCode], None]
    ) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._move(room, to, moved))

    async def _move(
        self, room: RoomCode, to: WorkerId | None, moved: Callable[[RoomCode], None]
    ) -> str | None:
        """Move one room; returns why it did not, or None."""
        where = self._placement.where(room)
        source = None if where is None else self._pool.get(where)
        try:
            target = self._pool.get(self._placement.choose(room) if to is None else to)
        except NoWorker:
            return "there is no other worker"
        if room in self._moves:
            return "it is just moving"
        if source is None or source is target:
            return None  # it is gone, or there already
        if target not in self._pool.ready:  # since it was chosen; its number may be a spare's now
            return "that worker takes no rooms any more"
        outcome = await self._moves.begin(room, source, target)
        if outcome.reason is None:
            moved(room)
        return outcome.reason

    async def _replace(self, job: Job) -> None:
        began = self._reactor.seconds()
        replaced = 0
        held = (
            room for worker in self._pool.active for room in self._placement.rooms_of(worker.id)
        )
        job.total = sum(bool(self._connections.of_room(room)) for room in held)
        while old := next((w for w in self._pool.active if w.born < began), None):
            left = sum(worker.born < began for worker in self._pool.active)
            job.note = f"worker {old.id}: its successor starts; {replaced} of {replaced + left}"
            fresh = await self._pool.start_fresh()
            if fresh is None:
                raise Failed("a new worker did not get ready; the old ones go on")
            self._pool.activate(fresh)
            await self._empty(old, job)
            await old.stop(self._stop_seconds)
            replaced += 1
        self._pool.retire_spares()
        job.note = "a fresh gate starts"
        if not await self._gates.replace():
            raise Failed("a new gate did not get ready; the old one goes on")
        job.note = f"{replaced} workers replaced"

    async def _scale(self, count: int, job: Job) -> None:
        if count != self._pool.target:
            direction = "up" if count > self._pool.target else "down"
            self._metrics.scaling_events.labels(direction).inc()
        if count >= self._pool.target:
            await self._grow(count, job)
        while len(self._pool.ready) > count:
            await self._take_away(self._cheapest(), job)
        self._pool.target = count
        job.note = f"{count} workers"

    def _cheapest(self) -> Worker:
        """Return the worker whose end costs the players least."""
        chosen = cheapest(
            WorkerReading(
                id=worker.id,
                connections=len(self._connections.of_worker(worker.id)),
                rooms=self._placement.load(worker.id),
            )
            for worker in self._pool.ready
        )
        return self._pool[WorkerId(chosen)]

    async def _grow(self, count: int, job: Job) -> None:
        self._pool.target = count
        self._pool.mind()
        until = self._reactor.seconds() + START_SECONDS
        while (ready := len(self._pool.ready)) < count:
            job.total, job.done, job.note = count, ready, "workers start"
            if self._reactor.seconds() > until:
                raise Failed(f"only {ready} workers are ready")
            await deferLater(self._reactor, _PAUSE_SECONDS)
        job.done = job.total

    async def _rebalance(self, job: Job) -> None:
        surplus = self._placement.surplus()
        job.total = len(surplus)
        await self.move_all(surplus, _counted_by(job))
        job.note = f"{job.done} rooms moved"
        if job.done < job.total:
            raise Failed(f"{job.total - job.done} rooms did not move")

    async def _move_one(self, room: RoomCode, target: Worker, job: Job) -> None:
        job.total = 1
        if self._placement.where(room) == target.id:
            job.done, job.note = 1, "it is there already"
            return
        why = await self._move(room, target.id, _counted_by(job))
        if why is not None:
            raise Failed(f"it stays where it is: {why}")


def _counted_by(job: Job) -> Callable[[RoomCode], None]:
    """Count the rooms that have moved as steps of a job."""

    def moved(room: RoomCode) -> None:
        job.done += 1

    return moved
