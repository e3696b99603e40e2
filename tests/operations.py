"""An instance with verbs but without workers: its jobs end when a test says so."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hokm.jobs import Failed, Job, Jobs, JobStatus, Refused
from hokm.scaling import Standing
from hokm.supervisor.status import (
    DecisionStatus,
    HandoffStatus,
    InstanceStatus,
    MemberStatus,
    Pauses,
    RoomsStatus,
    RoomStatus,
    ScalingStatus,
    Status,
    StoreStatus,
    Trend,
    TrendsStatus,
    WorkerStatus,
)

SCALING = ScalingStatus(
    target=2,
    reasons=("cpu above 70 %",),
    min_workers=1,
    max_workers=4,
    rules=(
        Standing(
            rule="hot",
            metric="cpu",
            value=84.2,
            threshold=70,
            direction="above",
            level=1.203,
            held_s=7,
            duration_s=120,
            cooling_s=0,
            state="holding",
        ),
        Standing(
            rule="idle",
            metric="cpu",
            value=None,
            threshold=20,
            direction="below",
            level=None,
            held_s=0,
            duration_s=600,
            cooling_s=31,
            state="cooling",
        ),
    ),
    decisions=(
        DecisionStatus("2026-01-02T03:04:05+00:00", 1, 2, False, False, ("hot: cpu 84 %",)),
        DecisionStatus("2026-01-02T03:05:05+00:00", 2, 2, True, False, ("overloaded",)),
    ),
    measured={"game_creation_rate": 4.25, "queue_length": 0.0, "host_cpu": None},
)


class FakeInstance:
    """What the operators' side asks for.

    Attributes:
        asked: Verbs with what they are about, as they came.
        refusal: What the next verbs are refused with.
        patience: How often a job is asked for before it is done; None: it does not end by itself.
        uptime_s: What the status says.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refusal: Refused | None = None
        self.patience: int | None = None
        self.uptime_s = 4000.0
        self._jobs = Jobs(clock)
        self._ends: dict[int, Deferred[None]] = {}

    def end(self, id: int, failure: str | None = None) -> None:
        """End a job, with a failure if one is given."""
        if failure is None:
            self._ends[id].callback(None)
        else:
            self._ends[id].errback(Failed(failure))

    # --- Operations -----------------------------------------------------------------------

    def drain(self, worker: int) -> Job:
        return self._begin("drain", worker)

    def replace(self) -> Job:
        return self._begin("replace")

    def rebalance(self) -> Job:
        return self._begin("rebalance")

    def scale(self, workers: int) -> Job:
        return self._begin("scale", workers)

    def move(self, room: str, worker: int) -> Job:
        return self._begin("move", room, worker)

    def upgrade(self) -> Job:
        return self._begin("upgrade")

    def leave(self) -> Job:
        return self._begin("leave")

    def job(self, id: int) -> Job | None:
        job = self._jobs.get(id)
        if job is not None and job.running and self.patience is not None:
            job.done += 1
            job.note = f"step {job.done}"
            if job.done >= self.patience:
                self.end(id)
        return job

    def jobs(self) -> list[JobStatus]:
        return self._jobs.all()

    def _begin(self, verb: str, *about: Any) -> Job:
        self.asked.append((verb, *about))
        if self.refusal is not None:
            raise self.refusal
        subject = " to ".join(map(str, about))
        return self._jobs.start(verb, subject, self._work, alone=verb != "move")

    async def _work(self, job: Job) -> None:
        job.total = 3
        self._ends[job.id] = Deferred()
        await self._ends[job.id]

    # --- Instance -------------------------------------------------------------------------

    def status(self) -> Status:
        ready = WorkerStatus(1, 4242, "ready", 12, 48, 0.23, 81 * 2**20, 0.4)
        dead = WorkerStatus(22, None, "dead", 0, 0, 0.0, 0, 0.0)
        return Status(
            instance=InstanceStatus("here", "host", "active", 10.0, 1.25, True, 3),
            fleet=(
                MemberStatus("here", "10.0.0.1:8765", "9.8.7", "active", 2, 12, 48, "2026-01-01"),
                MemberStatus("there", "10.0.0.2:8765", "9.8.6", "leaving", 4, 3, 10, "2026-01-02"),
            ),
            version="9.8.7",
            uptime_s=self.uptime_s,
            workers=(ready, dead),
            rooms=12,
            connections=48,
            scaling=SCALING,
            store=StoreStatus(up=True, kind="embedded", address="unix:/store"),
            spares=1,
            handoff=HandoffStatus(
                moves=7,
                aborts={"timeout": 2},
                pause_ms=Pauses(3.1, 12.0, 20.5),
                recovered=1,
                adopted=4,
                recovery_ms=Pauses(80.0, 80.0, 80.0),
                distrusted=0,
            ),
            jobs=tuple(self.jobs()),
            players=44,
            games=11,
        )

    def trends(self) -> TrendsStatus:
        return TrendsStatus(1.0, {1: Trend((0.1, 0.2), (1, 2), (0.4, 0.8), (40, 48))})

    def rooms(self, code: str, worker: int | None) -> RoomsStatus:
        self.asked.append(("rooms", code, worker))
        return RoomsStatus((RoomStatus("TABLE234", 1, 4, False),), 7)

    def unready(self) -> tuple[str, ...]:
        return ()

    def unhealthy(self) -> tuple[str, ...]:
        return ()

    def metrics_text(self) -> bytes:
        return b"metrics 1\n"
