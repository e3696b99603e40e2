"""How an instance is: what `GET /api/status` says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hokm.jobs import JobStatus


class WorkerStatus(Struct, frozen=True):
    """One worker.

    Attributes:
        pid: None while it has no process.
        cpu: Part of one core, 0 to 1.
        memory: Resident bytes.
        loop_lag_ms: 99th percentile of the last 30 s.
    """

    id: int
    pid: int | None
    state: Literal["starting", "ready", "draining", "stopping", "dead"]
    rooms: int
    connections: int
    cpu: float
    memory: int
    loop_lag_ms: float


class ScalingStatus(Struct, frozen=True):
    """How many workers there should be, why, and what changed last."""

    target: int
    reasons: tuple[str, ...] = ()
    last: str | None = None


class StoreStatus(Struct, frozen=True):
    """The store; its address without the password."""

    up: bool
    kind: Literal["embedded", "shared"]
    address: str


class Pauses(Struct, frozen=True):
    """How long rooms stood still, in milliseconds, of the latest 2,000; 0 where there was none."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class HandoffStatus(Struct, frozen=True):
    """What became of moves and crashes.

    Attributes:
        moves: Rooms moved between living workers.
        aborts: By reason, moves that left the room where it was.
        recovered: Rooms that went on after their worker's death.
        adopted: Their connections.
        distrusted: Connections that had to be closed, since a frame was cut by the crash.
    """

    moves: int
    aborts: dict[str, int]
    pause_ms: Pauses
    recovered: int
    adopted: int
    recovery_ms: Pauses
    distrusted: int


class Status(Struct, frozen=True):
    """The whole instance.

    Attributes:
        spares: Worker processes that wait, with everything imported, for another one's end.
        jobs: Operators' wishes, the latest last.
    """

    instance: str
    version: str
    uptime_s: float
    workers: tuple[WorkerStatus, ...]
    rooms: int
    connections: int
    scaling: ScalingStatus
    store: StoreStatus
    spares: int
    handoff: HandoffStatus
    jobs: tuple[JobStatus, ...]
