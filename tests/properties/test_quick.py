"""What every message takes is the same in C and in Python; without C, Python stands for both."""

import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hokm import transports
from hokm.connection import frames, quick
from tests.rawsocket import frame

MOST = 65535  # bytes of a payload, more than any of these has
payloads = st.binary(max_size=300) | st.text(max_size=300).map(str.encode)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw what may have come, most of it frames that are nearly right, and where to read."""
    whole = frame(draw(st.sampled_from((0x81, 0x81, 0x81, 0x01, 0x80, 0x8A))), draw(payloads))
    spoilt = bytearray(whole)
    for _ in range(draw(st.integers(0, 2))):
        spoilt[draw(st.integers(0, min(13, len(whole) - 1)))] = draw(st.integers(0, 255))
    before, after = draw(st.binary(max_size=3)), draw(st.binary(max_size=9))
    data = before + bytes(spoilt[: draw(st.integers(0, len(whole)))] or whole) + after
    return data, draw(st.sampled_from((len(before), len(before), 0, len(data))))


@given(streams(), st.integers(0, 400))
@example((frame(0x81, b""), 0), 0)
@example((b"", 0), 0)
def test_a_text_is_read(stream: tuple[bytes, int], limit: int) -> None:
    data, start = stream
    assert quick.read_text(data, start, limit) == frames.read_text(data, start, limit)


@given(payloads)
def test_a_whole_text_is_read(payload: bytes) -> None:
    """Whatever reads it: a text of UTF-8, and no other."""
    data = frame(0x81, payload)
    try:
        payload.decode()
    except UnicodeDecodeError:
        assert quick.read_text(data, 0, MOST) is None
    else:
        assert quick.read_text(data, 0, MOST) == (payload, len(data))


@pytest.mark.parametrize("send_some", [quick.send_some, transports.send_some])
def test_the_kernel_takes_what_it_can(send_some: object) -> None:
    """All of little, a part of much, nothing once it is full, gone or no socket at all."""
    assert callable(send_some)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    fd = ours.fileno()
    assert send_some(fd, b"12345") == 5
    assert theirs.recv(10) == b"12345"
    much = bytes(4 << 20)
    assert 0 < send_some(fd, much) < len(much)
    while send_some(fd, b"x" * 1000):
        pass
    assert send_some(fd, b"x") == 0
    theirs.close()
    assert send_some(fd, b"x") == 0
    ours.close()
    assert send_some(fd, b"x") == 0
    assert send_some(transports.NONE, b"x") == 0


@pytest.mark.parametrize("arguments", [(), (b"", 0), ("text", 0, 0), (b"", None, 0), (b"", 0, 1.5)])
def test_wrong_arguments(arguments: tuple[object, ...]) -> None:
    """They are refused, not read as memory."""
    if quick.read_text is frames.read_text:
        arguments = ()
    with pytest.raises(TypeError):
        quick.read_text(*arguments)  # type: ignore[call-arg, arg-type]
