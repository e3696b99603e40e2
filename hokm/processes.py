"""Children that an earlier life of this program started: it has executed itself in place since.

They are still ours, by pid, but Twisted knows only what it spawned itself. A pidfd (pidfd_open(2))
says when one ends, without signals, and without a race between two processes of the same number.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure


class AdoptedChild:
    """Stands in for the transport that `spawnProcess` returns.

    Attributes:
        pid: Of the process; None once it has ended.
    """

    def __init__(self, *, reactor: Any, pid: int, protocol: ProcessProtocol) -> None:
        """Watch a child.

        Args:
            reactor: Watches its pidfd.
            protocol: Is told when it ends, by `processEnded`.

        Raises:
            ProcessLookupError: There is no such process.
        """
        self.pid: int | None = pid
        self._reactor = reactor
        self._protocol = protocol
        self._pidfd = os.pidfd_open(pid)
        reactor.addReader(self)

    def signalProcess(self, name: str) -> None:
        """Send a signal by its short name, as KILL.

        Raises:
            ProcessExitedAlready: It has ended.
        """
        if self.pid is None:
            raise ProcessExitedAlready
        try:
            signal.pidfd_send_signal(self._pidfd, signal.Signals[f"SIG{name}"])
        except ProcessLookupError:
            raise ProcessExitedAlready from None

    def fileno(self) -> int:
        """Return the pidfd; for the reactor."""
        return self._pidfd

    def logPrefix(self) -> str:
        """Name this for Twisted's log."""
        return "adopted child"

    def doRead(self) -> None:
        """Hear that it has ended; called by the reactor."""
        self._reactor.removeReader(self)
        failure = Failure(self._end())
        os.close(self._pidfd)
        self.pid = None
        self._protocol.processEnded(failure)

    def _end(self) -> Exception:
        """Collect its exit status."""
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:  # not our child: whose it is knows how it ended
            return ProcessTerminated()
        if ended is None or ended.si_code != os.CLD_EXITED:
            return ProcessTerminated(signal=None if ended is None else ended.si_status)
        if ended.si_status:
            return ProcessTerminated(exitCode=ended.si_status)
        return ProcessDone(0)

    def connectionLost(self, reason: Failure) -> None:
        """Watch no more; called by the reactor at its end."""
