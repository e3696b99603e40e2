"""How an instance is: what `GET /api/status` says."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, Literal

from msgspec import Struct

from hokm.fleet import State
from hokm.jobs import JobStatus
from hokm.scaling import Standing

# Of what runs here: what is installed may be another one already.
VERSION: Final = version("hokm")


class WorkerStatus(Struct, frozen=True):
    """One worker.

    Attributes:
        pid: None while it has no process.
        cpu: Part of one core, 0 to 1; 0 where it is not known yet.
        memory: Bytes, page cache not counted; 0 where they are not known yet.
        loop_lag_ms: 99th percentile of the last 30 s.
        recent_lag_ms: The same of the last 3 s; 0 where it is not known.
        players: Seats whose player is connected.
        games: Matches being played.
    """

    id: int
    pid: int | None
    state: Literal["starting", "ready", "draining", "stopping", "dead"]
    rooms: int
    connections: int
    cpu: float
    memory: int
    loop_lag_ms: float
    recent_lag_ms: float = 0.0
    players: int = 0
    games: int = 0


class Trend(Struct, frozen=True):
    """What a worker did lately, the newest last; the fields are those of `WorkerStatus`."""

    cpu: tuple[float, ...]
    memory: tuple[int, ...]
    loop_lag_ms: tuple[float, ...]
    connections: tuple[int, ...]


class TrendsStatus(Struct, frozen=True):
    """What `GET /api/trends` says.

    Attributes:
        every_s: Seconds between two values.
        workers: By number.
    """

    every_s: float
    workers: dict[int, Trend]


class RoomStatus(Struct, frozen=True):
    """A room that is on a worker.

    Attributes:
        connections: Open ones, spectators included.
        moving: Whether it is on its way to another worker.
    """

    code: str
    worker: int
    connections: int
    moving: bool


class RoomsStatus(Struct, frozen=True):
    """What `GET /api/rooms` says.

    Attributes:
        rooms: Those that were asked for, by code; the first, if there are many.
        total: How many there are of them.
    """

    rooms: tuple[RoomStatus, ...]
    total: int


class DecisionStatus(Struct, frozen=True):
    """A decision that changed something.

    Attributes:
        at: Time, UTC, as ISO 8601 has it.
        before: How many workers there were to be.
        target: How many from then on.
        overloaded, more_instances, reasons: See `hokm.scaling.Decision`.
    """

    at: str
    before: int
    target: int
    overloaded: bool
    more_instances: bool
    reasons: tuple[str, ...]


class ScalingStatus(Struct, frozen=True):
    """How many workers there should be, why, and what changed last.

    Attributes:
        last: The last change of the number, in words.
        min_workers, max_workers: Bounds, an operator's wish taken in.
        wanted: How many the rules ask for, bounds left aside.
        overloaded: New rooms are refused.
        more_instances: Another instance is wanted.
        rules: How near each rule is to firing.
        decisions: The latest that changed something, the newest last.
        measured: The rules' metrics at the last look; None for what is not known.
    """

    target: int
    reasons: tuple[str, ...] = ()
    last: str | None = None
    min_workers: int = 1
    max_workers: int = 1
    wanted: int = 0
    overloaded: bool = False
    more_instances: bool = False
    rules: tuple[Standing, ...] = ()
    decisions: tuple[DecisionStatus, ...] = ()
    measured: dict[str, float | None] = {}


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
        latest_ms: How long the rooms that moved last stood still, the newest last.
        moving: Rooms on the move now.
    """

    moves: int
    aborts: dict[str, int]
    pause_ms: Pauses
    recovered: int
    adopted: int
    recovery_ms: Pauses
    distrusted: int
    latest_ms: tuple[float, ...] = ()
    moving: int = 0


class InstanceStatus(Struct, frozen=True):
    """This server as one of a fleet's.

    Attributes:
        id: Its name; the host's where there is no fleet.
        state: `leaving` takes no new rooms.
        lease_s: Length of its lease; None where there is no fleet.
        lease_age_s: Seconds since the lease was renewed.
        has_lease: Whether it may answer; tables pause otherwise.
        relays: Connections that were relayed to other instances.
    """

    id: str
    host: str
    state: State = "active"
    lease_s: float | None = None
    lease_age_s: float | None = None
    has_lease: bool = True
    relays: int = 0


class MemberStatus(Struct, frozen=True):
    """An instance as the others see it; see `hokm.fleet.Member`."""

    id: str
    address: str
    version: str
    state: State
    workers: int
    rooms: int
    connections: int
    started: str


class Status(Struct, frozen=True):
    """The whole instance.

    Attributes:
        fleet: The instances that share the store and live, this one included; their figures are
            those of their last renewal. Empty where there is no fleet.
        unhealthy: Why players cannot be served now; nothing when they can.
        players, games: Sums of the workers'.
        spares: Worker processes that wait, with everything imported, for another one's end.
        jobs: Operators' wishes, the latest last.
    """

    instance: InstanceStatus
    fleet: tuple[MemberStatus, ...]
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
    unhealthy: tuple[str, ...] = ()
    players: int = 0
    games: int = 0
