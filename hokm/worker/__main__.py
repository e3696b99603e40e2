"""`python -m hokm.worker`: one worker, started by the supervisor with its channel as fd 3."""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any, Final

from hokm.multiprocess import never_forks
from hokm.worker.reactor import install

CHANNEL: Final = 3


def main() -> int:
    """Run a worker until the supervisor says stop; returns the exit code."""
    install()
    never_forks()
    # Not above: importing Autobahn installs a reactor.
    from twisted.internet import reactor as installed

    from hokm.worker.process import WorkerProcess

    reactor: Any = installed
    codes = [0]

    def end(code: int) -> None:
        codes[0] = code
        # A little later: what was written last still has to leave.
        reactor.callLater(0.1, reactor.stop)

    try:
        sock = socket.socket(fileno=CHANNEL)
    except OSError:
        sys.stderr.write("hokm.worker is started by `twistd hokm`, not by hand\n")
        return 2
    # A terminal's Ctrl-C goes to the whole group; the supervisor decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerProcess(reactor=reactor, sock=sock, end=end)
    reactor.run(installSignalHandlers=False)
    return codes[0]


if __name__ == "__main__":
    sys.exit(main())
