"""Limits, codes and options of the protocol."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from hokm.game.variant import Options

SUBPROTOCOL: Final = "hokm.v1"
MAX_MESSAGE_BYTES: Final = 4096  # the largest legal message is a `say` of 200 characters
MAX_NAME: Final = 24  # characters
MAX_TEXT: Final = 200  # characters

# Ambiguous symbols (0 O 1 I) are left out: codes are read aloud and typed on phones.
CODE_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LOBBY: Final = "LOBBY"  # the room where a table is found; no table's code has an O
CODE_LENGTH: Final = 8  # 40 bits; 6.4 days of guessing at 20 wrong joins a second and 100 k rooms

CloseCode: TypeAlias = int
LEFT: Final[CloseCode] = 1000
NOT_TEXT: Final[CloseCode] = 1003
POLICY: Final[CloseCode] = 1008
TOO_BIG: Final[CloseCode] = 1009
FAILED: Final[CloseCode] = 1011  # a fault of the server
RESUME: Final[CloseCode] = 1012  # connect again, here or elsewhere, now or a little later
TAKEN_OVER: Final[CloseCode] = 4001  # a newer connection has the seat
TOO_SLOW: Final[CloseCode] = 4008

Id = Annotated[int, Meta(ge=1, le=2**53 - 1, description="rises by one per player")]
SeatNo = Annotated[int, Meta(ge=0, le=3, description="play order: seat + 1 plays next")]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Token = Annotated[str, Meta(min_length=16, max_length=128)]
Seed = Annotated[str, Meta(pattern="^([0-9a-f]{2}){16,64}$", description="hex, 16 to 64 bytes")]
CardName = str  # AS KH TD 2C
SuitName = str  # S H D C
Level = Literal["easy", "normal"]
Role = Literal["player", "spectator"]
Action = Literal["choose_trump", "play"]

# Every code of an `error`, with the sentence a person may read.
ERRORS: Final[dict[str, str]] = {
    "bad_card": "no such card",
    "bad_message": "the message does not fit the protocol",
    "bad_suit": "no such suit",
    "bad_token": "this token opens no seat here",
    "must_follow": "you hold the led suit and must follow it",
    "no_such_room": "there is no such room",
    "not_hakem": "only the hakem may do that",
    "not_host": "only the host may do that",
    "not_in_hand": "you do not hold that card",
    "not_joined": "join first",
    "not_seated": "spectators cannot do that",
    "not_your_turn": "it is not your turn",
    "rate_limited": "too fast; wait a moment",
    "room_full": "every seat is taken",
    "seat_taken": "that seat is taken",
    "seats_empty": "four players are needed",
    "stale_id": "a command of that or a later id was answered before",
    "try_later": "the server is full at the moment; games go on, a new table must wait a little",
    "worn_out": "this table has played all the hands that it committed to; make a new one",
    "wrong_phase": "not now",
}


class TableOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a table is played by: the game's options and the table's own times, in seconds."""

    turn_seconds: Annotated[float, Meta(ge=1, le=600)] = 30.0  # doubled for the trump call
    grace_seconds: Annotated[float, Meta(ge=0, le=600)] = 20.0  # absence before a bot steps in
    pause_seconds: Annotated[float, Meta(ge=0, le=60)] = 4.0  # between two hands
    bot_seconds: Annotated[float, Meta(ge=0, le=10)] = 1.0  # mean thinking time of a bot

    @property
    def game(self) -> Options:
        """The options of the game alone."""
        return Options(**{name: getattr(self, name) for name in Options.__struct_fields__})


class Numbered(Struct):
    """What every client message has, if nothing else of it can be read."""

    id: Id


def room_code(text: str) -> str | None:
    """Read a room code as a person may type it: any case, 4 to 16 symbols of the alphabet.

    Returns:
        The code in upper case, or None when it cannot be one. The lobby's is one, too.
    """
    code = text.upper()
    if code == LOBBY:
        return code
    return code if 4 <= len(code) <= 16 and all(c in CODE_ALPHABET for c in code) else None
