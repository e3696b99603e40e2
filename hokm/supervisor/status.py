"""How an instance is: what `GET /api/status` says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


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


class Status(Struct, frozen=True):
    """The whole instance."""

    instance: str
    version: str
    uptime_s: float
    workers: tuple[WorkerStatus, ...]
    rooms: int
    connections: int
    scaling: ScalingStatus
    store: StoreStatus
