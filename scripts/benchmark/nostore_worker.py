"""A worker whose commits are answered at once and stored nowhere: what a play costs without them.

For the benchmark alone: hokm itself has no switch for it. Rooms are still made and read in the
store, so that this worker differs from a real one in nothing but its commits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed

from hokm.control.program import serve
from hokm.multiprocess import never_forks
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, Verdict
from hokm.worker.reactor import install


class Forgetful:
    """A store that says of every entry that it is stored, and stores none.

    It stands before a real one and is none itself: nothing can inherit from a compiled class.
    """

    def __init__(self, **settings: Any) -> None:
        self._real = RedisStore(**settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        """Answer at once."""
        return succeed([Verdict.DONE] * len(entries))


def main() -> int:
    """Run a worker, as `hokm.worker` does; returns the exit code."""
    install()
    never_forks()
    from hokm.worker.process import WorkerProcess

    store = cast(type[RedisStore], Forgetful)
    return serve("benchmark.nostore_worker", partial(WorkerProcess, make_store=store))


if __name__ == "__main__":
    sys.exit(main())
