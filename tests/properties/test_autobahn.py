"""hokm's connections against Autobahn's own: the same bytes, however cut, get the same answers.

What is sent, close codes and reasons included, and how the connection ends must be equal to the
byte; also where it moves after each piece.
"""

from __future__ import annotations

import itertools
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.movable import make_site
from tests.wires import (
    BINARY,
    CLOSE,
    FINAL,
    LIMIT,
    MASK,
    PING,
    PONG,
    TEXT,
    Hokm,
    compare,
    frames,
    goodbye,
    raw,
)

GOOD_CODES: Final = (1000, 1001, 1003, 1007, 1009, 3000, 4999)
BAD_CODES: Final = (0, 999, 1004, 1005, 1006, 1016, 2999, 5000, 65535)
SALAM: Final = "سلام".encode()
# Name, bytes, what comes back as text and binary messages and pongs, and the close code at last.
CASES: Final[list[tuple[str, bytes, list[bytes], int | None]]] = [
    *(
        (f"text of {size} bytes", raw(TEXT, b"x" * size), [b"x" * size], None)
        for size in (0, 1, 124, 125, 126, 127, 128, 65535, 65536, LIMIT)
    ),
    ("empty binary", raw(BINARY), [b""], None),
    ("binary", raw(BINARY, bytes(range(256))), [bytes(range(256))], None),
    ("Persian", raw(TEXT, SALAM), [SALAM], None),
    ("two at once", raw(TEXT, b"one") + raw(TEXT, b"two"), [b"one", b"two"], None),
    ("ping", raw(PING, b"?"), [b"?"], None),
    ("empty ping", raw(PING), [b""], None),
    ("longest ping", raw(PING, b"p" * 125), [b"p" * 125], None),
    ("pong", raw(PONG, b"!"), [], None),
    ("ping, then text", raw(PING, b"?") + raw(TEXT, b"a"), [b"?", b"a"], None),
    (
        "fragments and a ping",
        raw(0x01, b"one ") + raw(PING, b"?") + raw(0x00) + raw(0x80, b"two") + raw(TEXT, b"on"),
        [b"?", b"one two", b"on"],
        None,
    ),
    ("cut in a letter", raw(0x01, SALAM[:3]) + raw(0x80, SALAM[3:]), [SALAM], None),
    ("binary fragments", raw(0x02, b"\xff") + raw(0x80, b"\xfe"), [b"\xff\xfe"], None),
    # Not UTF-8.
    ("bad byte", raw(TEXT, b"ok\xff"), [], 1007),
    ("surrogate", raw(TEXT, b"\xed\xa0\x80"), [], 1007),
    ("overlong", raw(TEXT, b"\xc0\xaf"), [], 1007),
    ("above Unicode", raw(TEXT, b"\xf4\x90\x80\x80"), [], 1007),
    ("half a letter", raw(TEXT, SALAM[:3]), [], 1007),
    ("bad fragment", raw(0x01, b"a\xff") + raw(0x80, b"b"), [], 1007),
    ("half a letter in fragments", raw(0x01, b"a") + raw(0x80, SALAM[:1]), [], 1007),
    ("bad in the middle", raw(TEXT, b"a") + raw(TEXT, b"\xff") + raw(TEXT, b"b"), [b"a"], 1007),
    # No frame of a client.
    ("unmasked", raw(TEXT, b"{}", masked=False), [], 1002),
    ("unmasked, then more", raw(TEXT, b"abcdefgh", masked=False) + b"ijkl", [], 1002),
    ("unmasked after text", raw(TEXT, b"a") + raw(TEXT, b"b", masked=False), [b"a"], 1002),
    *((f"reserved bit {bit:x}", raw(TEXT | bit, b"{}"), [], 1002) for bit in (0x40, 0x20, 0x10)),
    *((f"opcode {code}", raw(FINAL | code, b"{}"), [], 1002) for code in (3, 4, 7, 11, 12, 15)),
    ("length of 16 bits for 5", raw(TEXT, b"hello", bits=16), [], 1002),
    ("length of 16 bits for 125", raw(TEXT, b"x" * 125, bits=16), [], 1002),
    ("length of 64 bits for 5", raw(TEXT, b"hello", bits=64), [], 1002),
    ("length of 64 bits for 65535", raw(TEXT, b"x" * 65535, bits=64), [], 1002),
    ("length of 2^63", b"\x81\xff\x80" + bytes(7) + MASK + b"{}", [], 1002),
    ("continuation of nothing", raw(0x80, b"{}"), [], 1002),
    ("first part of nothing", raw(0x00, b"{}"), [], 1002),
    ("text in a text", raw(0x01, b"a") + raw(TEXT, b"b"), [], 1002),
    ("long ping", raw(PING, b"p" * 126), [], 1002),
    ("very long ping", raw(PING, b"p" * 300) + raw(TEXT, b"x"), [], 1002),
    ("fragment of a ping", raw(0x09, b"p"), [], 1002),
    ("fragment of a close", raw(0x08, goodbye(1000)), [], 1002),
    # Too big.
    ("big text", raw(TEXT, b"x" * (LIMIT + 1)), [], 1009),
    ("big binary", raw(BINARY, b"x" * (LIMIT + 1)), [], 1009),
    ("big head", b"\x81\xff" + (2**62).to_bytes(8, "big") + MASK, [], 1009),
    ("big in fragments", raw(0x01, b"x" * LIMIT) + raw(0x80, b"x"), [], 1009),
    ("text, then big", raw(TEXT, b"a") + raw(TEXT, b"x" * (LIMIT + 1)), [b"a"], 1009),
    # Closes.
    ("empty close", raw(CLOSE), [], 1000),
    ("close of a byte", raw(CLOSE, b"\x03"), [], 1002),
    *((f"close with {code}", raw(CLOSE, goodbye(code)), [], 1000) for code in GOOD_CODES),
    *((f"close with {code}", raw(CLOSE, goodbye(code)), [], 1002) for code in BAD_CODES),
    ("close with a reason", raw(CLOSE, goodbye(1000, SALAM)), [], 1000),
    ("close with a bad reason", raw(CLOSE, goodbye(1000, b"\xff")), [], 1007),
    ("close with half a letter", raw(CLOSE, goodbye(1000, SALAM[:1])), [], 1007),
    ("long close", raw(CLOSE, goodbye(1000, b"r" * 124)), [], 1002),
    ("close, then text", raw(CLOSE, goodbye(1000)) + raw(TEXT, b"late"), [], 1000),
    ("close in a message", raw(0x01, b"a") + raw(CLOSE, goodbye(1000)), [], 1000),
    ("close after texts", raw(TEXT, b"a") + raw(CLOSE, goodbye(1000)), [b"a"], 1000),
    # What comes after the server has closed.
    ("answered close", raw(TEXT, b"\xff") + raw(CLOSE, goodbye(1007)), [], 1007),
    ("bad twice", raw(TEXT, b"\xff") + raw(0x83), [], 1007),
    ("text after bad", raw(0x83) + raw(TEXT, b"x"), [], 1002),
]  # fmt: skip
SMALL: Final = 1000  # bytes of a message, where it matters
SHORT: Final = 400  # bytes that are cut everywhere; in what is longer the ends are


def places(size: int) -> list[int]:
    """Say where to cut so many bytes: everywhere, or near the ends and in the middle."""
    if size <= SHORT:
        return list(range(1, size))
    return [*range(1, 20), size // 2, *range(size - 19, size)]


@pytest.mark.parametrize(
    ("data", "told", "code"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_cut_anywhere(data: bytes, told: list[bytes], code: int | None) -> None:
    """In one piece, in two cut anywhere, and byte by byte at its ends: as the RFC has it."""
    edge = min(len(data), 16)
    by_bytes = [data[place : place + 1] for place in range(edge)]
    for pieces in (
        [data],
        *([data[:place], data[place:]] for place in places(len(data))),
        [*by_bytes, data[edge:]],
    ):
        sent, _ = compare(pieces)
        heard = frames(sent)
        closes = [payload for first, payload in heard if first == CLOSE]
        assert [payload for first, payload in heard if first != CLOSE] == told
        assert [int.from_bytes(close[:2], "big") for close in closes] == (
            [] if code is None else [code]
        )


WRONG_OR_RIGHT: Final = st.one_of(
    st.sampled_from([data for _, data, _, _ in CASES if len(data) <= SHORT]),
    st.builds(
        raw,
        st.one_of(
            st.sampled_from([0x00, 0x01, 0x02, 0x80, TEXT, BINARY, PING]), st.integers(0, 255)
        ),
        st.one_of(st.text(max_size=130).map(str.encode), st.binary(max_size=130)),
        masked=st.sampled_from([True, True, True, False]),
        bits=st.sampled_from([0, 0, 0, 16, 64]),
    ),
    st.binary(max_size=20),
)


@settings(max_examples=400)
@given(st.lists(WRONG_OR_RIGHT, max_size=6), st.data())
def test_whatever_is_sent(parts: list[bytes], data: st.DataObject) -> None:
    """Right frames and wrong ones in any order, in any pieces, none of which is empty."""
    whole = b"".join(parts)
    inside = st.integers(1, max(1, len(whole) - 1))
    cuts = sorted(data.draw(st.sets(inside, max_size=8)) - {len(whole)})
    compare([whole[start:end] for start, end in itertools.pairwise([0, *cuts, len(whole)])])


# --- where hokm is stricter -------------------------------------------------------------------


def test_fragments_without_end() -> None:
    """Autobahn counts payload alone and would keep empty fragments for ever: hokm closes."""
    server = Hokm(make_site(max_message=SMALL))
    server.hear(raw(0x01))
    sent = 0
    while len(frames(server.wire.sent)) == 0:
        assert sent < 10 * SMALL
        server.hear(raw(0x00) * 100)
        sent += len(raw(0x00)) * 100
    [(first, payload)] = frames(server.wire.sent)
    assert (first, payload[:2]) == (CLOSE, goodbye(1009))


def test_the_smallest_fragments() -> None:
    """As many fragments as a message has bytes are no reason to close."""
    server = Hokm(make_site(max_message=SMALL))
    server.hear(raw(0x01, b"x"))
    for _ in range(SMALL - 2):
        server.hear(raw(0x00, b"x"))
    server.hear(raw(0x80, b"x"))
    assert frames(server.wire.sent) == [(TEXT, b"x" * SMALL)]


def test_nothing_is_kept_for_a_connection_that_closes() -> None:
    """Whoever goes on sending what was refused costs no memory."""
    server = Hokm(make_site(max_message=SMALL))
    server.hear(b"\x81\xff" + (2**62).to_bytes(8, "big") + MASK)
    kept = len(server.connection._journal)
    for _ in range(100):
        server.hear(b"x" * 10_000)
    assert len(server.connection._journal) == kept
    assert [payload[:2] for _, payload in frames(server.wire.sent)] == [goodbye(1009)]
