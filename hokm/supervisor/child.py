"""A child process of the supervisor, with a control channel: from its start to its end.

It is `starting`, then `ready`; `draining` while what it has goes elsewhere, `stopping` while it
ends as it was told, and `dead`. It has one life: another process is another `Child`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.msgpack import Decoder
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.control import messages as m
from hokm.control.channel import Channel, ChannelFull
from hokm.control.program import CHANNEL

_log = Logger()

M = TypeVar("M", bound=Struct)

State: TypeAlias = Literal["starting", "ready", "draining", "stopping", "dead"]

START_SECONDS: Final = 30.0  # imports take 0.5 s of CPU, more on a busy machine
EXIT_SECONDS: Final = 1.0  # between the end of its channel and its own
STOP_MARGIN: Final = 2.0  # beyond the time it was given, before it is terminated, then killed
MISSED_PINGS: Final = 3  # at one a second: a hang is found within 4 s, and 5 are promised
MISCONFIGURED: Final = 3  # exit code, see hokm.worker


class Launch(Struct, frozen=True):
    """How children of a kind are started.

    Attributes:
        command: What is started.
        environ: Its environment.
    """

    command: Sequence[str]
    environ: dict[str, str]


class Child(ProcessProtocol, Generic[M]):
    """One child; M is what it may say beside what all children say.

    Attributes:
        name: For the log, as ``worker 3``.
        pid: Of its process; None when there is none.
        expected: Whether its end was asked for.
        born: When its process was started, in seconds of the clock.
        ready_since: Time of the clock, in seconds; None before it was ready.
    """

    def __init__(self, *, name: str, reactor: Any, decoder: Decoder[M]) -> None:
        self.name = name
        self.pid: int | None = None
        self.state: State = "starting"
        self.expected = False
        self.born: float = reactor.seconds()
        self.ready_since: float | None = None
        self._clock = reactor
        self._decoder = decoder
        self._channel: Channel[M] | None = None
        self._alarm: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._asked = 0  # number of the last ping
        self._answered = 0  # which of them was the last when anything was heard

    # --- what its kind does about it ------------------------------------------------------

    def on_ready(self) -> None:
        """Hear that it can be used."""
        raise NotImplementedError

    def on_message(self, message: M) -> None:
        """Hear what only its kind says."""
        raise NotImplementedError

    def on_gone(self, reason: str) -> None:
        """Hear that its process is gone: nothing more will come from it."""
        raise NotImplementedError

    def on_misconfigured(self, reason: str) -> None:
        """Hear that it cannot work as it is configured; another one could not either."""
        raise NotImplementedError

    # --- life -----------------------------------------------------------------------------

    def start(self, launch: Launch, first: Struct, fds: Sequence[int]) -> None:
        """Start the process.

        Args:
            first: What it is told first, with these descriptors, which stay the caller's.

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
        self.tell(first, fds)
        self._set_alarm(START_SECONDS, self._never_ready)

    def resume(self, process: Any, channel: socket.socket) -> None:
        """Go on with a process that an earlier life of this program started, and that is ready.

        Args:
            process: Its transport.
            channel: Of its channel.
        """
        self.transport = process
        self.pid = process.pid
        self.state = "ready"
        self.ready_since = self._clock.seconds()
        self._listen(channel)

    def _listen(self, sock: socket.socket) -> None:
        self._channel = Channel(
            reactor=self._clock,
            sock=sock,
            decoder=self._decoder,
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
        _log.error("{name} did not get ready in {s} s", name=self.name, s=START_SECONDS)
        self.signal("KILL")

    def stop(self, seconds: float) -> Deferred[None]:
        """End it: it gets *seconds*, then SIGTERM, then SIGKILL. Fires when it is gone."""
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
        _log.warn("{name} does not stop and is killed", name=self.name)
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
            text = f"{self.name} ended with code {MISCONFIGURED}: it is misconfigured"
            self._misconfigured(text)
        self.on_gone(reason.getErrorMessage())
        stopped, self._gone = self._gone, []
        for gone in stopped:
            gone.callback(None)

    def _misconfigured(self, reason: str) -> None:
        if not self.expected:
            self.expected = True
            self.on_misconfigured(reason)

    def _set_alarm(self, seconds: float | None, call: Any = None) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None if seconds is None else self._clock.callLater(seconds, call)

    # --- talk -----------------------------------------------------------------------------

    def tell(self, message: Struct, fds: Sequence[int] = ()) -> None:
        """Send a message with descriptors, which stay the caller's.

        Raises:
            OSError: No descriptor is left for a copy; the message was not sent.
        """
        if self._channel is None:
            return  # it is dead, or about to be noticed so
        try:
            self._channel.send(message, fds)
        except ChannelFull:
            _log.error("{name} hangs and is killed", name=self.name)
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
            _log.error("{name} hangs and is killed", name=self.name)
            self.signal("KILL")
            return
        self._asked += 1
        self.tell(m.Ping(n=self._asked))

    def _hear(self, message: M, descriptors: list[int]) -> None:
        for descriptor in descriptors:  # a child has none to give
            os.close(descriptor)
        self._answered = self._asked
        match message:
            case m.Ready():
                if self.state == "starting":
                    self.state = "ready"
                    self.ready_since = self._clock.seconds()
                    self._set_alarm(None)
                    self.on_ready()
            case m.Misconfigured(message=reason):
                self._misconfigured(reason)
            case m.Hello(protocol=protocol):
                self._check(protocol)
            case m.Pong() | m.Stopped():
                return
            case _:
                self.on_message(message)

    def _check(self, protocol: int) -> None:
        try:
            m.check_protocol(protocol)
        except m.WrongProtocol as error:
            self._misconfigured(str(error))
            self.signal("KILL")
