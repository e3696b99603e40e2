"""Ports for servers of one's own."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SPAN: Final = 12_000


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now.

    They are below those that the kernel gives to connections: one of them could have such a port
    before the server that it was chosen for.
    """
    first = int(_RANGE.read_text().split()[0])
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        try:
            port = random.randrange(first - _SPAN, first)
            sockets.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
