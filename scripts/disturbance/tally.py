"""What all clients of a run count together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

NO_CLOSE_FRAME: Final = 1006  # RFC 6455, 7.1.5: how the end of a connection without one is named


class Tally:
    """Counts of one run.

    Attributes:
        plays: That were acknowledged.
        closed: Closes by code that should not have been.
        excused: Closes by code of those whose half-read message died with its worker.
        refused_connections: Tries to connect that failed.
        resent: Commands that were sent again.
        calm: Seconds that commands waited for their answer while nothing was disturbed.
        disturbed: Seconds that those waited which were under way during a fault.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make an empty tally.

        Args:
            clock: Returns monotonic seconds.
        """
        self.clock = clock
        self.plays = 0
        self.closed: Counter[int] = Counter()
        self.excused: Counter[int] = Counter()
        self.refused_connections = 0
        self.resent = 0
        self.calm: list[float] = []
        self.disturbed: list[float] = []
        self._faults = 0  # under way
        self._last_fault = float("-inf")  # when the last one was over

    def fault_begins(self) -> None:
        """Note that a fault strikes."""
        self._faults += 1

    def fault_ends(self) -> None:
        """Note that the server has got over a fault."""
        self._faults -= 1
        self._last_fault = self.clock()

    def waited(self, since: float) -> None:
        """Note an answer to a command that was sent at *since*."""
        disturbed = self._faults > 0 or self._last_fault >= since
        (self.disturbed if disturbed else self.calm).append(self.clock() - since)

    def close(self, code: int | None, *, excused: bool) -> None:
        """Note that a connection was closed from the other side."""
        (self.excused if excused else self.closed)[NO_CLOSE_FRAME if code is None else code] += 1


def percentiles(waits: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99 and max of *waits* in milliseconds; nothing of nothing."""
    if not waits:
        return {}
    ordered = sorted(waits)
    parts = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    last = len(ordered) - 1
    return {name: round(1000 * ordered[int(part * last)], 1) for name, part in parts.items()}
