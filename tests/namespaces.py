"""Being in another network: all sockets that this thread, and what it starts, make meanwhile."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_HERE = Path("/proc/thread-self/ns/net")
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network(there: Path) -> Iterator[None]:
    """Be in the network that a file of the kernel stands for."""
    with _HERE.open("rb") as before:
        with there.open("rb") as namespace:
            _enter(namespace.fileno())
        _renew_threads()
        try:
            yield
        finally:
            _enter(before.fileno())
            _renew_threads()


def _enter(namespace: int) -> None:
    """Put this thread into a network, setns(2); Python has it from 3.12 on."""
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _renew_threads() -> None:
    """Let the reactor's threads end: each is for good in the network in which it began."""
    reactor: Any = installed
    pool = reactor.getThreadPool()
    least, most = pool.min, pool.max
    pool.adjustPoolsize(0, 0)
    pool.adjustPoolsize(least, most)
