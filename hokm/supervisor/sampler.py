"""What the worker processes use of the machine, by psutil."""

from __future__ import annotations

import psutil
from msgspec import Struct


class Usage(Struct, frozen=True):
    """What one process uses.

    Attributes:
        cpu: Part of one core since the last look, 0 to 1.
        memory: Resident bytes.
    """

    cpu: float = 0.0
    memory: int = 0


class Sampler:
    """Looks at processes again and again."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def look(self, pid: int) -> Usage:
        """Return what *pid* uses; nothing at the first look, and when it is gone."""
        try:
            process = self._processes.get(pid)
            if process is None:
                process = self._processes[pid] = psutil.Process(pid)
            with process.oneshot():
                return Usage(process.cpu_percent() / 100, process.memory_info().rss)
        except psutil.Error:
            self.forget(pid)
            return Usage()

    def forget(self, pid: int) -> None:
        """Look at *pid* no more."""
        self._processes.pop(pid, None)


def memory_limit() -> int:
    """Return how many bytes the machine has."""
    return int(psutil.virtual_memory().total)
