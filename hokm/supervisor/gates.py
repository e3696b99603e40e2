"""The gates: processes through which connections pass that no worker can have as they are.

There is one at a time that takes connections, and none where none is needed; others may wait for
the end of those that they have. One that dies takes its connections with it, whose players resume
by token, and is replaced. The invariant: each socket given to `relay` is with a gate, waits here
for one, or is closed.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import Any, Final

from msgspec import structs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from hokm.control import gate as g
from hokm.control.refusal import turn_away
from hokm.metrics import Metrics
from hokm.processes import AdoptedChild
from hokm.supervisor.child import Child, Launch
from hokm.supervisor.estate import Estate, KeptGate
from hokm.supervisor.pool import FIRST_PAUSE, MOST_PAUSE

_log = Logger()

WAIT_SECONDS: Final = 5.0  # how long a connection waits for a gate
MAX_WAITING: Final = 2000
RETRY_SECONDS: Final = 1  # for who could not be passed on


class Gate(Child[g.FromGate]):
    """One gate.

    Attributes:
        connections: How many go through it.
    """

    def __init__(self, *, reactor: Any, gates: Gates) -> None:
        super().__init__(name="gate", reactor=reactor, decoder=g.FROM_GATE)
        self.connections = 0
        self._gates = gates

    def retire(self) -> None:
        """Let it end once its last connection has gone."""
        self.state = "draining"
        self.expected = True
        self.tell(g.Retire())

    def on_ready(self) -> None:
        """Tell."""
        self._gates.on_ready(self)

    def on_message(self, message: g.FromGate) -> None:
        """Note how loaded it is."""
        if isinstance(message, g.Load):
            self.connections = message.connections
            self._gates.count()

    def on_gone(self, reason: str) -> None:
        """Tell."""
        self._gates.on_gone(self, reason)

    def on_misconfigured(self, reason: str) -> None:
        """Be replaced, later and later: what it was told had been checked before."""
        _log.error("a gate cannot work: {reason}", reason=reason)


class Gates:
    """The gates of this instance.

    Attributes:
        listening: The socket for TLS; None where there is none.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        launch: Launch,
        begin: g.Begin,
        listening: socket.socket | None,
        metrics: Metrics,
    ) -> None:
        """Make no gate yet.

        Args:
            launch: How gates are started.
            begin: What one is told first.
            listening: Bound and listening, for TLS; None where there is none.
        """
        self.listening = listening
        self._reactor = reactor
        self._launch = launch
        self._begin = begin
        self._metrics = metrics
        self._all: list[Gate] = []
        self._current: Gate | None = None  # which takes connections
        self._waiting: deque[tuple[float, socket.socket, g.Relay]] = deque()
        self._fresh: Deferred[bool] | None = None
        self._pause = FIRST_PAUSE
        self._retry: IDelayedCall | None = None
        self._stopping = False

    # --- connections ----------------------------------------------------------------------

    def relay(self, sock: socket.socket, *, origin: str, to: tuple[str, int], hops: int) -> None:
        """Pass a connection on to another instance.

        Args:
            sock: Accepted and unread; it is ours from now on. Where the instance cannot be
                reached, it is answered with 503 and closed.
            origin: Address that it comes from.
            to: Address and port of the instance.
            hops: How many instances have passed it on to here.
        """
        if self._stopping or len(self._waiting) >= MAX_WAITING:
            _turn_away(sock)
            return
        message = g.Relay(origin=origin, to=to, hops=hops)
        self._waiting.append((self._reactor.seconds(), sock, message))
        self._mind()

    def _mind(self) -> None:
        """Give to the gate who waits for one; start it if there is none, and one is needed."""
        if self._current is None:
            needed = self._waiting or self.listening is not None
            coming = self._retry is not None or any(g.state == "starting" for g in self._all)
            if needed and not coming and not self._stopping:
                self._start()
            return
        while self._waiting:
            _, sock, message = self._waiting.popleft()
            try:
                self._current.tell(message, [sock.fileno()])
            except OSError as error:  # no descriptor is left for a copy
                _log.error("a connection was not passed on: {error}", error=error)
                _turn_away(sock)
            else:
                sock.close()

    def tend(self) -> None:
        """Turn those away who have waited too long, and find out who hangs; once a second."""
        since = self._reactor.seconds() - WAIT_SECONDS
        while self._waiting and self._waiting[0][0] < since:
            _turn_away(self._waiting.popleft()[1])
        for gate in list(self._all):
            gate.ask()

    def count(self) -> None:
        """Show how many connections go through all gates."""
        self._metrics.gate_connections.set(sum(gate.connections for gate in self._all))

    # --- life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Have a gate where there is TLS; else the first connection to pass on starts one."""
        self._mind()

    def _start(self) -> Gate | None:
        gate = Gate(reactor=self._reactor, gates=self)
        try:
            gate.start(self._launch, self._begin, self.ports())
        except OSError as error:
            _log.error("a gate cannot be started: {error}", error=error)
            self._try_later()
            return None
        self._all.append(gate)
        return gate

    def _try_later(self) -> None:
        if self._retry is None and not self._stopping:
            self._retry = self._reactor.callLater(self._pause, self._again)
            self._pause = min(2 * self._pause, MOST_PAUSE)

    def _again(self) -> None:
        self._retry = None
        self._mind()

    def on_ready(self, gate: Gate) -> None:
        """Use a gate that has started; it relieves the one before it."""
        self._pause = FIRST_PAUSE
        _log.info("a gate is open, pid {pid}", pid=gate.pid)
        before, self._current = self._current, gate
        if before is not None:
            before.retire()
        self._tell_fresh(True)
        self._mind()

    def on_gone(self, gate: Gate, reason: str) -> None:
        """Do without a gate."""
        self._all.remove(gate)
        self.count()
        if not gate.expected:
            _log.error("a gate died: {reason}", reason=reason)
        if gate is self._current:
            self._current = None
        if gate.ready_since is None:
            self._tell_fresh(False)
            self._try_later()
        self._mind()

    def _tell_fresh(self, is_ready: bool) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            fresh.callback(is_ready)

    def replace(self) -> Deferred[bool]:
        """Have a fresh process, with the code that is installed now, take connections.

        The one before it ends when its last connection has gone.

        Returns:
            Fires with whether that is done; False when the fresh one did not get ready.
        """
        fresh: Deferred[bool] = Deferred()
        if self._current is None or self._fresh is not None:
            fresh.callback(self._current is None)
        elif self._start() is None:
            fresh.callback(False)
        else:
            self._fresh = fresh
        return fresh

    def renew(self, pem: g.Pem) -> None:
        """Shake hands with another certificate from now on, which was checked."""
        self._begin = structs.replace(self._begin, pem=pem)
        for gate in self._all:  # one that starts, too: it was told of the old one
            gate.tell(g.Renew(pem=pem))

    def retire(self) -> None:
        """Accept nothing more: the program ends."""
        self._stopping = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        while self._waiting:
            _turn_away(self._waiting.popleft()[1])
        for gate in self._all:
            gate.retire()

    def stop(self, seconds: float) -> Deferred[Any]:
        """End all gates and their connections, within *seconds*; fires when all are gone."""
        if self.listening is not None:
            self.listening.close()
        return DeferredList([gate.stop(seconds) for gate in list(self._all)])

    # --- from one life of the program to the next -----------------------------------------

    @property
    def at_rest(self) -> bool:
        """Whether no gate starts, and nobody waits here."""
        return not self._waiting and all(gate.at_rest for gate in self._all)

    def ports(self) -> list[int]:
        """Return the descriptor of the socket for TLS, if there is one."""
        return [] if self.listening is None else [self.listening.fileno()]

    def pids(self) -> list[int]:
        """Return the processes of all gates, the oldest first."""
        return [gate.pid for gate in self._all if gate.pid is not None]

    def estate(self) -> dict[str, Any]:
        """Write down the fields of an estate that concern gates."""
        kept = (
            KeptGate(pid=gate.pid, channel=gate.channel_fd, open=gate is self._current)
            for gate in self._all
            if gate.pid is not None
        )
        return {
            "gates": tuple(kept),
            "gate_secret": self._begin.secret,
            "listening_tls": next(iter(self.ports()), None),
        }

    def restore(self, left: Estate) -> None:
        """Go on with the gates of the life before; with a new one, where TLS is not as it was."""
        listening = next(iter(self.ports()), None)
        for one in left.gates:
            os.set_inheritable(one.channel, False)
            gate = Gate(reactor=self._reactor, gates=self)
            try:
                process = AdoptedChild(reactor=self._reactor, pid=one.pid, protocol=gate)
            except ProcessLookupError:
                os.close(one.channel)
                continue
            gate.resume(process, socket.socket(fileno=one.channel))
            self._all.append(gate)
            if one.open and left.listening_tls == listening:
                self._current = gate
            else:
                gate.retire()
        if self._begin.pem is not None:
            self.renew(self._begin.pem)


def _turn_away(sock: socket.socket) -> None:
    turn_away(sock, 503, "Service Unavailable", retry_after=RETRY_SECONDS)


def reached_at(listening: socket.socket) -> tuple[str, int]:
    """Return an address and port at which a listening socket is reached from this machine."""
    host, port = listening.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared
