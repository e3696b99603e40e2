"""Writing to Twisted's transports without their detour by epoll."""

from __future__ import annotations

import os
import socket
from typing import Any, Final

NONE: Final = -1  # no descriptor


def plain_descriptor(transport: Any) -> int:
    """Return the descriptor of the socket that a transport writes to.

    It is a number and may be another socket's once this one is closed: who keeps it forgets it
    when the connection is lost.

    Returns:
        `NONE` where something, TLS, is between.
    """
    handle = transport.getHandle()
    return handle.fileno() if isinstance(handle, socket.socket) else NONE


def send_some(fd: int, data: bytes) -> int:
    """Return how many bytes of *data* the kernel takes now, on a socket that never waits.

    Where it is 0 the socket would block, or is broken: the transport finds out which.
    """
    try:
        return os.write(fd, data)
    except OSError:
        return 0


def send_now(transport: Any, fd: int, data: bytes) -> None:
    """Write *data*, at once as far as the kernel takes it and nothing waits already.

    Half of what `transport.write` costs is arming and disarming epoll, and with it a turn of the
    reactor. What is touched of a transport is pinned in tests/unit/test_pins.py.

    Args:
        fd: The transport's `plain_descriptor`.
    """
    if fd != NONE and not transport.dataBuffer and not transport._tempDataBuffer:
        sent = send_some(fd, data)
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)
