"""What a record means for the connections, once it is durable; to be carried out in order."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from hokm import wire


class Tell(Struct, frozen=True, gc=False):
    """Send a message to everybody at the table.

    Attributes:
        public: For all but those in `private`; holds nothing that anyone may not see.
        private: Seat -> what that seat alone is sent instead.
    """

    public: wire.Message
    private: dict[int, wire.Message] | None = None


class Reply(Struct, frozen=True, gc=False):
    """Send a message to the connection that the command came from."""

    message: wire.Message


class Take(Struct, frozen=True, gc=False):
    """The command's connection now has `seat`; one that had it before is closed with 4001."""

    seat: int


class Watch(Struct, frozen=True, gc=False):
    """The command's connection is a spectator's from now on."""


class Reseat(Struct, frozen=True, gc=False):
    """The players of two seats changed places, one of which may be empty."""

    seat: int
    to: int


class Close(Struct, frozen=True, gc=False):
    """Close a seat's connection; the seat is no longer its player's."""

    seat: int
    code: wire.CloseCode
    reason: str


class Whisper(Struct, frozen=True, gc=False):
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
