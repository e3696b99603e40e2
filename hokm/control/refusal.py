"""Turning a connection away before anybody has read from it."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

_READ_BYTES: Final = 65536  # more than any head that is taken


def turn_away(sock: socket.socket, status: int, reason: str) -> None:
    """Answer a request that nobody has read with a status and no body, and close the socket."""
    answer = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with sock, contextlib.suppress(OSError):
        with contextlib.suppress(BlockingIOError):
            sock.recv(_READ_BYTES)  # closing over unread bytes resets, and the answer is lost
        sock.send(answer.encode("ascii"))
        sock.shutdown(socket.SHUT_WR)
