"""The worker processes: their lives, from start to end and start again.

A worker is `starting`, then `ready`, `stopping` while it ends as it was told, and `dead` until it
is started again. Its number stays when it is started again; its process does not.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.control import messages as m
from hokm.control.channel import Channel, ChannelFull

_log = Logger()

State: TypeAlias = Literal["starting", "ready", "stopping", "dead"]
Untaken: TypeAlias = list[tuple[m.Connection, socket.socket]]

START_SECONDS: Final = 30.0  # imports take 0.5 s of CPU, more on a busy machine
FIRST_PAUSE: Final = 0.1  # seconds before a dead worker is started again; doubled up to ...
MOST_PAUSE: Final = 30.0
STABLE_SECONDS: Final = 2.0  # ... and back to the first after so long in the state ready
EXIT_SECONDS: Final = 1.0  # between the end of its channel and its own
STOP_MARGIN: Final = 2.0  # beyond the time it was given, before it is terminated, then killed
MISCONFIGURED: Final = 3  # exit code, see hokm.worker
_CHANNEL: Final = 3  # the worker's descriptor


class Watcher(Protocol):
    """Who is told how the workers fare."""

    def on_ready(self, worker: Worker) -> None:
        """The worker takes connections."""

    def on_lost(self, worker: Worker, untaken: Untaken) -> None:
        """The worker is gone; *untaken* connections were never read from and can go elsewhere."""

    def on_idle(self, worker: Worker, room: str) -> None:
        """The worker holds the room no more, and no connection for it is on the way."""

    def on_untaken(self, worker: Worker, connection: m.Connection, sock: socket.socket) -> None:
        """The worker did not take a connection."""

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """The worker cannot work as it is configured; it is not started again."""


class Worker(ProcessProtocol):
    """One worker.

    Attributes:
        id: Number, the same in all its lives.
        pid: Of its process; None while there is none.
        stats: What it reported last; None before it did.
    """

    def __init__(self, *, id: int, workers: Workers) -> None:
        self.id = id
        self.pid: int | None = None
        self.state: State = "dead"
        self.stats: m.Stats | None = None
        self._workers = workers
        self._clock = workers.reactor
        self._channel: Channel[m.FromWorker] | None = None
        self._untaken: dict[int, tuple[m.Connection, socket.socket]] = {}
        self._pause = FIRST_PAUSE
        self._ready_since: float | None = None
        self._alarm: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._hopeless = False

    # --- life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process; if the system refuses, later."""
        try:
            self._spawn()
        except OSError as error:
            _log.error("worker {id} cannot be started: {error}", id=self.id, error=error)
            self.state = "dead"
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            self._start_again(0.0)

    def _spawn(self) -> None:
        self.state = "starting"
        self.stats = None
        self._ready_since = None
        ours, theirs = Channel.pair()
        self._channel = Channel(
            reactor=self._clock,
            sock=ours,
            decoder=m.FROM_WORKER,
            on_message=self._hear,
            on_lost=self._channel_lost,
        )
        command = self._workers.command
        with theirs, open(os.devnull, "rb") as null:  # noqa: PTH123 - devnull is a text
            transport = self._clock.spawnProcess(
                self,
                command[0],
                list(command),
                env=dict(self._workers.environ),
                childFDs={0: null.fileno(), 1: 1, 2: 2, _CHANNEL: theirs.fileno()},
            )
        self.pid = transport.pid
        self._tell(self._workers.configuration(self.id))
        self._set_alarm(START_SECONDS, self._never_ready)

    def _never_ready(self) -> None:
        _log.error("worker {id} did not get ready in {s} s", id=self.id, s=START_SECONDS)
        self._signal("KILL")

    def stop(self, seconds: float) -> Deferred[None]:
        """End the worker: it gets *seconds*, then SIGTERM, then SIGKILL. Fires when it is gone."""
        gone: Deferred[None] = Deferred()
        if self.state == "dead":
            self._set_alarm(None)
            self._hopeless = True
            gone.callback(None)
            return gone
        self._gone.append(gone)
        if self.state == "stopping":
            return gone
        self.state = "stopping"
        self._tell(m.Stop(grace_s=seconds))
        self._set_alarm(seconds + STOP_MARGIN, self._terminate)
        return gone

    def _terminate(self) -> None:
        _log.warn("worker {id} does not stop and is killed", id=self.id)
        self._signal("TERM")
        self._set_alarm(STOP_MARGIN, lambda: self._signal("KILL"))

    def _channel_lost(self, reason: Failure) -> None:
        if self.state != "stopping":  # which ends with this, and has its own time
            # Not at once: it may be about to say by its exit code why it ends.
            self._set_alarm(EXIT_SECONDS, lambda: self._signal("KILL"))

    def _signal(self, name: str) -> None:
        try:
            if self.transport is not None:
                self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    def processEnded(self, reason: Failure) -> None:
        """Hear that the process is gone."""
        wanted = self.state == "stopping"
        lived = self._clock.seconds() - self._ready_since if self._ready_since is not None else 0.0
        pid, self.pid = self.pid, None
        self.state = "dead"
        self._set_alarm(None)
        self.transport = None
        if self._channel is not None:
            self._channel.drain()  # a `Got` may lie there: such a connection was read from
            self._channel.close()
            self._channel = None
        untaken = list(self._untaken.values())
        self._untaken.clear()
        if not wanted:
            code = getattr(reason.value, "exitCode", None)
            if code == MISCONFIGURED and not self._hopeless:
                self._give_up(f"worker {self.id} ended with code {code}: it is misconfigured")
            _log.error(
                "worker {id} (pid {pid}) died: {reason}",
                id=self.id,
                pid=pid,
                reason=reason.getErrorMessage(),
            )
        if not (wanted or self._hopeless):
            self._start_again(lived)
        self._workers.gone(self, pid, untaken)
        stopped, self._gone = self._gone, []
        for gone in stopped:
            gone.callback(None)

    def _start_again(self, lived: float) -> None:
        if lived > STABLE_SECONDS:
            self._pause = FIRST_PAUSE
        self._set_alarm(self._pause, self._restart)
        self._pause = min(2 * self._pause, MOST_PAUSE)

    def _restart(self) -> None:
        self._alarm = None
        self.start()

    def _set_alarm(self, seconds: float | None, call: Callable[[], None] | None = None) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None
        if seconds is not None and call is not None:
            self._alarm = self._clock.callLater(seconds, call)

    # --- talk -----------------------------------------------------------------------------

    def give(self, connection: m.Connection, sock: socket.socket) -> None:
        """Hand a connection over; *sock* is kept until the worker has it."""
        self._untaken[connection.connection] = (connection, sock)
        try:
            self._tell(connection, [sock.fileno()])
        except OSError as error:  # no descriptor is left for a copy
            _log.error("a connection was dropped: {error}", error=error)
            del self._untaken[connection.connection]
            sock.close()

    def _tell(self, message: m.ToWorker, fds: Sequence[int] = ()) -> None:
        if self._channel is None:
            return  # it is dead: `processEnded` returns what it had not taken
        try:
            self._channel.send(message, fds)
        except ChannelFull:
            _log.error("worker {id} hangs and is killed", id=self.id)
            self._signal("KILL")

    def _hear(self, message: m.FromWorker, descriptors: list[int]) -> None:
        for descriptor in descriptors:  # a worker has none to give
            os.close(descriptor)
        watcher = self._workers.watcher
        match message:
            case m.Stats():
                self.stats = message
            case m.Got(connection=number):
                _, sock = self._untaken.pop(number)
                sock.close()
            case m.NotTaken(connection=number, reason=reason):
                _log.error("worker {id} took no connection: {reason}", id=self.id, reason=reason)
                watcher.on_untaken(self, *self._untaken.pop(number))
            case m.RoomIdle(room=room):
                if all(given.room != room for given, _ in self._untaken.values()):
                    watcher.on_idle(self, room)
            case m.Ready() if self.state == "starting":
                self.state = "ready"
                self._ready_since = self._clock.seconds()
                self._set_alarm(None)
                watcher.on_ready(self)
            case m.Misconfigured(message=reason):
                self._give_up(reason)
            case m.Hello(protocol=protocol):
                self._check(protocol)
            case _:
                return

    def _check(self, protocol: int) -> None:
        try:
            m.check_protocol(protocol)
        except m.WrongProtocol as error:
            self._give_up(str(error))
            self._signal("KILL")

    def _give_up(self, reason: str) -> None:
        self._hopeless = True
        self._workers.watcher.on_misconfigured(self, reason)


class Workers:
    """All workers of this supervisor."""

    def __init__(
        self,
        *,
        reactor: Any,
        watcher: Watcher,
        configuration: Callable[[int], m.Configure],
        environ: Mapping[str, str],
        command: Sequence[str] = (sys.executable, "-m", "hokm.worker"),
        on_gone: Callable[[int], None],
    ) -> None:
        """Make no worker yet.

        Args:
            configuration: Makes what the worker of a number is told first.
            environ: Of the processes.
            command: What is started.
            on_gone: Is told the pid of each process that has ended.
        """
        self.reactor = reactor
        self.watcher = watcher
        self.configuration = configuration
        self.environ = environ
        self.command = command
        self._on_gone = on_gone
        self._workers: dict[int, Worker] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __getitem__(self, id: int) -> Worker:
        return self._workers[id]

    def start(self, count: int) -> None:
        """Start *count* more workers."""
        for id in range(len(self._workers) + 1, len(self._workers) + 1 + count):
            worker = self._workers[id] = Worker(id=id, workers=self)
            worker.start()

    def stop(self, seconds: float) -> Deferred[Any]:
        """End all workers at once; fires when all are gone."""
        return DeferredList([worker.stop(seconds) for worker in self._workers.values()])

    def gone(self, worker: Worker, pid: int | None, untaken: Untaken) -> None:
        """Hear from a worker that its process is gone."""
        if pid is not None:
            self._on_gone(pid)
        self.watcher.on_lost(worker, untaken)
