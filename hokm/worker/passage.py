"""What travels beside the sockets when a room moves: its connections and the commands that wait.

The room itself does not: it is in the store, after a move as after a crash. The supervisor carries
the bytes and does not read them. Releases exchange them: fields are only ever added, with a
default, and a change that the other side would misread raises `VERSION`.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from hokm.connection import Record

VERSION: Final = 1


class PlayerRecord(Struct, frozen=True, kw_only=True):
    """What a worker knows of a connection's player; his seat stands in the room's log.

    Attributes:
        asked: Whether a `join` was handed on.
        tokens: Level of his bucket of messages.
        guesses: Level of his address's bucket of wrong joins.
        patience: Messages over the limit that are still refused before he is closed.
        proof: Payload of the ping whose answer confirms his token; None when none is awaited.
        join_s: Seconds left for his `join`; None when it came.
        watching: Whether he has a spectator's place.
    """

    asked: bool
    tokens: float
    guesses: float
    patience: int
    proof: bytes | None
    join_s: float | None
    watching: bool


class Traveller(Struct, frozen=True, kw_only=True):
    """One connection and its player."""

    connection: int
    stream: Record
    player: PlayerRecord


class Passage(Struct, frozen=True, kw_only=True):
    """All that travels with one room.

    Attributes:
        opened: Whether the room was open; else somebody had come and had not joined.
        inbox: Commands that were read and not decided, in order: number of the connection and
            JSON; None is the answer to a token's ping.
    """

    opened: bool
    travellers: tuple[Traveller, ...]
    inbox: tuple[tuple[int, bytes | None], ...]
    version: int = VERSION


class UnknownPassage(Exception):
    """A newer release wrote it, or nobody. The caller refuses; the room stays where it is."""


_decoder = msgspec.msgpack.Decoder(Passage)


def encode(passage: Passage) -> bytes:
    """Write a passage."""
    return msgspec.msgpack.encode(passage)


def decode(data: bytes) -> Passage:
    """Read what `encode` wrote.

    Raises:
        UnknownPassage: See there.
    """
    try:
        passage = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UnknownPassage(str(error)) from error
    if passage.version != VERSION:
        raise UnknownPassage(f"version {passage.version}, known is {VERSION}")
    return passage
