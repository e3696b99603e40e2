"""What a record means for the connections, once it is durable; to be carried out in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hokm import wire


@dataclass(init=False, slots=True)
class Tell:
    """Send a message, as JSON text, to everybody at the table.

    Attributes:
        public: For all but those in `private`; holds nothing that anyone may not see.
        private: Seat -> what that seat alone is sent instead.
    """

    public: bytes
    private: dict[int, bytes] | None

    def __init__(self, public: bytes, private: dict[int, bytes] | None = None) -> None:
        self.public = public
        self.private = private


@dataclass(frozen=True, slots=True)
class Reply:
    """Send a message to the connection that the command came from."""

    message: wire.Message


@dataclass(frozen=True, slots=True)
class Take:
    """The command's connection now has `seat`; one that had it before is closed with 4001."""

    seat: int


@dataclass(frozen=True, slots=True)
class Watch:
    """The command's connection is a spectator's from now on."""


@dataclass(frozen=True, slots=True)
class Reseat:
    """The players of two seats changed places, one of which may be empty."""

    seat: int
    to: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close a seat's connection; the seat is no longer its player's."""

    seat: int
    code: wire.CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class Whisper:
    """Send a message to one connection that has no seat.

    Attributes:
        connection: Its number.
        message: None for none.
        code, reason: If a code is given, the connection is closed with it then.
    """

    connection: int
    message: wire.Message | None
    code: wire.CloseCode | None = None
    reason: str = ""


Effect: TypeAlias = Tell | Reply | Take | Watch | Reseat | Close | Whisper
