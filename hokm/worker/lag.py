"""Event-loop lag: how late a timer runs, which is how long a message may wait to be seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from twisted.internet.interfaces import IReactorTime

INTERVAL_SECONDS: Final = 0.1
WINDOW: Final = 300  # measurements, 30 s: what the scaling rule on lag looks back on
RECENT: Final = 30  # measurements, 3 s: what moves of rooms and overload go by


class LoopLag:
    """Measures how late the reactor's timers run."""

    def __init__(self, *, clock: IReactorTime, observe: Callable[[float], None]) -> None:
        """Make a gauge that does not measure yet.

        Args:
            observe: Is given each measurement, in seconds.
        """
        self._clock = clock
        self._observe = observe
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def start(self) -> None:
        """Begin to measure, for as long as the process lives."""
        self._measure_after(self._clock.seconds() + INTERVAL_SECONDS)

    def p99_ms(self, last: int = WINDOW) -> float:
        """Return the 99th percentile of the *last* measurements in milliseconds; 0 without any."""
        ranked = sorted(islice(reversed(self._recent), last))
        return 1000 * ranked[int(0.99 * (len(ranked) - 1))] if ranked else 0.0

    def _measure_after(self, due: float) -> None:
        wait = max(0.0, due - self._clock.seconds())
        self._clock.callLater(wait, self._measure, due)

    def _measure(self, due: float) -> None:
        now = self._clock.seconds()
        lag = max(0.0, now - due)
        self._recent.append(lag)
        self._observe(lag)
        self._measure_after(now + INTERVAL_SECONDS)
