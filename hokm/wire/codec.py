"""Messages from bytes and to bytes."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from hokm.wire.answers import Error, Matched, Ok, Queued, QueueMessage, StateMessage, Welcome
from hokm.wire.commands import Command
from hokm.wire.events import Event, Notice
from hokm.wire.values import ERRORS, Numbered

Message: TypeAlias = (
    Ok | Error | Welcome | StateMessage | Queued | QueueMessage | Matched | Notice | Event
)


class BadMessage(Exception):
    """A client message that does not fit the protocol.

    The caller answers `error bad_message` with `id` where one could be read.

    Attributes:
        id: The message's id, or None.
        reason: What does not fit, with its path; holds nothing of the message's values.
    """

    def __init__(self, id: int | None, reason: str) -> None:
        super().__init__(reason)
        self.id = id
        self.reason = reason


_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_id_decoder = msgspec.json.Decoder(Numbered)
_message_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def decode(text: bytes) -> Command:
    """Read one client message.

    Raises:
        BadMessage: It is no JSON, or does not fit. The caller answers and changes nothing.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(_id_in(text), str(error)) from None


def _id_in(text: bytes) -> int | None:
    try:
        return _id_decoder.decode(text).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_message(text: bytes) -> Message:
    """Read one server message; what clients written in Python use.

    Raises:
        msgspec.DecodeError: It does not fit: the server is of another release.
    """
    return _message_decoder.decode(text)


def encode(message: Message | Command | Any) -> bytes:
    """Write a message as JSON text."""
    return _encoder.encode(message)


def error(id: int | None, code: str, message: str | None = None) -> Error:
    """Make the `error` answer for *code*, one of `ERRORS`."""
    return Error(id, code, ERRORS[code] if message is None else message)
