"""A worker whose commits are answered at once and stored nowhere: what a play costs without them.

For the benchmark alone: hokm itself has no switch for it. Rooms are still made and read in the
store, so that this worker differs from a real one in nothing but its commits.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed

from hokm.multiprocess import never_forks
from hokm.store.redis import RedisStore
from hokm.store.store import Entry, Verdict
from hokm.worker.__main__ import CHANNEL
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


def main() -> None:
    """Run a worker, as `hokm.worker` does."""
    install()
    never_forks()
    from twisted.internet import reactor as installed

    from hokm.worker.process import WorkerProcess

    reactor: Any = installed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerProcess(
        reactor=reactor,
        sock=socket.socket(fileno=CHANNEL),
        end=lambda code: reactor.callLater(0.1, reactor.stop),
        make_store=cast(type[RedisStore], Forgetful),
    )
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
