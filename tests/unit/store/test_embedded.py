"""The embedded store's child, where the system refuses it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hokm.store.embedded import FIRST_PAUSE, MOST_PAUSE, EmbeddedServer, StateDir


class System(Clock):
    """A reactor that starts no process.

    Attributes:
        refuses: How often it still fails.
        tries: When it was asked for a process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuses = 0
        self.tries: list[float] = []

    def spawnProcess(self, *asked: Any, **how: Any) -> None:
        self.tries.append(self.seconds())
        if self.refuses:
            self.refuses -= 1
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_no_process_is_left_for_it(tmp_path: Path) -> None:
    """It is tried again, later and later, until there is one; no descriptor is lost meanwhile."""
    state, system = StateDir(tmp_path), System()
    server = EmbeddedServer(state=state, reactor=system)
    system.refuses = 9
    files = len(list(Path("/proc/self/fd").iterdir()))
    server.processEnded(Failure(ProcessTerminated(1)))
    system.pump([FIRST_PAUSE] * int(60 / FIRST_PAUSE))
    assert len(system.tries) == 10
    pauses = [after - before for before, after in zip(system.tries, system.tries[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[-1] < MOST_PAUSE + 2 * FIRST_PAUSE
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    state.close()
