"""When a worker that dies is started again."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hokm.control import messages as m
from hokm.supervisor.workers import MOST_PAUSE, STABLE_SECONDS, Untaken, Worker, Workers


class Started:
    """A process that was asked for."""

    pid = 17

    def signalProcess(self, name: str) -> None:
        """Nothing hears it."""


class Processes(Clock):
    """A reactor that notes when a process is started, and starts none."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[float] = []
        self.refuse = False

    def spawnProcess(self, *_: object, **__: object) -> Started:
        """Note the time, or refuse as a system without memory does."""
        self.starts.append(self.seconds())
        if self.refuse:
            raise BlockingIOError("Resource temporarily unavailable")
        return Started()

    def addReader(self, _: object) -> None:
        """No descriptor is watched."""

    removeReader = addWriter = removeWriter = addReader


class Nobody:
    """A watcher that does not care."""

    def on_ready(self, worker: Worker) -> None: ...
    def on_lost(self, worker: Worker, untaken: Untaken) -> None: ...
    def on_idle(self, worker: Worker, room: str) -> None: ...
    def on_untaken(self, worker: Worker, connection: m.Connection, sock: socket.socket) -> None: ...
    def on_misconfigured(self, worker: Worker, reason: str) -> None: ...


def _one_worker(reactor: Processes) -> Worker:
    workers = Workers(
        reactor=reactor,
        watcher=Nobody(),
        configuration=lambda id: m.Configure(worker=id, store="", settings=b""),
        environ={},
        on_gone=lambda pid: None,
    )
    workers.start(1)
    return workers[1]


def _die(worker: Worker) -> None:
    worker.processEnded(Failure(ProcessTerminated(1)))


def _pauses(
    reactor: Processes, worker: Worker, deaths: int, live: Callable[[], None] = lambda: None
) -> list[float]:
    """Let the worker die *deaths* times, and say how long it was dead each time."""
    pauses = []
    for _ in range(deaths):
        live()
        died = reactor.seconds()
        _die(worker)
        (start,) = reactor.getDelayedCalls()
        reactor.advance(start.getTime() - died)
        pauses.append(round(reactor.starts[-1] - died, 3))
    return pauses


def test_pauses_grow() -> None:
    """From 0.1 s the pause before a new start doubles, up to 30 s."""
    reactor = Processes()
    reactor.advance(1)
    pauses = _pauses(reactor, _one_worker(reactor), 11)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_a_good_life_shortens_the_pause() -> None:
    """After more than ten seconds of readiness the pause begins anew."""
    reactor = Processes()
    reactor.advance(1)
    worker = _one_worker(reactor)
    _pauses(reactor, worker, 5)

    def live() -> None:
        worker._hear(m.Ready(), [])
        reactor.advance(STABLE_SECONDS + 1)

    assert _pauses(reactor, worker, 3, live) == [0.1, 0.1, 0.1]


def test_a_refused_start_is_tried_again() -> None:
    """When the system starts no process, the pause grows in the same way."""
    reactor = Processes()
    reactor.refuse = True
    worker = _one_worker(reactor)
    for _ in range(20):
        reactor.advance(0.1)
    assert len(reactor.starts) == 5  # after 0.1, 0.2, 0.4 and 0.8 s
    reactor.refuse = False
    reactor.advance(2)
    assert worker.pid == Started.pid


def test_a_stop_between_two_lives_is_final() -> None:
    """A worker that is stopped while it is dead is not started again."""
    reactor = Processes()
    worker = _one_worker(reactor)
    _die(worker)
    assert worker.stop(1.0).called
    reactor.advance(MOST_PAUSE)
    assert len(reactor.starts) == 1
