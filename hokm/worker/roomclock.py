"""A table's time, which stands still while no player is there and while the store is away."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime


class RoomClock:
    """Room time in seconds: goes on from where the log ended, and only while it runs."""

    __slots__ = ("_clock", "_read", "_since")

    def __init__(self, clock: IReactorTime, start: float) -> None:
        """Make a clock that stands still at *start*, room time in seconds."""
        self._clock = clock
        self._read = start
        self._since: float | None = None

    @property
    def running(self) -> bool:
        """Whether time passes."""
        return self._since is not None

    def now(self) -> float:
        """Return the room time in seconds."""
        if self._since is None:
            return self._read
        return self._read + self._clock.seconds() - self._since

    def run(self) -> None:
        """Let time pass."""
        if self._since is None:
            self._since = self._clock.seconds()

    def stop(self) -> None:
        """Let time stand still."""
        self._read = self.now()
        self._since = None
