"""When the operator's command is run, and what becomes of one that takes too long."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
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
    Hook(reactor=reactor, environ=ENVIRON, now=lambda: 0.0).wanted(SCALING, ["one", "two"])
    [(_, executable, args, environ)] = reactor.runs
    assert (executable, args) == ("/bin/more", ["/bin/more", "please"])
    assert environ == {"PATH": "/bin", "HOKM_REASONS": "one; two"}


def test_not_too_often() -> None:
    """A wish is one run; so are two within five minutes, of which the second is told later."""
    reactor = Reactor()
    hook = Hook(reactor=reactor, environ={}, now=lambda: 0.0)
    hook.wanted(NOTHING, ["nothing to be done"])
    assert reactor.runs == []
    hook.wanted(SCALING, [])
    reactor.runs[0][0].processEnded(Failure(ProcessDone(0)))
    hook.unwanted()
    reactor.advance(PAUSE_SECONDS - 1)
    hook.wanted(SCALING, [])
    assert len(reactor.runs) == 1
    for _ in range(3):
        reactor.advance(PAUSE_SECONDS)
        hook.wanted(SCALING, [])
        assert len(reactor.runs) == 2


def test_one_that_fails_is_run_again() -> None:
    """For as long as the wish lasts, and not too often."""
    reactor = Reactor()
    hook = Hook(reactor=reactor, environ={}, now=lambda: 0.0)
    for runs in (1, 2, 3):
        hook.wanted(SCALING, [])
        assert len(reactor.runs) == runs
        reactor.runs[-1][0].processEnded(Failure(ProcessTerminated(1)))
        hook.wanted(SCALING, [])
        assert len(reactor.runs) == runs
        reactor.advance(PAUSE_SECONDS)


def test_one_that_takes_too_long_is_killed() -> None:
    """It is killed once; one that has ended, or was never started, is not."""
    reactor = Reactor()
    hook = Hook(reactor=reactor, environ={}, now=lambda: 0.0)
    hook.wanted(SCALING, [])
    reactor.advance(SECONDS)
    assert reactor.signals == ["KILL"]
    reactor.runs[0][0].processEnded(Failure(ProcessDone(0)))
    assert not reactor.getDelayedCalls()
    reactor.refuses = True
    reactor.advance(PAUSE_SECONDS)
    hook.wanted(SCALING, [])
    assert not reactor.getDelayedCalls()
