"""Ports for servers of one's own."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_FIRST: Final = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
_SPAN: Final = 12_000
# None is given out twice: whoever has it may not listen yet.
_left: Final = random.sample(range(_FIRST - _SPAN, _FIRST), _SPAN)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now, others for each caller.

    They are below those that the kernel gives to connections: one of them could have such a port
    before the server that it was chosen for.
    """
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        try:
            sockets.append(socket.create_server(("127.0.0.1", _left.pop())))
        except OSError:
            continue
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
