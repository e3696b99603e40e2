"""What each worker did in the last minutes: an operator sees at once whether it rises or falls."""

from __future__ import annotations

from collections import deque
from typing import Final

from hokm.supervisor.status import Trend, TrendsStatus, WorkerStatus

EVERY_S: Final = 1.0  # `add` is called as often
KEPT: Final = 120  # values of a worker: two minutes


class Trends:
    """Remembers how the workers were."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[WorkerStatus]] = {}

    def add(self, worker: WorkerStatus) -> None:
        """Note how a worker is now."""
        self._seen.setdefault(worker.id, deque(maxlen=KEPT)).append(worker)

    def forget(self, worker: int) -> None:
        """Hear that a worker is gone: the next one of its number begins anew."""
        self._seen.pop(worker, None)

    def status(self) -> TrendsStatus:
        """Say how all workers were."""
        return TrendsStatus(EVERY_S, {id: _trend(seen) for id, seen in self._seen.items()})


def _trend(seen: deque[WorkerStatus]) -> Trend:
    return Trend(
        cpu=tuple(worker.cpu for worker in seen),
        memory=tuple(worker.memory for worker in seen),
        loop_lag_ms=tuple(worker.loop_lag_ms for worker in seen),
        connections=tuple(worker.connections for worker in seen),
    )
