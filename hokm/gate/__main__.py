"""`python -m hokm.gate`: one gate, started by the supervisor with its channel as fd 3."""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any, Final

CHANNEL: Final = 3


def main() -> int:
    """Run a gate until the supervisor says stop; returns the exit code."""
    from twisted.internet import reactor as installed

    from hokm.gate.process import GateProcess

    reactor: Any = installed
    codes = [0]

    def end(code: int) -> None:
        codes[0] = code
        # A little later: what was written last still has to leave.
        reactor.callLater(0.1, reactor.stop)

    try:
        sock = socket.socket(fileno=CHANNEL)
    except OSError:
        sys.stderr.write("hokm.gate is started by `twistd hokm`, not by hand\n")
        return 2
    # A terminal's Ctrl-C goes to the whole group; the supervisor decides when a gate ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    GateProcess(reactor=reactor, sock=sock, end=end)
    reactor.run(installSignalHandlers=False)
    return codes[0]


if __name__ == "__main__":
    sys.exit(main())
