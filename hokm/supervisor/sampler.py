"""What the worker processes use of the machine, by psutil."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import psutil
from msgspec import Struct

KEPT: Final = 64  # looks: a minute, which is the longest that is asked about
_JITTER: Final = 0.9  # of the time asked about: looks are a second apart, more or less


class Usage(Struct, frozen=True):
    """What one process uses; None where that is not known.

    Attributes:
        cpu: Part of one core, 0 to 1 and a little more.
        memory: Bytes, page cache not counted.
    """

    cpu: float | None = None
    memory: int | None = None


@dataclass(slots=True)
class _Seen:
    process: psutil.Process
    memory: int = 0
    looks: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))


class Sampler:
    """Looks at processes again and again; missing is missing, never zero."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Make one that has seen nothing.

        Args:
            now: Seconds of a clock that never goes back.
        """
        self._now = now
        self._seen: dict[int, _Seen] = {}

    def look(self, pid: int) -> None:
        """See what *pid* uses; to be called about once a second."""
        try:
            seen = self._seen.get(pid)
            if seen is None:
                seen = self._seen[pid] = _Seen(psutil.Process(pid))
            with seen.process.oneshot():
                times = seen.process.cpu_times()
                seen.memory = own_memory(seen.process)
            seen.looks.append((self._now(), times.user + times.system))
        except psutil.Error:
            self.forget(pid)

    def usage(self, pid: int | None, seconds: float) -> Usage:
        """Return what *pid* used in the last *seconds*, as far as the looks go back."""
        seen = None if pid is None else self._seen.get(pid)
        if seen is None:
            return Usage()
        end, spent = seen.looks[-1]
        cpu = None
        for at, before in islice(reversed(seen.looks), 1, None):
            if end > at:
                cpu = (spent - before) / (end - at)
            if end - at >= _JITTER * seconds:
                break
        return Usage(cpu, seen.memory)

    def forget(self, pid: int) -> None:
        """Look at *pid* no more."""
        self._seen.pop(pid, None)


def own_memory(process: psutil.Process) -> int:
    """Return the bytes that a process has in memory, but for pages of files.

    Those are page cache: all processes of one program share them, and the system takes them back.
    """
    info = process.memory_info()
    return int(info.rss - info.shared)
