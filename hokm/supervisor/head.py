"""The head of an HTTP request, as far as routing needs it, read from bytes that stay unread.

Whoever gets the socket parses the whole request again, strictly; here only what is surely no
request is refused (RFC 9112). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qs

from hokm.wire import room_code

HEAD_BYTES: Final = 8192  # browsers send below 2 KiB, proxies' additions included

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")  # RFC 9112, 3
_QUERY_FIELDS: Final = 32  # more has no meaning here


@dataclass(frozen=True, slots=True)
class Head:
    """A complete head.

    Attributes:
        path: Without the query.
        room_code: The query's `room_code` in upper case; None if there is none or a bad one.
        is_websocket: Whether the request asks for a WebSocket (RFC 6455, 4.1).
        raw: All of its bytes.
    """

    method: str
    path: str
    room_code: str | None
    is_websocket: bool
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """It may become a head when more bytes come."""


@dataclass(frozen=True, slots=True)
class Bad:
    """It never becomes a head; the answer's status code and reason."""

    status: int
    reason: str


Parsed: TypeAlias = Head | Incomplete | Bad

_NO_REQUEST: Final = Bad(400, "Bad Request")
_TOO_LARGE: Final = Bad(431, "Request Header Fields Too Large")


def parse(data: bytes) -> Parsed:
    """Read a head from the first bytes of a connection.

    Args:
        data: All that came so far; beyond `HEAD_BYTES` + 1 nothing matters.
    """
    if data and not b"A" <= data[:1] <= b"Z":
        return _NO_REQUEST  # TLS to the plain port, for one; no need to wait for more
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
    if end < 0:
        return Incomplete() if len(data) <= HEAD_BYTES else _TOO_LARGE
    first, *fields = data[:end].split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        return _NO_REQUEST
    path, _, query = line[2].decode("ascii").partition("?")
    try:
        wanted = parse_qs(query, max_num_fields=_QUERY_FIELDS).get("room_code", [""])
    except ValueError:
        return _NO_REQUEST
    return Head(
        method=line[1].decode("ascii"),
        path=path,
        room_code=room_code(wanted[0]),
        is_websocket=line[1] == b"GET" and any(map(_is_upgrade, fields)),
        raw=data[: end + 4],
    )


def _is_upgrade(field: bytes) -> bool:
    name, _, value = field.partition(b":")
    return name.lower() == b"upgrade" and b"websocket" in value.lower()
