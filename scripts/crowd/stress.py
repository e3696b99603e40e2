"""A worker that can be put under stress: python -m crowd.stress, started by `crowd.server`.

It is hokm's own worker with a burden, which a file of the test says; hokm itself has no switch for
it, and starts this program nowhere.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from hokm.control.program import serve
from hokm.multiprocess import never_forks
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, Verdict
from hokm.worker.reactor import install

VARIABLE: Final = "CROWD_STRESS"  # names the file
LOOK_SECONDS: Final = 0.1
SLICE: Final = 8 << 20  # bytes that are taken at a look: all at once were a burden on the CPU, too


class Stress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What burdens workers.

    Attributes:
        pid: Of the worker that is meant; None: all.
        cpu: Part of a core that it burns, 0 to 1.
        turn_s: For so long it burns at a time, and does nothing else meanwhile.
        memory: Bytes that it holds.
        record_s: What each record that it stores costs it, in seconds of CPU.
    """

    pid: int | None = None
    cpu: float = 0.0
    turn_s: float = 0.01
    memory: int = 0
    record_s: float = 0.0


def burn(seconds: float) -> None:
    """Use a core for so long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


class Burden:
    """Burdens this process as the file says.

    Attributes:
        record_s: See `Stress`.
    """

    def __init__(self, reactor: Any, file: Path) -> None:
        """Begin to look at the file."""
        self.record_s = 0.0
        self._reactor = reactor
        self._file = file
        self._stress = Stress()
        self._ballast = bytearray()
        self._look()
        self._burn()

    def _look(self) -> None:
        try:
            stress = msgspec.json.decode(self._file.read_bytes(), type=Stress)
        except (OSError, msgspec.DecodeError):  # there is none, or it is just being written
            stress = Stress()
        self._stress = stress if stress.pid in (None, os.getpid()) else Stress()
        self.record_s = self._stress.record_s
        self._hold(self._stress.memory)
        self._reactor.callLater(LOOK_SECONDS, self._look)

    def _hold(self, memory: int) -> None:
        """Take a slice more, up to so many bytes; or let go what is more than that."""
        if memory < len(self._ballast):
            self._ballast = bytearray()
        missing = memory - len(self._ballast)
        self._ballast += b"\1" * min(SLICE, missing)  # written to, hence resident

    def _burn(self) -> None:
        cpu, turn = self._stress.cpu, self._stress.turn_s
        if cpu > 0:
            burn(turn)
        self._reactor.callLater(turn / cpu - turn if cpu > 0 else LOOK_SECONDS, self._burn)


class Costly:
    """A store whose records cost the worker what the burden says; else a real one."""

    def __init__(self, burden: Burden, **settings: Any) -> None:
        self._burden = burden
        self._real = RedisStore(**settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        """Store what a turn has decided."""
        burn(self._burden.record_s * len(entries))
        return self._real.commit(entries)


def main() -> int:
    """Run a worker, as `hokm.worker` does; returns the exit code."""
    install()
    never_forks()
    from hokm.worker.process import WorkerProcess

    def make(*, reactor: Any, **program: Any) -> None:
        burden = Burden(reactor, Path(os.environ[VARIABLE]))
        store = cast(type[RedisStore], lambda **settings: Costly(burden, **settings))
        WorkerProcess(reactor=reactor, make_store=store, **program)

    return serve("crowd.stress", make)


if __name__ == "__main__":
    sys.exit(main())
