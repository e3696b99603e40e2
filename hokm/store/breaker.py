"""A circuit breaker: while something does not answer, callers are refused at once."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 0.1  # a store that only restarted is back after 0.05 s
MOST_SECONDS: Final = 2.0


class Breaker:
    """Lets one caller try, after growing pauses, as long as tries fail.

    Pure: the time, in seconds of a clock that never goes back, is an argument.

    Attributes:
        open: Whether the last try failed.
    """

    def __init__(self) -> None:
        self.open = False
        self._pause = FIRST_SECONDS
        self._next = 0.0

    def admit(self, now: float) -> bool:
        """Say whether to try now; while open, who is admitted stands for all until he is done."""
        if not self.open:
            return True
        if now < self._next:
            return False
        self._next = now + self._pause
        return True

    def hope(self) -> None:
        """Hear that it may well answer again: the next caller may try."""
        self._next = 0.0

    def succeeded(self) -> None:
        """Hear of a try that was answered."""
        self.open = False
        self._pause = FIRST_SECONDS

    def failed(self, now: float) -> None:
        """Hear of a try that was not answered."""
        if self.open:
            self._pause = min(2 * self._pause, MOST_SECONDS)
        self.open = True
        self._next = now + self._pause
