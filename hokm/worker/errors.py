"""How many of the last minute's messages this worker failed to serve."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW: Final = 60  # turns; one a second


class ErrorRate:
    """Counts messages and failures of ours; a refused command is no failure.

    Attributes:
        messages: Since the last turn.
        failures: Since the last turn.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.failures = 0
        self._past: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def turn(self) -> float:
        """End a second; returns the failed part of all messages in the window, 0 to 1."""
        self._past.append((self.messages, self.failures))
        self.messages = self.failures = 0
        messages = sum(count for count, _ in self._past)
        failures = sum(count for _, count in self._past)
        return min(1.0, failures / messages) if messages else 0.0
