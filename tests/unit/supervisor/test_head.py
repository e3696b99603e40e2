"""Reading a request's head from peeked bytes."""

from __future__ import annotations

import pytest

from hokm.supervisor.head import HEAD_BYTES, Bad, Head, Incomplete, parse

WEBSOCKET = (
    b"GET /ws?room_code=abcd2 HTTP/1.1\r\nHost: x\r\nupgrade: WebSocket\r\n"
    b"Connection: keep-alive, Upgrade\r\n\r\n"
)


def test_a_websocket_request_names_its_room() -> None:
    """Method, path, room code in upper case and the wish for a WebSocket are found."""
    assert parse(WEBSOCKET) == Head("GET", "/ws", "ABCD2", True, WEBSOCKET)


def test_an_ordinary_request() -> None:
    """A request without Upgrade is no WebSocket and needs no room."""
    head = b"POST /api/rooms HTTP/1.1\r\nHost: x\r\n\r\n"
    assert parse(head + b"{}") == Head("POST", "/api/rooms", None, False, head)


@pytest.mark.parametrize("cut", range(len(WEBSOCKET)))
def test_every_shorter_head_is_incomplete(cut: int) -> None:
    """A head is complete with its last byte and not before."""
    assert parse(WEBSOCKET[:cut]) == Incomplete()


@pytest.mark.parametrize("code", ["ABC", "A" * 17, "ABC0", "ABCI", "AB%20D", "AB/D", ""])
def test_bad_room_codes_are_none(code: str) -> None:
    """What cannot be a room code is told as None."""
    parsed = parse(WEBSOCKET.replace(b"abcd2", code.encode()))
    assert isinstance(parsed, Head)
    assert parsed.room_code is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02",
        b" GET",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /ws?" + b"a=1&" * 40 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    """TLS, a wrong request line or a flood of query fields is answered with 400."""
    parsed = parse(data)
    assert isinstance(parsed, Bad)
    assert parsed.status == 400


def test_a_head_without_end_is_too_large() -> None:
    """Up to 8 KiB may still become a head; one byte more is answered with 431."""
    data = b"GET / HTTP/1.1\r\nx: " + b"a" * HEAD_BYTES
    assert parse(data[:HEAD_BYTES]) == Incomplete()
    too_large = parse(data[: HEAD_BYTES + 1])
    assert isinstance(too_large, Bad)
    assert too_large.status == 431
