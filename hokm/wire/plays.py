"""The messages of each play, put together from pieces: `ok`, `card_played`, `turn`, `trick_won`.

Texts and meaning are those of the messages' classes, to the byte; tests/properties/test_plays.py
compares them. Made so, a message costs a sixth of what its object and its encoding do.
"""

from __future__ import annotations

from typing import Final

from hokm.game.cards import DECK_SIZE, NAMES, Card, Mask

_OK: Final = b'{"type":"ok","id":'
_CARD_PLAYED: Final = b'{"type":"card_played","seq":'
_TURN: Final = b'{"type":"turn","seq":'
_TRICK_WON: Final = b'{"type":"trick_won","seq":'
_SEATS: Final = tuple(b',"seat":%d' % seat for seat in range(4))
_SEATS_TO_PLAY: Final = tuple(b'%b,"action":"play","seconds_left":' % seat for seat in _SEATS)
_TENTHS: Final = tuple(b".%d}" % tenth for tenth in range(10))
_LEGAL: Final = b',"legal":['
_TRICKS: Final = b',"tricks":['
_QUOTED: Final = tuple(b'"%b"' % name.encode() for name in NAMES)
_ENDS: Final = tuple(b',"card":%b}' % name for name in _QUOTED)
_AUTO_ENDS: Final = tuple(b',"card":%b,"auto":true}' % name for name in _QUOTED)
# Of each eight cards, the names of all their sets, with a comma after each name.
_CHUNK: Final = 8
_NAMES: Final = tuple(
    tuple(
        b"".join(
            name + b"," for n, name in enumerate(_QUOTED[first : first + _CHUNK]) if held >> n & 1
        )
        for held in range(1 << _CHUNK)
    )
    for first in range(0, DECK_SIZE, _CHUNK)
)
_DECIMALS: Final = tuple(b"%d" % number for number in range(4096))


def decimal(number: int) -> bytes:
    """Write a number that is not negative."""
    return _DECIMALS[number] if number < 4096 else str(number).encode()


def ok(id: int) -> bytes:
    """Write `Ok`."""
    return b"".join((_OK, decimal(id), b"}"))


def card_played(seq: int, seat: int, card: Card, auto: bool) -> bytes:
    """Write `CardPlayed`."""
    end = _AUTO_ENDS[card] if auto else _ENDS[card]
    return b"".join((_CARD_PLAYED, decimal(seq), _SEATS[seat], end))


def turn_to_play(seq: int, seat: int, tenths: int) -> bytes:
    """Write `Turn` for a play as others are told; *tenths* of a second are left."""
    seconds, tenth = decimal(tenths // 10), _TENTHS[tenths % 10]
    return b"".join((_TURN, decimal(seq), _SEATS_TO_PLAY[seat], seconds, tenth))


def with_legal(turn: bytes, legal: Mask) -> bytes:
    """Write a `turn_to_play` for the player on turn, who is told what he may play."""
    names = b""
    for chunk in _NAMES:
        if held := legal & 0xFF:
            names += chunk[held]
        legal >>= _CHUNK
    return b"".join((turn[:-1], _LEGAL, names[:-1], b"]}"))


def trick_won(seq: int, seat: int, tricks: tuple[int, int]) -> bytes:
    """Write `TrickWon`."""
    ours, theirs = decimal(tricks[0]), decimal(tricks[1])
    return b"".join((_TRICK_WON, decimal(seq), _SEATS[seat], _TRICKS, ours, b",", theirs, b"]}"))
