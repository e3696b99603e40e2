"""Which rooms move from hot workers to cool ones, and which worker is the cheapest to empty.

A worker's *heat* is its load as part of what the rules allow a worker: from 1 on a rule on the mean
would fire, were all like it. Rooms move only off hot workers, and no further than to what all
can reach, so that a level load moves nothing. Deterministic; workers and rooms are named as in
`hokm.supervisor.placement`, whose pins follow the moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median_low
from typing import Final

from msgspec import Struct

from hokm.scaling.projection import additions
from hokm.scaling.rules import Scaling
from hokm.scaling.sample import WorkerReading

_FAR_MORE: Final = 2.0  # times as much
_ROUNDING: Final = 1e-9
_NEXT_TO_NOTHING: Final = 0.1  # of what a room of the worker costs on average
SILENT: Final = 0.05  # messages per second of a connection on which nothing happens: pings


class Load(Struct, frozen=True):
    """How loaded a worker is that takes rooms.

    Attributes:
        heat: Its load as part of what the rules allow one worker; 1 at least where it lags: it has
            too much to do, whether that is seen in its CPU or not.
        lags: Whether its event loop lags more than the rules allow, and far more than another's:
            what makes all lag is the machine, or too much for all.
        by: The metric that heats it.
    """

    worker: int
    heat: float
    lags: bool = False
    by: str = ""


class RoomCost(Struct, frozen=True):
    """A room.

    Attributes:
        fixed: Whether it stays where it is: it moves, or has moved within half a minute.
        cost: What it costs its worker, in any unit that is the same for all rooms: messages per
            second (`messages`) or connections.
    """

    room: str
    worker: int
    cost: float
    fixed: bool = False


class RoomMove(Struct, frozen=True):
    """A room that shall move."""

    room: str
    source: int
    target: int


def loads_of(
    workers: Sequence[WorkerReading], scaling: Scaling, memory_limit: int | None
) -> list[Load]:
    """Return how loaded the workers are of which anything is known.

    Args:
        memory_limit: Bytes that machine or cgroup have; None when not known.
    """
    limits = [rule.threshold for rule in additions(scaling) if rule.metric == "loop_lag_ms"]
    lags = [worker.loop_lag_ms for worker in workers if worker.loop_lag_ms is not None]
    least = min(lags) if len(lags) > 1 else 0.0
    limit = max(min(limits, default=math.inf), _FAR_MORE * least)
    found = (_load_of(worker, scaling, memory_limit, limit) for worker in workers)
    return [load for load in found if load is not None]


def _load_of(
    worker: WorkerReading, scaling: Scaling, memory_limit: int | None, lag_limit_ms: float
) -> Load | None:
    share = None if memory_limit is None else memory_limit / scaling.max_workers
    parts: dict[str, float | None] = {
        "cpu": None if worker.cpu is None else 100 * worker.cpu,
        "memory": None if worker.memory is None or share is None else 100 * worker.memory / share,
        "connections_per_worker": worker.connections,
        "rooms_per_worker": worker.rooms,
    }
    known = [
        (value / rule.threshold, rule.metric)
        for rule in additions(scaling, "shared")
        if (value := parts.get(rule.metric)) is not None and rule.threshold > 0
    ]
    if not known:
        return None
    heat, by = max(known)
    lags = (worker.loop_lag_ms or 0.0) > lag_limit_ms
    return Load(worker.id, max(heat, 1.0) if lags else heat, lags, by)


def messages(
    connections: Mapping[str, int], busiest: Mapping[str, float], records_s: float
) -> dict[str, float]:
    """Return how many messages per second each room of a worker makes.

    A record comes of one message, and makes one to each connection. The rooms that are not told of
    share what is left of the records; one without connections costs nothing.

    Args:
        connections: Of each room.
        busiest: Records per second of the rooms that make most.
        records_s: Of all rooms together.
    """
    others = sum(room not in busiest for room in connections)
    each = max(0.0, records_s - sum(busiest.values())) / max(1, others)
    return {
        room: count and busiest.get(room, each) * (1 + count) + SILENT * count
        for room, count in connections.items()
    }


def choose_moves(
    loads: Sequence[Load],
    rooms: Iterable[RoomCost],
    *,
    tolerance: float,
    most: int,
    affinity: Callable[[str, int], int],
) -> tuple[RoomMove, ...]:
    """Say which rooms move where now; to be asked again with fresh loads once they have moved.

    A hot worker, and one that lags, gives rooms if it is above the mean of what rooms heat by more
    than the tolerance: the costliest first, until it is at `1 - 2 tolerance` or at the mean with
    the tolerance; one that lags, until it is at the mean. Rooms that cost next to nothing stay, but
    where it is not the rooms that make the worker hot. They go to the coolest worker that does
    not lag, if that one stays cooler than the giver, and does not get hot, or hotter than others
    are. The hottest worker gives first.

    Args:
        loads: The workers that take rooms.
        rooms: All of theirs.
        tolerance: See `Scaling`.
        most: Rooms at once.
        affinity: How much a room wants to be on a worker (`placement.weight`): among equals, the
            one that wants most goes.
    """
    heat = {load.worker: load.heat for load in loads}
    held: dict[int, list[RoomCost]] = {worker: [] for worker in heat}
    for room in rooms:
        if room.cost > 0 and room.worker in held:
            held[room.worker].append(room)
    units = _heat_per_cost(heat, held)
    by_rooms = [units[w] * sum(r.cost for r in held[w]) if w in units else heat[w] for w in heat]
    mean = sum(by_rooms) / max(1, len(by_rooms))
    level = max(1 - 2 * tolerance, mean * (1 + tolerance))
    least = _least_costs(heat, held, units)
    takers = [load.worker for load in loads if not load.lags and load.heat <= level]
    if not takers:
        return ()
    moves: list[RoomMove] = []
    for giver in sorted(loads, key=lambda load: (-load.heat, load.worker)):
        if giver.heat <= mean * (1 + tolerance) or (giver.heat <= 1 and not giver.lags):
            continue
        goal, limit = (mean, max(level, 1.0)) if giver.lags else (level, level)
        coolest = min(takers, key=lambda worker: (heat[worker], worker))
        cost = least.get(giver.worker, 0.0)
        own = [room for room in held[giver.worker] if room.cost >= cost and not room.fixed]
        own.sort(key=lambda room: (-room.cost, -affinity(room.room, coolest), room.room))
        for room in own:
            if heat[giver.worker] <= goal or len(moves) == most:
                break
            taker = min(takers, key=lambda worker: (heat[worker], worker))
            less = heat[giver.worker] - units[giver.worker] * room.cost
            more = heat[taker] + units[giver.worker] * room.cost
            if more <= min(less, limit) + _ROUNDING:
                moves.append(RoomMove(room.room, giver.worker, taker))
                heat[giver.worker], heat[taker] = less, more
    return tuple(moves)


def _heat_per_cost(heat: dict[int, float], held: dict[int, list[RoomCost]]) -> dict[int, float]:
    """Return what a unit of its rooms' cost heats each worker.

    Where that is far more than elsewhere it is not the rooms that heat the worker, and what they
    will heat another is what rooms heat it there.
    """
    costs = {worker: sum(room.cost for room in rooms) for worker, rooms in held.items()}
    units = {worker: heat[worker] / cost for worker, cost in costs.items() if cost}
    usual = median_low(units.values()) if units else 0.0
    return {w: unit if unit <= _FAR_MORE * usual else usual for w, unit in units.items()}


def _least_costs(
    heat: dict[int, float], held: dict[int, list[RoomCost]], units: dict[int, float]
) -> dict[int, float]:
    """Return what a room of each worker must cost for its move to change anything.

    Nothing where it is not the rooms that heat the worker: then all suffer.
    """
    costs = {worker: sum(room.cost for room in rooms) for worker, rooms in held.items()}
    return {
        worker: _NEXT_TO_NOTHING * cost / len(held[worker])
        for worker, cost in costs.items()
        if cost and units[worker] * cost > heat[worker] - _ROUNDING
    }


def cheapest(workers: Iterable[WorkerReading]) -> int:
    """Return the worker that is the cheapest to empty.

    That is the one with the fewest connections, since each stands still while its room moves; of
    equals the one with the fewest rooms, then the one with the most memory, which its end gives
    back, then the youngest number. One of whom that is not known comes last.

    Raises:
        ValueError: There is none.
    """
    unknown = float("inf")

    def cost(worker: WorkerReading) -> tuple[float, float, float, int]:
        connections = unknown if worker.connections is None else worker.connections
        rooms = unknown if worker.rooms is None else worker.rooms
        return (connections, rooms, -(worker.memory or 0), -worker.id)

    return min(workers, key=cost).id
