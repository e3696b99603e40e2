"""Frames written, read the quick way, and kept for another parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokm.connection.frames import Journal, read_pong, read_text, text_frame
from tests.rawsocket import frame

TEXT, PING, PONG = 0x81, 0x89, 0x8A


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_frame_has_the_shortest_head(size: int) -> None:
    """RFC 6455, 5.2: 7, 16 or 64 bits of length, whichever is enough."""
    made = text_frame(b"x" * size)
    assert made == frame(TEXT, b"x" * size, masked=False)


@given(st.text(max_size=2000), st.binary(max_size=20))
def test_what_is_whole_is_read(text: str, more: bytes) -> None:
    """A masked text frame is read wherever it stands, and what follows is left."""
    payload = text.encode()
    data = more + frame(TEXT, payload) + more
    limit = 65535
    assert read_text(data, len(more), limit) == (payload, len(data) - len(more))


@given(st.text(max_size=200), st.data())
def test_a_part_is_not_read(text: str, data: st.DataObject) -> None:
    """Any cut leaves it to the full parser."""
    whole = frame(TEXT, text.encode())
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_text(whole[:cut], 0, 65535) is None


@pytest.mark.parametrize(
    "data",
    [
        frame(0x82, b"{}"),
        frame(0x01, b"{}"),
        frame(0xC1, b"{}"),
        frame(0x89, b"{}"),
        frame(0x88, b""),
        frame(TEXT, b"{}", masked=False),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"x" * 101),
        frame(TEXT, b"x" * 70000),
        b"\x81\xfe\x00\x02mask{}",
        b"\x81\xfe\x00\x7dmask" + b"x" * 125,
    ],
)
def test_what_is_not_simple_is_left(data: bytes) -> None:
    """Binary, fragments, reserved bits, control, unmasked, no UTF-8, too long: not read here.

    Nor is a length that is written in more bits than it needs.
    """
    assert read_text(data, 0, 100) is None


FRAMES = st.one_of(
    st.binary(max_size=300).map(lambda p: (frame(0x81, p), True, False)),
    st.binary(max_size=300).map(lambda p: (frame(0x01, p), False, False)),
    st.binary(max_size=300).map(lambda p: (frame(0x80, p), True, False)),
    st.binary(max_size=125).map(lambda p: (frame(0x89, p), True, True)),
)


@given(st.lists(FRAMES, max_size=8), st.data())
def test_the_journal_keeps_what_is_unfinished(
    frames: list[tuple[bytes, bool, bool]], data: st.DataObject
) -> None:
    """Whatever the pieces: the fragments of the message that is open, and the frame that is."""
    whole = b"".join(raw for raw, _, _ in frames)
    end = data.draw(st.integers(0, len(whole)))
    cuts = sorted(data.draw(st.lists(st.integers(0, end), max_size=6)))
    journal = Journal()
    for begin, stop in zip([0, *cuts], [*cuts, end], strict=True):
        journal.feed(whole[begin:stop])
    kept, at = b"", 0
    for raw, final, control in frames:
        if at + len(raw) > end:
            break
        at += len(raw)
        if not control:
            kept = b"" if final else kept + raw
    assert journal.pending == kept + whole[at:end]


@given(st.binary(max_size=125), st.binary(max_size=20))
def test_a_pong_is_read_whole_or_not_at_all(payload: bytes, more: bytes) -> None:
    """Wherever it stands; any cut leaves it to the full parser."""
    whole = frame(PONG, payload)
    assert read_pong(more + whole + more, len(more)) == (payload, len(more + whole))
    for cut in range(len(whole)):
        assert read_pong(whole[:cut], 0) is None


@pytest.mark.parametrize(
    "data",
    [
        frame(PING, b"12345678"),
        frame(PONG & 0x0F, b"12345678"),
        frame(PONG, b"12345678", masked=False),
        frame(PONG, b"x" * 126),
    ],
    ids=["a ping", "not final", "not masked", "too long"],
)
def test_what_is_no_plain_pong_is_left(data: bytes) -> None:
    """The full parser knows what it is, or why it is none."""
    assert read_pong(data, 0) is None
