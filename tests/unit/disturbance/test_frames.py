"""Frames are what the server's own parser reads, however they are cut."""

from __future__ import annotations

import pytest
from disturbance import frames

from hokm.connection.frames import read_text, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4000])
def test_the_server_reads_a_frame(size: int) -> None:
    """A masked text frame of any size is read back."""
    payload = bytes(n % 90 + 32 for n in range(size))
    made = frames.frame(frames.TEXT, payload, 0x8A3C0F71)
    assert read_text(made, 0, 4096) == (payload, len(made))


def test_frames_are_read_at_any_cut() -> None:
    """Each way to cut a stream in two gives the same frames."""
    stream = text_frame(b"one") + b"\x89\x01!" + text_frame(b"x" * 300) + text_frame(b"y" * 70_000)
    expected = [
        (frames.TEXT, b"one"),
        (frames.PING, b"!"),
        (frames.TEXT, b"x" * 300),
        (frames.TEXT, b"y" * 70_000),
    ]
    for cut in range(330):
        reader = frames.Reader()
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) == expected


@pytest.mark.parametrize("start", ["0101", "8181", "c101", "8301", "7b22"])
def test_what_is_no_frame_of_the_server(start: str) -> None:
    """A fragment, a masked or extended frame, an unknown opcode, the middle of a text."""
    with pytest.raises(frames.BadFrame):
        frames.Reader().feed(bytes.fromhex(start) + b"rest")
