"""One worker process, from its start to its end.

A worker is `starting`, then `ready`; `draining` while its rooms are moved away, `stopping` while it
ends as it was told, and `dead`. It has one life: another process is another `Worker`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.control import messages as m
from hokm.control.channel import Channel, ChannelFull
from hokm.supervisor.placement import WorkerId

_log = Logger()

State: TypeAlias = Literal["starting", "ready", "draining", "stopping", "dead"]

START_SECONDS: Final = 30.0  # imports take 0.5 s of CPU, more on a busy machine
EXIT_SECONDS: Final = 1.0  # between the end of its channel and its own
STOP_MARGIN: Final = 2.0  # beyond the time it was given, before it is terminated, then killed
MISSED_PINGS: Final = 3  # at one a second: a hang is found within 4 s, and 5 are promised
MISCONFIGURED: Final = 3  # exit code, see hokm.worker
CHANNEL: Final = 3  # the worker's descriptor


class Launch(Struct, frozen=True):
    """How workers are started.

    Attributes:
        command: What is started.
        environ: Its environment.
    """

    command: Sequence[str]
    environ: dict[str, str]


class Watcher(Protocol):
    """Who is told how a worker fares."""

    def on_ready(self, worker: Worker) -> None:
        """The worker takes connections."""

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """The worker said something about rooms or connections."""

    def on_gone(self, worker: Worker, reason: str) -> None:
        """The worker's process is gone: nothing more will come from it."""

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """The worker cannot work as it is configured; another one could not either."""


class Worker(ProcessProtocol):
    """One worker.

    Attributes:
        id: Number; while the process lives no other worker has it.
        pid: Of its process; None when there is none.
        active: Whether it has rooms, or may have; a spare only waits.
        expected: Whether its end was asked for.
        stats: What it reported last; None before it did.
        born: When its process was started, in seconds of the clock.
        ready_since: Time of the clock, in seconds; None before it was ready.
    """

    def __init__(self, *, id: WorkerId, reactor: Any, watcher: Watcher) -> None:
        self.id = id
        self.pid: int | None = None
        self.state: State = "starting"
        self.active = False
        self.expected = False
        self.stats: m.Stats | None = None
        self.born: float = reactor.seconds()
        self.ready_since: float | None = None
        self._clock = reactor
        self._watcher = watcher
        self._channel: Channel[m.FromWorker] | None = None
        self._alarm: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._asked = 0  # number of the last ping
        self._answered = 0  # which of them was the last when anything was heard

    # --- life -----------------------------------------------------------------------------

    def start(self, launch: Launch, configuration: m.Configure, ledger: int) -> None:
        """Start the process.

        Args:
            ledger: Descriptor of the ledger.

        Raises:
            OSError: The system refuses.
        """
        ours, theirs = Channel.pair()
        with theirs, open(os.devnull, "rb") as null:  # noqa: PTH123 - devnull is a text
            try:
                process = self._clock.spawnProcess(
                    self,
                    launch.command[0],
                    list(launch.command),
                    env=launch.environ,
                    childFDs={0: null.fileno(), 1: 1, 2: 2, CHANNEL: theirs.fileno()},
                )
            except OSError:
                ours.close()
                raise
        self.pid = process.pid
        self._listen(ours)
        self.tell(configuration, [ledger])
        self._set_alarm(START_SECONDS, self._never_ready)

    def resume(self, process: Any, channel: Any, *, active: bool) -> None:
        """Go on with a process that an earlier life of this program started, and that is ready.

        Args:
            process: Its transport.
            channel: The socket of its channel.
        """
        self.transport = process
        self.pid = process.pid
        self.state = "ready"
        self.active = active
        self.ready_since = self._clock.seconds()
        self._listen(channel)

    def _listen(self, sock: Any) -> None:
        self._channel = Channel(
            reactor=self._clock,
            sock=sock,
            decoder=m.FROM_WORKER,
            on_message=self._hear,
            on_lost=self._channel_lost,
        )

    @property
    def channel_fd(self) -> int:
        """Descriptor of the channel; -1 when it is closed."""
        return -1 if self._channel is None else self._channel.fileno()

    @property
    def at_rest(self) -> bool:
        """Whether it has started, and all that it was told is on its way to it."""
        return self.state != "starting" and (self._channel is None or self._channel.flushed)

    def _never_ready(self) -> None:
        _log.error("worker {id} did not get ready in {s} s", id=self.id, s=START_SECONDS)
        self.signal("KILL")

    def drain(self) -> None:
        """Be about to end: no new rooms."""
        if self.state == "ready":
            self.state = "draining"

    def undrain(self) -> None:
        """Be ready again, since not all rooms could go."""
        if self.state == "draining":
            self.state = "ready"

    def stop(self, seconds: float) -> Deferred[None]:
        """End the worker: it gets *seconds*, then SIGTERM, then SIGKILL. Fires when it is gone."""
        gone: Deferred[None] = Deferred()
        if self.state == "dead":
            gone.callback(None)
            return gone
        self._gone.append(gone)
        if self.state != "stopping":
            self.state = "stopping"
            self.expected = True
            self.tell(m.Stop(grace_s=seconds))
            self._set_alarm(seconds + STOP_MARGIN, self._terminate)
        return gone

    def _terminate(self) -> None:
        _log.warn("worker {id} does not stop and is killed", id=self.id)
        self.signal("TERM")
        self._set_alarm(STOP_MARGIN, lambda: self.signal("KILL"))

    def signal(self, name: str) -> None:
        """Send a signal, as KILL; nothing when the process is gone."""
        try:
            if self.transport is not None:
                self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    def _channel_lost(self, reason: Failure) -> None:
        if self.state != "stopping":  # which ends with this, and has its own time
            # Not at once: it may be about to say by its exit code why it ends.
            self._set_alarm(EXIT_SECONDS, lambda: self.signal("KILL"))

    def processEnded(self, reason: Failure) -> None:
        """Hear that the process is gone."""
        if self._channel is not None:
            self._channel.drain()  # its last words: which connections it had closed
            self._channel.close()
            self._channel = None
        self._set_alarm(None)
        self.state = "dead"
        self.transport = None
        self.pid = None
        if getattr(reason.value, "exitCode", None) == MISCONFIGURED and not self.expected:
            text = f"worker {self.id} ended with code {MISCONFIGURED}: it is misconfigured"
            self._misconfigured(text)
        self._watcher.on_gone(self, reason.getErrorMessage())
        stopped, self._gone = self._gone, []
        for gone in stopped:
            gone.callback(None)

    def _misconfigured(self, reason: str) -> None:
        if not self.expected:
            self.expected = True
            self._watcher.on_misconfigured(self, reason)

    def _set_alarm(self, seconds: float | None, call: Any = None) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None if seconds is None else self._clock.callLater(seconds, call)

    # --- talk -----------------------------------------------------------------------------

    def tell(self, message: m.ToWorker, fds: Sequence[int] = ()) -> None:
        """Send a message with descriptors, which stay the caller's.

        Raises:
            OSError: No descriptor is left for a copy; the message was not sent.
        """
        if self._channel is None:
            return  # it is dead, or about to be noticed so
        try:
            self._channel.send(message, fds)
        except ChannelFull:
            _log.error("worker {id} hangs and is killed", id=self.id)
            self.signal("KILL")

    def ask(self) -> None:
        """Ask whether it lives; who has missed too many pings is killed. Once a second.

        Whatever it says shows that it lives: the ping itself may stand behind thousands of
        connections on their way to it. Pings are counted, not seconds: if it was this process that
        stood still, all answers are there by the next ping.
        """
        if self.state not in ("ready", "draining"):
            return
        if self._asked - self._answered >= MISSED_PINGS:
            _log.error("worker {id} hangs and is killed", id=self.id)
            self.signal("KILL")
            return
        self._asked += 1
        self.tell(m.Ping(n=self._asked))

    def _hear(self, message: m.FromWorker, descriptors: list[int]) -> None:
        for descriptor in descriptors:  # a worker has none to give
            os.close(descriptor)
        self._answered = self._asked
        match message:
            case m.Stats():
                self.stats = message
            case m.Ready():
                if self.state == "starting":
                    self.state = "ready"
                    self.ready_since = self._clock.seconds()
                    self._set_alarm(None)
                    self._watcher.on_ready(self)
            case m.Misconfigured(message=reason):
                self._misconfigured(reason)
            case m.Hello(protocol=protocol):
                self._check(protocol)
            case m.Pong() | m.Stopped():
                return
            case _:
                self._watcher.on_message(self, message)

    def _check(self, protocol: int) -> None:
        try:
            m.check_protocol(protocol)
        except m.WrongProtocol as error:
            self._misconfigured(str(error))
            self.signal("KILL")
