"""The same `decide` on a made-up server and a fake clock: what would these rules do?

The server is a simple one: a room costs its worker CPU, lag grows as a worker nears its limit, new
rooms are placed as `hokm.supervisor.placement` does (no worker above 1.10 times the mean), hot
workers give rooms away by `choose_moves`, a worker that goes away gives all of its rooms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from hokm.scaling.decide import decide
from hokm.scaling.overload import Overload, judge
from hokm.scaling.relief import RoomCost, cheapest, choose_moves, loads_of
from hokm.scaling.rules import Scaling
from hokm.scaling.sample import History, Reading, WorkerReading, measure, remember, typical_lag
from hokm.scaling.traces import Chance, Trace

FLAP_S: Final = 1200.0
FLAP_LOAD: Final = 0.1
SPREAD: Final = 1.1  # no worker is given new rooms above so many times the mean
_STORM: Final = 3.0  # times the CPU
_ROOM_S: Final = 1800.0
_USABLE: Final = 0.8  # of all workers that there may be: a load beyond is no fault of the rules
_IDLE: Final = 0.01
_BASE_MEMORY: Final = 60_000_000
_ROOM_MEMORY: Final = 60_000


class World(Struct, frozen=True, kw_only=True):
    """What the server is like.

    Attributes:
        workers: At the beginning; None: as few as are allowed.
        cpu_per_player: Part of one core.
        cpu_noise: Standard deviation of measured CPU, as part of it.
        loss: Part of the samples that get lost.
        start_s: From a decision to a worker that takes rooms.
        moves_per_s: Rooms that can move.
        memory_limit: Bytes.
    """

    workers: int | None = None
    cpu_per_player: float = 0.002
    players_per_room: float = 4.0
    cpu_noise: float = 0.05
    loss: float = 0.01
    start_s: float = 5.0
    moves_per_s: float = 20.0
    memory_limit: int = 4_000_000_000


class Change(Struct, frozen=True):
    """A decision that changed the number of workers."""

    at: float
    before: int
    after: int
    reasons: tuple[str, ...]


class Flap(Struct, frozen=True):
    """A worker came and one went, or the other way round, though the load had hardly changed."""

    first: Change
    second: Change


class Report(Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        flaps: Pairs of opposite changes within 20 minutes while the load, noise left aside, stayed
            within 10 %.
        shortfall_s: Time during which some worker had more to do than it can, though the workers
            that are allowed could have done it all.
        moves: Rooms moved.
        worker_hours: What it cost.
        refused_s: Time during which new rooms were refused.
        wished_s: Time during which more instances were wanted.
    """

    trace: str
    changes: tuple[Change, ...]
    flaps: tuple[Flap, ...]
    shortfall_s: float
    moves: int
    most_workers: int
    worker_hours: float
    refused_s: float
    wished_s: float


@dataclass(slots=True)
class _Worker:
    id: int
    ready_at: float
    rooms: list[int] = field(default_factory=list)
    leaves: bool = False


class _Server:
    """The made-up server."""

    def __init__(self, scaling: Scaling, trace: Trace, world: World, chance: Chance) -> None:
        self.moves = 0
        self.target = world.workers or scaling.min_workers
        self._scaling = scaling
        self._trace = trace
        self._world = world
        self._chance = chance
        self._workers = [_Worker(n + 1, 0.0) for n in range(self.target)]
        self._created = self._next_room = 0
        self._now = 0.0
        self._each = self._cpu = 0.0  # players of a room, CPU of a player
        self._lagging: set[int] = set()  # they get no new rooms while others do better

    @property
    def workers(self) -> int:
        """How many there are, whatever they do."""
        return len(self._workers)

    def go_on(self, now: float) -> None:
        """Let the time pass until *now*."""
        passed, self._now = now - self._now, now
        self._come_and_go(passed)
        budget = int(self._world.moves_per_s * self._scaling.interval_s)
        self._empty(budget)
        self._workers = [w for w in self._workers if w.rooms or not w.leaves]
        held = sum(len(worker.rooms) for worker in self._workers)
        self._each = self._trace.players(now) / held if held else 0.0
        storm = _STORM if self._trace.is_in(self._trace.storm, now) else 1.0
        self._cpu = self._world.cpu_per_player * storm

    def scale(self, target: int) -> None:
        """Start workers, or let the cheapest ones go."""
        for _ in range(self.target, target):
            number = max((w.id for w in self._workers), default=0) + 1
            self._workers.append(_Worker(number, self._now + self._world.start_s))
        for _ in range(target, self.target):
            gone = cheapest(self._look(worker) for worker in self._ready())
            next(w for w in self._workers if w.id == gone).leaves = True
        self.target = target

    def read(self) -> Reading:
        """Look at everything, as the sampler does."""
        lost = self._chance.random() < self._world.loss
        if lost or self._trace.is_in(self._trace.blind, self._now):
            blind = tuple(WorkerReading(id=worker.id) for worker in self._ready())
            return Reading(at=self._now, target=self.target, workers=blind)
        return Reading(
            at=self._now,
            target=self.target,
            workers=tuple(self._look(worker) for worker in self._ready()),
            memory_limit=self._world.memory_limit,
            memory_used=sum(_memory(worker) for worker in self._workers),
            host_cpu=min(1.0, sum(map(self._demand, self._workers)) / self._scaling.max_workers),
            games_created=self._created,
            queue_length=0,
            game_minutes=_ROOM_S / 60,
        )

    def relieve(self, reading: Reading) -> None:
        """Move rooms off hot workers."""
        limit = reading.memory_limit
        known = loads_of(reading.workers, self._scaling, limit)
        self._lagging = {load.worker for load in known if load.lags}
        if not any(load.heat > 1 or load.lags for load in known):
            return
        by_id = {worker.id: worker for worker in self._workers}
        rooms = [RoomCost(str(r), w.id, 1.0) for w in self._ready() for r in w.rooms]
        moves = choose_moves(
            known,
            rooms,
            tolerance=self._scaling.tolerance,
            most=int(self._world.moves_per_s * self._scaling.interval_s),
            affinity=lambda room, worker: 0,
        )
        for move in moves:
            by_id[move.source].rooms.remove(int(move.room))
            by_id[move.target].rooms.append(int(move.room))
        self.moves += len(moves)

    def falls_short(self) -> bool:
        """Say whether some worker has more to do than it can, and needs not have."""
        demands = [self._demand(worker) for worker in self._workers]
        return max(demands) > 1 and sum(demands) <= _USABLE * self._scaling.max_workers

    def _ready(self) -> list[_Worker]:
        return [w for w in self._workers if w.ready_at <= self._now and not w.leaves]

    def _demand(self, worker: _Worker) -> float:
        """Return the CPU that a worker's rooms want, as part of a core."""
        return _IDLE + len(worker.rooms) * self._each * self._cpu

    def _look(self, worker: _Worker) -> WorkerReading:
        demand = self._demand(worker)
        first = min(w.id for w in self._workers)
        if worker.id == first and self._trace.is_in(self._trace.sick, self._now):
            demand += 1.0
        return WorkerReading(
            id=worker.id,
            cpu=min(1.0, demand * max(0.0, self._chance.gauss(1.0, self._world.cpu_noise))),
            memory=_memory(worker),
            connections=round(len(worker.rooms) * self._each),
            rooms=len(worker.rooms),
            loop_lag_ms=_lag_ms(demand),
        )

    def _come_and_go(self, passed: float) -> None:
        """Let rooms end and begin, so that there are as many as the players need."""
        held = sum(len(worker.rooms) for worker in self._workers)
        wanted = round(self._trace.calm(self._now) / self._world.players_per_room)
        ends = min(held, max(_poisson(held * passed / _ROOM_S, self._chance), held - wanted))
        for _ in range(ends):
            self._end_one(held)
            held -= 1
        ready = self._ready()
        healthy = [worker for worker in ready if worker.id not in self._lagging]
        for _ in range(max(0, wanted - held) if ready else 0):
            cap = math.ceil(SPREAD * (held + 1) / len(ready))
            free = [worker for worker in healthy if len(worker.rooms) < cap] or ready
            self._next_room += 1
            free[int(self._chance.random() * len(free))].rooms.append(self._next_room)
            self._created += 1
            held += 1

    def _end_one(self, held: int) -> None:
        at = int(self._chance.random() * held)
        for worker in self._workers:
            if at < len(worker.rooms):
                worker.rooms[at] = worker.rooms[-1]
                worker.rooms.pop()
                return
            at -= len(worker.rooms)

    def _empty(self, budget: int) -> None:
        """Move the rooms of workers that leave to where new rooms would go."""
        ready = self._ready()
        for worker in self._workers:
            while worker.leaves and worker.rooms and ready and budget:
                min(ready, key=lambda w: len(w.rooms)).rooms.append(worker.rooms.pop())
                self.moves += 1
                budget -= 1


def _memory(worker: _Worker) -> int:
    return _BASE_MEMORY + _ROOM_MEMORY * len(worker.rooms)


def _lag_ms(demand: float) -> float:
    """Return the lag of a worker: 70 ms near 95 %, as measured elsewhere (Node's toobusy)."""
    return 400.0 if demand >= 0.99 else 4 * demand / (1 - demand)


def _poisson(mean: float, chance: Chance) -> int:
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def simulate(scaling: Scaling, trace: Trace, world: World, chance: Chance) -> Report:
    """Let *trace* happen to a server that `decide` scales."""
    server = _Server(scaling, trace, world, chance)
    history: History = ()
    changes: list[Change] = []
    step, horizon = scaling.interval_s, scaling.horizon_s()
    short = refused = wished = hours = 0.0
    overload = Overload()
    most = 0
    for n in range(int(trace.seconds / step) + 1):
        now = n * step
        server.go_on(now)
        reading = server.read()
        history = remember(history, measure(reading, history, scaling), horizon)
        decision = decide(scaling, history, now)
        if decision.target != server.target:
            changes.append(Change(now, server.target, decision.target, decision.reasons))
            server.scale(decision.target)
        server.relieve(reading)
        short += step * server.falls_short()
        overload = judge(
            overload,
            typical_lag(reading.workers),
            scaling.overload_lag_ms,
            at_most=server.target >= scaling.max_workers,
            now=now,
        )
        refused += step * overload.refuses
        wished += step * decision.more_instances
        hours += step * server.workers / 3600
        most = max(most, server.workers)
    return Report(
        trace=trace.name,
        changes=tuple(changes),
        flaps=tuple(flaps(changes, trace, step)),
        shortfall_s=short,
        moves=server.moves,
        most_workers=most,
        worker_hours=round(hours, 2),
        refused_s=refused,
        wished_s=wished,
    )


def flaps(changes: Sequence[Change], trace: Trace, step: float) -> list[Flap]:
    """Find changes that undo each other within 20 minutes while the load hardly changed."""
    found = []
    for n, first in enumerate(changes):
        for second in changes[n + 1 :]:
            if second.at - first.at > FLAP_S:
                break
            opposite = (first.after > first.before) != (second.after > second.before)
            if opposite and _hardly_changed(trace, first.at, second.at, step):
                found.append(Flap(first, second))
    return found


def _hardly_changed(trace: Trace, begin: float, end: float, step: float) -> bool:
    spans = [*trace.sick, *trace.storm]
    if any(begin <= edge <= end for span in spans for edge in span):
        return False  # that is a change of load, too
    at_first = trace.calm(begin)
    times = [begin + n * step for n in range(int((end - begin) / step) + 1)]
    return all(abs(trace.calm(now) - at_first) <= FLAP_LOAD * at_first for now in times)
