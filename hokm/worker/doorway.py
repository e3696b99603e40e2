"""Where connections wait to be let in: a few each turn, so that nobody's play is kept waiting.

When a network or a worker fails, thousands come back at once. Handshake and `join` of one of them
cost as much as some ten plays. What waits here costs next to nothing: its request is unread, and if
this worker dies first, another one can have it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hokm.control import messages as m

_log = Logger()

PER_TURN: Final = 16  # connections; with handshake and `join` some 6 ms of CPU

Coming: TypeAlias = "m.Connection | m.Adopt"


class Doorway:
    """What the supervisor has sent to this worker, in order, as far as it was not let in yet."""

    def __init__(self, *, clock: IReactorTime, let_in: Callable[[Coming, list[int]], None]) -> None:
        """Make an empty doorway.

        Args:
            let_in: Takes a message and its descriptors.
        """
        self._clock = clock
        self._let_in = let_in
        self._waiting: deque[tuple[Coming, list[int]]] = deque()
        self._due = False

    def __len__(self) -> int:
        return len(self._waiting)

    def come(self, message: Coming, descriptors: list[int]) -> None:
        """Let somebody wait for his turn; the descriptors are ours until then."""
        self._waiting.append((message, descriptors))
        self._mind()

    def hurry(self, room: str) -> None:
        """Let in now who waits for a room: what is said next about it concerns him, too."""
        waiting, self._waiting = self._waiting, deque()
        for entry in waiting:
            if entry[0].room == room:
                self._admit(*entry)
            else:
                self._waiting.append(entry)

    def _mind(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            self._clock.callLater(0.0, self._turn)

    def _turn(self) -> None:
        """Let in as many as a turn may bring; the packets of one room belong together."""
        self._due = False
        let_in, more = 0, False
        while self._waiting and (more or let_in < PER_TURN):
            message, descriptors = self._waiting.popleft()
            let_in += len(descriptors)
            more = isinstance(message, m.Adopt) and message.more
            self._admit(message, descriptors)
        self._mind()

    def _admit(self, message: Coming, descriptors: list[int]) -> None:
        try:
            self._let_in(message, descriptors)
        except Exception:  # noqa: BLE001 - the next one in the row can do nothing about it
            _log.failure("a connection for room {room} was not let in", room=message.room)
