"""What was counted of moves and recoveries: for the metrics, and for the status in short."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from hokm.control.messages import REASONS
from hokm.control.stream import Trust
from hokm.metrics import Metrics
from hokm.supervisor.status import HandoffStatus, Pauses

KEPT: Final = 2000  # pauses; the percentiles in the status are of the latest
SHOWN: Final = 40  # of them one by one


class Tally:
    """Counts moves and recoveries."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._moves = self._adopted = self._recovered = 0
        self._aborts: Counter[str] = Counter()
        self._distrusted: Counter[str] = Counter()
        self._pauses: deque[float] = deque(maxlen=KEPT)
        self._recoveries: deque[float] = deque(maxlen=KEPT)
        for reason in REASONS:  # from 0 on: Prometheus sees no increase up to a first sample
            metrics.move_aborts.labels(reason)
        for trust in (Trust.HALF_READ, Trust.CUT):
            metrics.distrusted_streams.labels(_label(trust))

    def moved(self, pause_s: float) -> None:
        """Count a room that moved and goes on."""
        self._moves += 1
        self._pauses.append(pause_s)
        self._metrics.moves.inc()

    def not_moved(self, reason: str) -> None:
        """Count a move that was aborted."""
        self._aborts[reason] += 1
        self._metrics.move_aborts.labels(reason).inc()

    def recovered(self, connections: int, pause_s: float) -> None:
        """Count a room that goes on after a crash, and its connections."""
        self._recovered += 1
        self._adopted += connections
        self._recoveries.append(pause_s)
        self._metrics.adopted_connections.inc(connections)
        self._metrics.recovery_pause.observe(pause_s)

    def distrusted(self, trust: Trust) -> None:
        """Count a connection that had to be closed after a crash."""
        self._distrusted[trust.value] += 1
        self._metrics.distrusted_streams.labels(_label(trust)).inc()

    def status(self, moving: int) -> HandoffStatus:
        """Say how it went so far, and that *moving* rooms are on the move."""
        return HandoffStatus(
            moves=self._moves,
            aborts=dict(self._aborts),
            pause_ms=_pauses(self._pauses),
            recovered=self._recovered,
            adopted=self._adopted,
            recovery_ms=_pauses(self._recoveries),
            distrusted=self._distrusted.total(),
            latest_ms=tuple(round(1000 * pause, 1) for pause in list(self._pauses)[-SHOWN:]),
            moving=moving,
        )


def _label(trust: Trust) -> str:
    return trust.value.replace(" ", "_")


def _pauses(seconds: Sequence[float]) -> Pauses:
    ranked = sorted(seconds)
    if not ranked:
        return Pauses()
    p50, p99 = (ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.99))
    return Pauses(*(round(1000 * value, 1) for value in (p50, p99, ranked[-1])))
