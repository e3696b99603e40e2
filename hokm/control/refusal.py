"""Turning a connection away: before anybody has read from it, or between two frames."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from hokm.wire import RESUME

GOODBYE: Final = b"\x88\x02" + RESUME.to_bytes(2, "big")  # a close frame; RFC 6455, 5.5.1
_READ_BYTES: Final = 65536  # more than any head that is taken


def answer(status: int, reason: str, *, retry_after: int | None = None) -> bytes:
    """Write a status without a body.

    Args:
        retry_after: Seconds (RFC 9110, 10.2.3).
    """
    later = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\n{later}Content-Length: 0\r\n\r\n"
    return head.encode("ascii")


def turn_away(
    sock: socket.socket, status: int, reason: str, *, retry_after: int | None = None
) -> None:
    """Answer a request that nobody has read with a status and no body, and close the socket."""
    with sock, contextlib.suppress(OSError):
        with contextlib.suppress(BlockingIOError):
            sock.recv(_READ_BYTES)  # closing over unread bytes resets, and the answer is lost
        sock.send(answer(status, reason, retry_after=retry_after))
        sock.shutdown(socket.SHUT_WR)
