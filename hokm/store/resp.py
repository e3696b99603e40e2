"""The hot way to the store: one connection, RESP by hiredis, one write per call.

A command of txredisapi costs ~100 µs of CPU (measured), more than a whole play; this ~6 µs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.store.address import Address
from hokm.store.store import StoreAway
from hokm.transports import NONE, plain_descriptor, send_now
from hokm.wire.plays import decimal

_log = Logger()

Argument = bytes | str | int
ReplyError = hiredis.ReplyError

_HEADS: Final = tuple(b"$%d\r\n" % size for size in range(1024))  # of most arguments


def pack(arguments: Sequence[Argument]) -> bytes:
    """Write a command as RESP; hiredis' own packing takes five times as long."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if isinstance(argument, bytes):
            data = argument
        elif isinstance(argument, str):
            data = argument.encode()
        else:
            data = decimal(argument)
        size = len(data)
        parts += (_HEADS[size] if size < 1024 else b"$%d\r\n" % size, data, b"\r\n")
    return b"".join(parts)


class RespConnection(Protocol):
    """One connection; a call that is not answered in time breaks it off."""

    def __init__(self, *, address: Address, clock: IReactorTime, timeout: float) -> None:
        """Make a connection that logs in as soon as it is made.

        Args:
            timeout: Seconds until an answer must be there.
        """
        self._address = address
        self._clock = clock
        self._timeout = timeout
        self._reader = hiredis.Reader()
        self._pending: deque[Deferred[Any]] = deque()
        self._since = 0.0  # when the first of these began to be waited for
        self._alarm: IDelayedCall | None = None
        self._fd = NONE
        self.on_ready: Callable[[RespConnection], None] = _nothing
        self.on_lost: Callable[[RespConnection], None] = _nothing

    @property
    def local_host(self) -> str:
        """Numeric address by which this host reaches the store; empty on a unix socket."""
        transport: Any = self.transport
        return str(getattr(transport.getHost(), "host", ""))

    def call(self, *arguments: Argument) -> Deferred[Any]:
        """Send one command.

        Returns:
            Fires with the answer. Fails with `StoreAway` when none came, with `ReplyError` when
            the store refused.
        """
        if self.transport is None or not self.connected:
            return fail(StoreAway("not connected"))
        answer: Deferred[Any] = Deferred()
        if not self._pending:
            self._since = self._clock.seconds()
        self._pending.append(answer)
        if self._alarm is None:
            self._alarm = self._clock.callLater(self._timeout, self._look_for_late)
        send_now(self.transport, self._fd, pack(arguments))
        return answer

    def connectionMade(self) -> None:
        """Log in and choose the database."""
        self._fd = plain_descriptor(self.transport)
        greeting = []
        if self._address.password is not None:
            user = (self._address.user,) if self._address.user else ()
            greeting.append(self.call("AUTH", *user, self._address.password))
        if self._address.database:
            greeting.append(self.call("SELECT", self._address.database))
        # A Sentinel may be late: its master can have become a replica meanwhile.
        asked = "PING" if self._address.master is None else "ROLE"
        for answer in greeting:
            answer.addErrback(self._refused)
        self.call(asked).addCallbacks(self._greeted, self._refused)

    def _greeted(self, answer: Any) -> None:
        if isinstance(answer, list) and answer[0] != b"master":
            _log.warn("the store at {peer} is no master", peer=self._peer())
            self.abort()
        else:
            self.on_ready(self)

    def _peer(self) -> str:
        transport: Any = self.transport
        where = transport.getPeer()
        return f"{where.host}:{where.port}" if hasattr(where, "port") else str(where)

    def dataReceived(self, data: bytes) -> None:
        """Hand answers to those who wait for them, in order."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if not self._pending:
                self.abort()
                return
            waiting = self._pending.popleft()
            if self._pending:
                self._since = self._clock.seconds()
            if isinstance(reply, ReplyError):
                waiting.errback(reply)
            else:
                waiting.callback(reply)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell all who wait that nothing more will come."""
        self._fd = NONE
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self.on_lost(self)
        pending, self._pending = self._pending, deque()
        for waiting in pending:
            waiting.errback(StoreAway("connection lost"))

    def abort(self) -> None:
        """Break the connection off."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _look_for_late(self) -> None:
        """Break off where a call waits too long; to reset an alarm at each costs more."""
        self._alarm = None
        if not self._pending:
            return
        left = self._since + self._timeout - self._clock.seconds()
        if left > 0:
            self._alarm = self._clock.callLater(left, self._look_for_late)
            return
        _log.warn("the store does not answer for {seconds} s", seconds=self._timeout)
        self.abort()

    def _refused(self, failure: Failure) -> None:
        if not failure.check(StoreAway):
            _log.error("the store refuses us: {reason}", reason=failure.getErrorMessage())
        self.abort()


def _nothing(connection: RespConnection) -> None:
    return None


class RespFactory(Factory):
    """Makes connections and knows the one that is up.

    Attributes:
        connection: The one to use; None while there is none.
    """

    noisy = False

    def __init__(
        self,
        *,
        address: Address,
        clock: IReactorTime,
        timeout: float,
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a factory; for the other arguments see `RespConnection`.

        Args:
            on_up: Is told of each connection that can be used.
        """
        self.connection: RespConnection | None = None
        self._on_up = on_up
        self._make = lambda: RespConnection(address=address, clock=clock, timeout=timeout)

    def buildProtocol(self, addr: object) -> RespConnection:
        """Make a connection that is used once it has logged in."""
        made = self._make()
        made.on_ready = self._use
        made.on_lost = self._drop
        return made

    def _use(self, connection: RespConnection) -> None:
        self.connection = connection
        self._on_up()

    def _drop(self, connection: RespConnection) -> None:
        if self.connection is connection:
            self.connection = None
