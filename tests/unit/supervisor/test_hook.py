"""When the operator's command is run, and what becomes of one that takes too long."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hokm.scaling import Scaling
from hokm.supervisor.hook import PAUSE_SECONDS, SECONDS, Hook

COMMAND = ("/bin/more", "please")
NOTHING = Scaling(min_workers=1, max_workers=1)
SCALING = Scaling(min_workers=1, max_workers=1, instance_command=COMMAND)
ENVIRON = {"PATH": "/bin", "HOKM_ADMIN_TOKEN": "a secret that nobody else is told"}


class Reactor(Clock):
    """Starts no process, and notes which were asked for.

    Attributes:
        refuses: Whether the system has no process left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[Any, str, list[str], dict[str, str]]] = []
        self.signals: list[str] = []
        self.refuses = False

    def spawnProcess(
        self, protocol: Any, executable: str, args: list[str], *, env: Any, childFDs: Any
    ) -> None:
        if self.refuses:
            raise OSError("no process is left")
        protocol.transport = self
        self.runs.append((protocol, executable, args, env))

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)
        if len(self.signals) > 1:
            raise ProcessExitedAlready


def test_it_is_told_why_and_no_secrets() -> None:
    """The reasons are in its environment, which has little else."""
    reactor = Reactor()
    Hook(reactor=reactor, environ=ENVIRON, now=lambda: 0.0).call(SCALING, ["one", "two"])
    [(_, executable, args, environ)] = reactor.runs
    assert (executable, args) == ("/bin/more", ["/bin/more", "please"])
    assert environ == {"PATH": "/bin", "HOKM_REASONS": "one; two"}


def test_not_too_often() -> None:
    """Two wishes within five minutes are one run; no command is no run."""
    reactor = Reactor()
    hook = Hook(reactor=reactor, environ={}, now=lambda: 0.0)
    hook.call(NOTHING, ["nothing to be done"])
    assert reactor.runs == []
    hook.call(SCALING, [])
    reactor.runs[0][0].processEnded(Failure(ProcessDone(0)))
    reactor.advance(PAUSE_SECONDS - 1)
    hook.call(SCALING, [])
    assert len(reactor.runs) == 1
    reactor.advance(1)
    hook.call(SCALING, [])
    assert len(reactor.runs) == 2


def test_one_that_takes_too_long_is_killed() -> None:
    """It is killed once; one that has ended, or was never started, is not."""
    reactor = Reactor()
    hook = Hook(reactor=reactor, environ={}, now=lambda: 0.0)
    hook.call(SCALING, [])
    reactor.advance(SECONDS)
    assert reactor.signals == ["KILL"]
    reactor.runs[0][0].processEnded(Failure(ProcessDone(0)))
    assert not reactor.getDelayedCalls()
    reactor.refuses = True
    reactor.advance(PAUSE_SECONDS)
    hook.call(SCALING, [])
    assert not reactor.getDelayedCalls()
