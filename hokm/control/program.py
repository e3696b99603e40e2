"""What the programs that a supervisor starts have in common: a channel, an end when it says so."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from hokm.monotonic import use_monotonic_time

CHANNEL: Final = 3
_LAST_SECONDS: Final = 0.1


def serve(name: str, make: Callable[..., object]) -> int:
    """Run a child of the supervisor until it says stop; returns the exit code.

    Args:
        name: Of the program, for a person who starts it by hand.
        make: Makes what it does, given *reactor*, the channel's *sock*, and *end*, to be called
            with the exit code.
    """
    from twisted.internet import reactor as installed  # a worker installs its own before

    reactor: Any = installed
    use_monotonic_time(reactor)
    codes = [0]

    def end(code: int) -> None:
        codes[0] = code
        # A little later: what was written last still has to leave.
        reactor.callLater(_LAST_SECONDS, reactor.stop)

    try:
        sock = socket.socket(fileno=CHANNEL)
    except OSError:
        sys.stderr.write(f"{name} is started by `twistd hokm`, not by hand\n")
        return 2
    # A terminal's Ctrl-C or end goes to the whole group; the supervisor decides when a child ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    make(reactor=reactor, sock=sock, end=end)
    reactor.run(installSignalHandlers=False)
    return codes[0]
