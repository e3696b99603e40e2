"""Which worker owns which room: pins for rooms that live, a hash for those that do not yet.

Where a room *is* stands in the pins; where an unplaced room *goes* says rendezvous hashing with
bounded loads (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016).
The invariant: no change of the workers moves a live room; only its own worker's end does. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from hashlib import blake2b
from typing import Final, NewType

WorkerId = NewType("WorkerId", int)
RoomCode = NewType("RoomCode", str)

BOUND: Final = Fraction(
    11, 10
)  # of the mean; tighter bounds send more rooms to their second choice


class NoWorker(Exception):
    """No worker takes rooms now. The caller lets the player wait a moment, or come again."""


def weight(room: RoomCode, worker: WorkerId) -> int:
    """Say how much *room* wants to be on *worker*; the same in every process and release."""
    return int.from_bytes(blake2b(f"{room}/{worker}".encode(), digest_size=8).digest(), "big")


class Placement:
    """The workers, and the rooms pinned to each."""

    def __init__(self) -> None:
        self._rooms: dict[WorkerId, set[RoomCode]] = {}
        self._draining: set[WorkerId] = set()
        self._spared: frozenset[WorkerId] = frozenset()
        self._pins: dict[RoomCode, WorkerId] = {}

    def add(self, worker: WorkerId) -> None:
        """Let *worker* take rooms from now on; those of the others stay there."""
        self._rooms.setdefault(worker, set())
        self._draining.discard(worker)

    def draining(self, worker: WorkerId) -> None:
        """Give *worker* no new rooms; those that it has stay. An unknown worker is passed over."""
        if worker in self._rooms:
            self._draining.add(worker)

    def spare(self, workers: Iterable[WorkerId]) -> None:
        """Give *workers*, and no others, no new rooms while there are any others that take them."""
        self._spared = frozenset(workers)

    def remove(self, worker: WorkerId) -> set[RoomCode]:
        """Forget *worker*.

        Returns:
            The rooms that it had, unplaced now; none for an unknown worker.
        """
        self._draining.discard(worker)
        orphaned = self._rooms.pop(worker, set())
        for room in orphaned:
            del self._pins[room]
        return orphaned

    def pin(self, room: RoomCode, worker: WorkerId) -> None:
        """Note that *room* lives on *worker* now: it was moved there, or found there."""
        before = self._pins.get(room)
        if before is not None:
            self._rooms[before].discard(room)
        self._rooms[worker].add(room)
        self._pins[room] = worker

    def where(self, room: RoomCode) -> WorkerId | None:
        """Return the worker that *room* is pinned to; None when it is not."""
        return self._pins.get(room)

    def rooms_of(self, worker: WorkerId) -> list[RoomCode]:
        """Return the rooms pinned to *worker*, in a stable order; none for an unknown worker."""
        return sorted(self._rooms.get(worker, ()))

    def worker_for(self, room: RoomCode) -> WorkerId:
        """Say which worker owns *room*; an unplaced room is placed and pinned.

        Raises:
            NoWorker: See there.
        """
        pinned = self._pins.get(room)
        if pinned is not None:
            return pinned
        chosen = self.choose(room)
        self.pin(room, chosen)
        return chosen

    def choose(self, room: RoomCode) -> WorkerId:
        """Say where *room* would go if it were unplaced; nothing is pinned.

        Raises:
            NoWorker: See there.
        """
        loads = self._loads()
        if not loads:
            raise NoWorker
        cap = math.ceil(BOUND * (sum(loads.values()) + 1) / len(loads))
        # Never empty: were all at the cap, there would be more rooms than there are.
        free = [worker for worker, load in loads.items() if load < cap]
        # Who is spared counts in the mean all the same: the others take some more meanwhile.
        rested = [w for w in free if w not in self._spared] or loads.keys() - self._spared or free
        return max(rested, key=lambda worker: weight(room, worker))

    def surplus(self) -> list[tuple[RoomCode, WorkerId]]:
        """Say which rooms should move where, so that no worker has more than one above another.

        The fullest give to the emptiest, of their rooms those that want to go there most; no
        more rooms move than must.
        """
        loads = self._loads()
        rooms = {worker: self.rooms_of(worker) for worker in loads}
        moves: list[tuple[RoomCode, WorkerId]] = []
        while loads:
            fullest = max(loads, key=lambda worker: (loads[worker], worker))
            emptiest = min(loads, key=lambda worker: (loads[worker], worker))
            if loads[fullest] - loads[emptiest] <= 1:
                break
            room = max(rooms[fullest], key=lambda room: weight(room, emptiest))
            rooms[fullest].remove(room)
            moves.append((room, emptiest))
            loads[fullest] -= 1
            loads[emptiest] += 1
        return moves

    def _loads(self) -> dict[WorkerId, int]:
        """Count the rooms of each worker that takes rooms."""
        return {w: len(held) for w, held in self._rooms.items() if w not in self._draining}

    def unpin(self, room: RoomCode, worker: WorkerId) -> None:
        """Hear that *worker* holds *room* no more; nothing if the room is pinned elsewhere."""
        if self._pins.get(room) == worker:
            del self._pins[room]
            self._rooms[worker].discard(room)

    def load(self, worker: WorkerId) -> int:
        """Return how many rooms are pinned to *worker*; 0 for an unknown one."""
        return len(self._rooms.get(worker, ()))

    @property
    def rooms(self) -> int:
        """How many rooms are pinned."""
        return len(self._pins)
