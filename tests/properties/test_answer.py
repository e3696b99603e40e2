"""Where an instance's frames end, however its bytes are cut."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from hokm.gate.answer import Answer
from tests.rawsocket import frame

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SIZES = st.sampled_from([0, 1, 7, 125, 126, 127, 300, 65535, 65536, 70000])
CUTS = st.lists(st.integers(0, 200_000), max_size=12)


def feed(answer: Answer, data: bytes, cuts: list[int]) -> None:
    """Feed *data* in pieces."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        answer.feed(data[start:end])


@settings(max_examples=40)
@given(st.lists(SIZES, max_size=5), CUTS)
def test_whole_frames(sizes: list[int], cuts: list[int]) -> None:
    """Behind them another one can follow; one byte earlier it cannot."""
    frames = [frame(0x81, bytes(size), masked=False) for size in sizes]
    data = HEAD + b"".join(frames)
    answer = Answer()
    feed(answer, data, cuts)
    assert answer.takes_frame
    short = Answer()
    feed(short, data[:-1], cuts)
    assert short.began and not short.takes_frame


@given(CUTS, st.integers(1, 4))
def test_nothing_follows_a_close(cuts: list[int], size: int) -> None:
    """From its first bytes on."""
    answer = Answer()
    feed(answer, HEAD + frame(0x81, b"{}", masked=False) + b"\x88\x02\x03\xe8"[:size], cuts)
    assert not answer.takes_frame


@given(st.binary(max_size=300), CUTS)
def test_other_answers_take_no_frame(rest: bytes, cuts: list[int]) -> None:
    """A refusal, or a page, is nobody's WebSocket."""
    answer = Answer()
    feed(answer, b"HTTP/1.1 404 Not Found\r\n\r\n" + HEAD + rest, cuts)
    assert answer.began and not answer.takes_frame


@given(st.binary(max_size=300), CUTS)
def test_any_bytes(data: bytes, cuts: list[int]) -> None:
    """Nothing makes it fail, with or without a handshake in front, and cuts change nothing."""
    for start in (b"", HEAD):
        one, other = Answer(), Answer()
        one.feed(start + data)
        feed(other, start + data, cuts)
        assert (one.began, one.takes_frame) == (other.began, other.takes_frame)


def test_a_head_without_end() -> None:
    """Is not kept for ever."""
    answer = Answer()
    for _ in range(1000):
        answer.feed(b"a" * 100)
    assert not answer.takes_frame and len(answer._head) < 10_000
