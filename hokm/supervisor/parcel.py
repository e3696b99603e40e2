"""Thousands of descriptors as two: a pair of sockets in whose queue they wait.

systemd compares each descriptor that it stores with all it has. With version 252, storing 2,000
took 1.9 s of the whole machine's service manager, and 8,000 took more than 25 s; in a parcel the
8,000 took 12 ms, and ``FileDescriptorStoreMax=`` need not grow with the players. The invariant:
what is in a parcel stays open as long as one of its two sockets is, in whatever process.
"""

from __future__ import annotations

import socket
from array import array
from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

_log = Logger()

_MESSAGE_DESCRIPTORS: Final = 253  # SCM_MAX_FD of the kernel, unix(7)
_BUFFER_BYTES: Final = 1 << 20  # the kernel may grant less; 200 KB are enough for 50,000
_RIGHTS_BYTES: Final = socket.CMSG_SPACE(4 * _MESSAGE_DESCRIPTORS)


def pack(fds: Sequence[int]) -> tuple[socket.socket, socket.socket]:
    """Put copies of descriptors into a parcel.

    Args:
        fds: Stay the caller's, and may be closed at once.

    Returns:
        Both sockets, which are stored under one name: alone, one of them would have hung up, and
        the store drops such a descriptor.

    Raises:
        OSError: A descriptor is not open, or they are more than may be under way: without
            privileges as many as RLIMIT_NOFILE, those of this user's other sockets included.
    """
    back, front = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        back.setblocking(False)
        back.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        for start in range(0, len(fds), _MESSAGE_DESCRIPTORS):
            socket.send_fds(back, [b"\0"], fds[start : start + _MESSAGE_DESCRIPTORS])
    except OSError:
        back.close()
        front.close()
        raise
    return back, front


def unpack(fd: int) -> list[int]:
    """Take the descriptors out of a parcel, in their order; they are close-on-exec.

    Args:
        fd: Either of its sockets, which is closed; only one of the two holds something.

    Returns:
        What this process has room for (RLIMIT_NOFILE). The rest is closed, which is logged.
    """
    fds = array("i")
    lost = False
    with socket.socket(fileno=fd) as sock:
        sock.setblocking(False)
        while True:
            try:
                data, ancillary, flags, _ = sock.recvmsg(1, _RIGHTS_BYTES, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                break
            if not data:
                break
            for _, _, rights in ancillary:
                fds.frombytes(rights[: len(rights) - len(rights) % fds.itemsize])
            lost |= bool(flags & socket.MSG_CTRUNC)
    if lost:
        _log.error("out of descriptors: only {count} of a parcel are left", count=len(fds))
    return list(fds)
