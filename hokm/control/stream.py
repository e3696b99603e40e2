"""What the kernel knows of a connection: which one it is, and how many bytes were read and written.

The identity is `SO_COOKIE`, a number that no other socket of the machine ever has. The counts come
from `TCP_INFO` (tcp(7)): bytes received less those that nobody has read; bytes acknowledged plus
those in the send queue. They tell what a process that was killed had done with the socket.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hokm.control.ledger import SENT, SENT_FROM, TAKEN, Line

_SO_COOKIE: Final = 57  # asm-generic/socket.h; the socket module does not name it
_SIOCINQ: Final = 0x541B  # linux/sockios.h
_SIOCOUTQ: Final = 0x5411
_INFO: Final = struct.Struct("=120xQQ")  # linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received (4.1)


def cookie(sock: socket.socket) -> int:
    """Return the kernel's number of a socket, which no other socket ever has."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)


@dataclass(frozen=True, slots=True)
class Counts:
    """Bytes since the request began.

    Attributes:
        read: By whoever held the socket.
        written: To the kernel, sent or not.
    """

    read: int
    written: int


def counts(sock: socket.socket, skipped: int = 0) -> Counts | None:
    """Ask the kernel; None where it does not count: no TCP, or the connection is gone.

    Args:
        skipped: Bytes that were read before the request; they are not counted.
    """
    try:
        before = None
        # What arrives between the questions would make the sums wrong: ask until nothing did.
        while (info := _info(sock)) != before:
            before = info
            unread, unsent = (_queued(sock, queue) for queue in (_SIOCINQ, _SIOCOUTQ))
    except (OSError, struct.error):
        return None
    acknowledged, received = info
    return Counts(received - unread - skipped, acknowledged + unsent)


def _info(sock: socket.socket) -> tuple[int, int]:
    """Return bytes acknowledged and received."""
    acknowledged, received = _INFO.unpack(
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    )
    return acknowledged, received


def _queued(sock: socket.socket, queue: int) -> int:
    return int.from_bytes(fcntl.ioctl(sock, queue, bytes(4)), sys.byteorder)


class Trust(Enum):
    """How far the streams of a connection can be gone on with, once its worker was killed."""

    UNREAD = "unread"  # nobody has read from it: it is as good as new
    UNANSWERED = "unanswered"  # the request was read, and no byte of the answer was written
    WHOLE = "whole"  # both streams stand between two messages
    HALF_READ = "half read"  # a part of a message is gone with the worker; a close can be sent
    CUT = "cut"  # a part of a frame was written: whatever is sent now would be misread


def trust(kernel: Counts | None, line: Line, head_bytes: int) -> Trust:
    """Compare the kernel's counts with the ledger's.

    Args:
        head_bytes: Length of the request head.
    """
    if kernel is None:
        return Trust.CUT
    if not kernel.read:
        return Trust.UNREAD
    if not kernel.written:
        return Trust.UNANSWERED if kernel.read == head_bytes else Trust.CUT
    if kernel.written not in (line[SENT], line[SENT_FROM]):
        return Trust.CUT
    return Trust.WHOLE if kernel.read == line[TAKEN] else Trust.HALF_READ
