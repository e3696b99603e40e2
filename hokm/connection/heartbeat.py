"""One wheel for all connections: pings the silent ones, and gives up the dead and the stuck.

It turns in small steps: to look at 5,000 connections at once would take 10 ms, each second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from hokm.tasks import every

if TYPE_CHECKING:
    from hokm.connection.connection import Connection

STALL_SECONDS: Final = 5.0  # how long bytes may wait for a peer that does not read
_TURN_SECONDS: Final = 1.0
_STEPS: Final = 8  # of a turn


class Heartbeat:
    """Looks at each connection once a second; a connection only notes that it was heard."""

    def __init__(self, *, clock: IReactorTime, interval: float, timeout: float) -> None:
        """Make a wheel that stands still.

        Args:
            interval: Seconds of silence after which a connection is pinged.
            timeout: Seconds that the answer may take.
        """
        self._clock = clock
        self._interval = interval
        self._timeout = timeout
        self._heard: dict[Connection, float] = {}
        self._stalled: dict[Connection, float] = {}
        self._loop: LoopingCall | None = None
        self._ahead: list[Connection] = []  # what this turn has not come to yet
        self._steps = 0  # that are left of it

    def start(self) -> None:
        """Let the wheel turn."""
        self._loop = every(self._clock, _TURN_SECONDS / _STEPS, self.step, "heartbeat")

    def stop(self) -> None:
        """Let the wheel stand still."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def add(self, connection: Connection, *, silent_s: float = 0.0, stuck_s: float = 0.0) -> None:
        """Look after *connection* until it is removed.

        Args:
            silent_s, stuck_s: Its ages where another process looked after it before: else whoever
                moves more often than the interval would never be found dead.
        """
        now = self._clock.seconds()
        self._heard[connection] = now - silent_s
        if stuck_s:
            self._stalled[connection] = now - stuck_s

    def ages(self, connection: Connection) -> tuple[float, float]:
        """Return for how many seconds it was silent, and for how many it was stuck."""
        now = self._clock.seconds()
        if connection.was_heard():
            self._heard[connection] = now
        return now - self._heard.get(connection, now), now - self._stalled.get(connection, now)

    def remove(self, connection: Connection) -> None:
        """Look after *connection* no more."""
        self._heard.pop(connection, None)
        self._stalled.pop(connection, None)

    def step(self) -> None:
        """Look at those who come next, and do what is due."""
        if not self._steps:
            self._ahead, self._steps = list(self._heard), _STEPS
        ahead, share = self._ahead, len(self._ahead) // self._steps
        self._steps -= 1
        now = self._clock.seconds()
        for _ in range(share):
            self._look(ahead.pop(), now)

    def _look(self, connection: Connection, now: float) -> None:
        heard = self._heard.get(connection)
        if heard is None:
            return  # removed since the turn began
        if connection.was_heard():
            self._heard[connection] = now
        elif now - heard > self._interval + self._timeout:
            connection.abort()
        elif now - heard > self._interval:
            connection.ping(b"")
        self._mind_stall(connection, now)

    def _mind_stall(self, connection: Connection, now: float) -> None:
        if not connection.buffered:
            self._stalled.pop(connection, None)
        elif now - self._stalled.setdefault(connection, now) > STALL_SECONDS:
            connection.give_up()
