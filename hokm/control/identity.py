"""By what both sides know that a descriptor is the connection that was meant."""

from __future__ import annotations

import socket
import sys
from typing import Final

_SO_COOKIE: Final = 57  # asm-generic/socket.h; the socket module does not name it


def cookie(sock: socket.socket) -> int:
    """Return the kernel's number of a socket, which no other socket ever has."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)
