"""Writing to Twisted's transports without their detour by epoll."""

from __future__ import annotations

import socket
from typing import Any


def plain_socket(transport: Any) -> socket.socket | None:
    """Return the socket that a transport writes to; None where something, TLS, is between."""
    handle = transport.getHandle()
    return handle if isinstance(handle, socket.socket) else None


def send_some(plain: socket.socket, data: bytes) -> int:
    """Return how many bytes of *data* the kernel takes now; where it is 0, why is seen later."""
    try:
        return plain.send(data)
    except OSError:  # would block, or is broken: the transport finds out which
        return 0


def send_now(transport: Any, plain: socket.socket | None, data: bytes) -> bool:
    """Write *data*, at once as far as the kernel takes it and nothing waits already.

    Half of what `transport.write` costs is arming and disarming epoll, and with it a turn of the
    reactor. What is touched of a transport is pinned in tests/unit/test_pins.py.

    Args:
        plain: The transport's `plain_socket`.

    Returns:
        False where some of it waits in the transport's buffer.
    """
    if plain is not None and not transport.dataBuffer and not transport._tempDataBuffer:
        sent = send_some(plain, data)
        if sent == len(data):
            return True
        data = data[sent:]
    transport.write(data)
    return False
