"""Who waits in the lobby for a table, and who has found one."""

from __future__ import annotations

from msgspec import Struct


class Ticket(Struct, frozen=True, gc=False):
    """Somebody who waits in the lobby for a table. Times are room time, in seconds.

    Attributes:
        number: Rises by one with each who comes.
        key: SHA-256 (hex) of the token that brings the place back.
        seed: The player's share of the shuffle, hex, or empty.
        since: When he came.
        connection: Number of the connection that holds the place, 0 while none does.
        away_since: When the connection was lost; None while connected.
    """

    number: int
    name: str
    key: str
    seed: str
    since: float
    connection: int
    away_since: float | None = None


class Meeting(Struct, frozen=True, gc=False):
    """A table that was found, remembered for those who did not hear of it.

    Attributes:
        keys: As of their tickets.
        time: Room time of the meeting, in seconds.
    """

    code: str
    keys: tuple[str, ...]
    time: float


class Queue(Struct, frozen=True, kw_only=True, gc=False):
    """What only the lobby's room has.

    Attributes:
        fill_seconds: One bot more may sit down after each so long a wait.
        last: Number of the last ticket.
        waiting: In the order of their coming.
        met: Lately, oldest first.
    """

    fill_seconds: float
    last: int = 0
    waiting: tuple[Ticket, ...] = ()
    met: tuple[Meeting, ...] = ()
