"""When a gate ends."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from hokm.gate.process import GateProcess


def test_a_retired_gate_waits_for_handshakes() -> None:
    """Who is shaking hands when another gate takes over is let in by this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ended: list[int] = []
    gate = GateProcess(reactor=MemoryReactorClock(), sock=ours, end=ended.append)
    door: Any = ["somebody"]
    gate._door = door
    gate._retire()
    gate._tend()
    assert ended == []
    gate._door = None
    gate._tend()
    assert ended == [0]
    theirs.close()
    ours.close()
