"""Rooms move off workers that have too much to do; those that lag are spared new ones.

Which rooms go where says `hokm.scaling.choose_moves`; here it is asked once a second, and what it
says is done the one way rooms move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.logger import Logger

from hokm.scaling import Load, RoomCost, RoomMove, Scaling, choose_moves, loads_of, messages
from hokm.supervisor.operations import Operations
from hokm.supervisor.placement import RoomCode, WorkerId, weight
from hokm.supervisor.pool import Pool
from hokm.supervisor.readings import RECENT_S, Readings
from hokm.supervisor.routing import Routing
from hokm.supervisor.worker import Worker
from hokm.tasks import run

_log = Logger()

MOST: Final = 20  # rooms a second
SETTLE_S: Final = RECENT_S + 1  # after rooms have moved, until it is seen what that has done
REST_S: Final = 30.0  # a room that has moved stays where it is for so long


class Relief:
    """Looks for hot workers, and moves rooms off them."""

    def __init__(
        self,
        *,
        clock: Any,
        scaling: Callable[[], Scaling],
        pool: Pool,
        routing: Routing,
        readings: Readings,
        operations: Operations,
    ) -> None:
        """Make one that has moved nothing.

        Args:
            scaling: Says what a worker may have, as of now.
        """
        self._scaling = scaling
        self._clock = clock
        self._pool = pool
        self._connections = routing.connections
        self._placement = routing.placement
        self._moves = routing.moves
        self._readings = readings
        self._operations = operations
        self._moved: dict[RoomCode, float] = {}
        self._moving = False
        self._ended = float("-inf")  # when the last ones had moved
        self._givers: frozenset[int] = frozenset()  # that the log has told of

    def look(self) -> None:
        """Spare those that lag, and begin to move what is too much; once a second."""
        scaling, limit = self._scaling(), self._readings.machine.memory
        loads = loads_of(self._readings.recent(), scaling, limit)
        self._placement.spare([WorkerId(load.worker) for load in loads if load.lags])
        hot = [load for load in loads if load.heat > 1 or load.lags]
        if not hot:
            self._givers = frozenset()
        elif len(loads) > 1 and not self._moving:
            # Connections are counted; what a worker does, and how it lags, is seen only later.
            work = _works(hot)
            if work and self._clock.seconds() - self._ended < SETTLE_S:
                return
            moves = choose_moves(
                loads,
                self._rooms(work),
                tolerance=scaling.tolerance,
                most=int(MOST * SETTLE_S) if work else MOST,
                affinity=lambda room, worker: weight(RoomCode(room), WorkerId(worker)),
            )
            if moves:
                self._tell(moves, loads)
                self._moving = True
                run(self._move(moves), "moving rooms off busy workers")

    def _rooms(self, work: bool) -> list[RoomCost]:
        """Return all rooms; those on the move, and those that have just moved, stay.

        Args:
            work: Whether they cost what they make their worker do; else as many as are connected.
        """
        since = self._clock.seconds() - REST_S
        self._moved = {room: at for room, at in self._moved.items() if at > since}
        workers = self._pool.ready
        work = work and all(w.stats is not None and w.stats.records_s is not None for w in workers)
        return [
            RoomCost(room, worker.id, cost, RoomCode(room) in self._moves or room in self._moved)
            for worker in workers
            for room, cost in self._costs(worker, work).items()
        ]

    def _costs(self, worker: Worker, work: bool) -> Mapping[str, float]:
        rooms = self._placement.rooms_of(worker.id)
        connections = {str(room): len(self._connections.of_room(room)) for room in rooms}
        stats = worker.stats
        if not work or stats is None or stats.records_s is None:
            return connections
        return messages(connections, stats.busiest, stats.records_s)

    async def _move(self, moves: Sequence[RoomMove]) -> None:
        def moved(room: RoomCode) -> None:
            self._moved[room] = self._clock.seconds()

        wanted = [(RoomCode(move.room), WorkerId(move.target)) for move in moves]
        try:
            await self._operations.move_all(wanted, moved)
        finally:
            self._moving = False
            self._ended = self._clock.seconds()

    def _tell(self, moves: Sequence[RoomMove], loads: Sequence[Load]) -> None:
        """Log which workers give rooms, where those are not the same as before."""
        givers = frozenset(move.source for move in moves)
        if givers <= self._givers:
            return
        self._givers |= givers
        for load in loads:
            if load.worker in givers:
                _log.info(
                    "worker {id} has too much to do, and gives rooms away: {heat:.0%} of what the"
                    " rules allow{lag}",
                    id=load.worker,
                    heat=load.heat,
                    lag=", and it lags" if load.lags else "",
                )


def _works(hot: Sequence[Load]) -> bool:
    """Say whether it is what rooms do that makes workers hot, and not that there are so many."""
    return any(load.lags for load in hot) or max(hot, key=lambda load: load.heat).by == "cpu"
