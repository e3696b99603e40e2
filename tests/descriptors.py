"""What this process has open, so that a test can see what it left open."""

from __future__ import annotations

import contextlib
import gc
import time
from collections import Counter
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import deferLater

SECONDS = 20.0  # in which what tests before this one began must have ended


def open_files() -> Counter[str]:
    """Count the open descriptors of each thing, as `socket:[INODE]`.

    A test compares what is left with what there was: what tests before it left to close by itself,
    and does so meanwhile, is not counted against it.
    """
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that by which the folder itself is read
            found[str(descriptor.readlink())] += 1
    return Counter({what: n for what, n in found.items() if not what.startswith("/proc/")})


async def until_as_before(before: Counter[str]) -> None:
    """Wait until no more is open than was before.

    A client of a test before this one may try to connect again while this one ends, and closes
    that by itself, and a fake manager's sockets live as long as it does; what the test itself left
    open stays.
    """
    gc.collect()
    end = time.monotonic() + SECONDS
    while left := open_files() - before:
        assert time.monotonic() < end, left
        await deferLater(reactor, 0.05)  # type: ignore[arg-type] # it is IReactorTime
