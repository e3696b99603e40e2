"""The store over the Redis protocol, embedded or shared alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from random import Random
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from hokm.store.address import Address
from hokm.store.breaker import Breaker
from hokm.store.endpoint import make_endpoint
from hokm.store.resp import Argument, ReplyError, RespConnection, RespFactory
from hokm.store.store import Claimed, Entry, OwnedElsewhere, StoreAway, Verdict

TIMEOUT_SECONDS: Final = 1.0  # of a call; a live store answers in 0.2 ms (p50), 3 ms when loaded
_RECONNECT: Final = {"initialDelay": 0.05, "maxDelay": 1.0, "factor": 1.5}
_VERDICTS: Final = tuple(Verdict)
LEASES: Final = "service:hokm:instances:"  # keys of the instances' leases, their ids behind
_DEMOTED: Final = frozenset({"READONLY", "UNBLOCKED"})
_PASSING: Final = _DEMOTED | {"BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM"}
# Redis before 7 tells what went wrong inside a script so: "ERR Error running script (call to
# f_SHA): @user_script:1: @user_script: 1: -OOM command not allowed when ..." (scripting.c).
_IN_SCRIPT: Final = re.compile(r"ERR Error running script .*?: -([A-Z]+) ")


class Script:
    """A script of this package, known to the store by its hash."""

    def __init__(self, name: str) -> None:
        self._text = files("hokm.store").joinpath(name).read_text()
        self._sha: str | None = None

    def call(self, connection: RespConnection, *arguments: Argument) -> Deferred[Any]:
        """Run the script; a store that has forgotten it is told it again."""
        if self._sha is None:
            return self._load(connection, arguments)

        def again(failure: Failure) -> Any:
            if isinstance(failure.value, ReplyError) and str(failure.value).startswith("NOSCRIPT"):
                return self._load(connection, arguments)
            return failure

        return connection.call("EVALSHA", self._sha, *arguments).addErrback(again)

    def _load(self, connection: RespConnection, arguments: Sequence[Argument]) -> Deferred[Any]:
        def loaded(sha: bytes) -> Deferred[Any]:
            self._sha = sha.decode()
            return connection.call("EVALSHA", self._sha, *arguments)

        return connection.call("SCRIPT", "LOAD", self._text).addCallback(loaded)


class RedisStore:
    """`hokm.store.store.Store` on a Redis or Valkey server."""

    def __init__(
        self,
        *,
        address: Address,
        reactor: Any,
        random: Random,
        ttl_seconds: int,
        replicas: int = 0,
        timeout: float = TIMEOUT_SECONDS,
        instance: str = "",
    ) -> None:
        """Make a store that connects at once, and again whenever the connection is lost.

        Args:
            random: Spreads the reconnects of many processes.
            ttl_seconds: A room that nobody uses for so long is forgotten.
            replicas: So many of the store's replicas must have a write before it counts as done.
            timeout: Seconds that a call may take.
            instance: For which rooms are claimed; empty where there is no fleet.

        Raises:
            ValueError: The address names a file that cannot be used.
        """
        self.address = address
        self._clock: IReactorTime = reactor
        self._ttl = ttl_seconds
        self._replicas = replicas
        self._patience_ms = int(timeout * 800)  # the store's answer comes before our own alarm
        self._breaker = Breaker()
        self._factory = RespFactory(
            address=address, clock=reactor, timeout=timeout, on_up=self._breaker.hope
        )
        self._commit = Script("commit.lua")
        self._claim = Script("claim.lua")
        self._release = Script("release.lua")
        self._instance = instance
        pause = backoffPolicy(jitter=lambda: random.uniform(0, 0.05), **_RECONNECT)
        endpoint = make_endpoint(address, reactor, timeout)
        self._service = ClientService(endpoint, self._factory, retryPolicy=pause, clock=reactor)
        self._service.startService()

    @property
    def up(self) -> bool:
        """Whether the store answered the last call."""
        return not self._breaker.open and self._factory.connection is not None

    async def create(self, room: str, snapshot: bytes) -> bool:
        """Make a room; False when there is one by that code already."""
        key = _prefix(room) + "snap"
        made = await self.write(lambda c: c.call("SET", key, snapshot, "NX", "EX", self._ttl))
        return made is not None

    async def claim(self, room: str, owner: str) -> Claimed | None:
        """Become the owner of a room and read it; None when there is no such room."""
        return await self._read(room, owner)

    async def read(self, room: str) -> Claimed | None:
        """Read a room as `claim` does, and leave it its owner; None when there is no such room."""
        return await self._read(room, "")

    async def _read(self, room: str, owner: str) -> Claimed | None:
        keys = [_prefix(room) + name for name in ("owner", "snap", "log", "hands")]
        ask = self.write if owner else self.ask
        found = await ask(
            lambda c: self._claim.call(
                c, len(keys), *keys, owner, self._ttl, self._instance, LEASES
            )
        )
        if found is None:
            return None
        if len(found) == 1:
            if not found[0]:
                raise StoreAway("this instance has no lease")
            raise OwnedElsewhere(found[0].decode())
        epoch, position, snapshot, records = found
        return Claimed(epoch, position, snapshot, tuple(records))

    async def release(self, room: str, epoch: int) -> None:
        """Make a room nobody's, if it still is the caller's."""
        await self.write(lambda c: self._release.call(c, 1, owner_key(room), epoch))

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        """Write entries in one call; the verdicts come in their order."""
        if not entries:
            return self.ask(lambda c: c.call("PING")).addCallback(lambda _: [])
        arguments: list[Argument] = [0, self._ttl]
        for entry in entries:
            snapshot = entry.snapshot or b""
            arguments += (_prefix(entry.room), entry.epoch, entry.position, entry.record, snapshot)
            arguments.append(len(entry.hands))
            if entry.hands:
                arguments += entry.hands
        answer = self.write(lambda c: self._commit.call(c, *arguments))
        return answer.addCallback(lambda verdicts: [_VERDICTS[n] for n in verdicts])

    async def hands(self, room: str) -> list[bytes] | None:
        """Return the finished hands of a room, oldest first; None when there is no such room."""
        prefix = _prefix(room)
        if not await self.ask(lambda c: c.call("EXISTS", prefix + "snap")):
            return None
        found: list[bytes] = await self.ask(lambda c: c.call("LRANGE", prefix + "hands", 0, -1))
        return found

    def close(self) -> None:
        """Let go of the store."""
        self._service.stopService()

    def write(self, call: Callable[[RespConnection], Deferred[Any]]) -> Deferred[Any]:
        """Make a call that counts as done once enough replicas have what it wrote.

        Returns:
            Fires with the answer; fails with `StoreAway`.
        """
        if not self._replicas:
            return self.ask(call)

        def replicated(connection: RespConnection) -> Deferred[Any]:
            return call(connection).addCallback(self._await_replicas, connection)

        return self.ask(replicated)

    def _await_replicas(self, answer: Any, connection: RespConnection) -> Deferred[Any]:
        """Wait until the replicas have what this connection wrote so far.

        A call that wrote nothing proves nothing here: the commit script writes in each case where
        it says that an entry is stored.
        """

        def counted(count: int) -> Any:
            if count < self._replicas:
                raise StoreAway(f"{count} of {self._replicas} replicas answered")
            return answer

        return connection.call("WAIT", self._replicas, self._patience_ms).addCallback(counted)

    def ask(self, call: Callable[[RespConnection], Deferred[Any]]) -> Deferred[Any]:
        """Make a call on the connection, unless the breaker is open; for the store's own scripts.

        Returns:
            Fires with the answer; fails with `StoreAway`.
        """
        now = self._clock.seconds()
        if not self._breaker.admit(now):
            return fail(StoreAway("the store does not answer"))
        connection = self._factory.connection
        if connection is None:
            self._breaker.failed(now)
            return fail(StoreAway("not connected"))
        return call(connection).addCallbacks(self._answered, self._unanswered)

    def _answered(self, answer: Any) -> Any:
        self._breaker.succeeded()
        return answer

    def _unanswered(self, failure: Failure) -> Failure:
        if isinstance(failure.value, StoreAway):
            self._breaker.failed(self._clock.seconds())
        elif isinstance(failure.value, ReplyError) and is_passing(str(failure.value)):
            self._breaker.failed(self._clock.seconds())
            if is_demoted(str(failure.value)) and self._factory.connection is not None:
                self._factory.connection.abort()  # the next connect finds the new master
            return Failure(StoreAway(str(failure.value)))
        return failure


def owner_key(room: str) -> str:
    """Return the key of what is known of a room's owner."""
    return _prefix(room) + "owner"


def _prefix(room: str) -> str:
    return f"hokm:{{{room}}}:"


def is_passing(error: str) -> bool:
    """Say whether the server itself says that it cannot serve now, and may soon."""
    return _kind(error) in _PASSING


def is_demoted(error: str) -> bool:
    """Say whether the server was the master, and is a replica now."""
    return _kind(error) in _DEMOTED


def _kind(error: str) -> str:
    """Return an error's first word; of one that came out of a script, its own."""
    in_script = _IN_SCRIPT.match(error)
    return error.split(" ", 1)[0] if in_script is None else in_script[1]
