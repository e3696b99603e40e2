"""The worker as a process: what the supervisor tells it, and what it reports."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

import msgspec
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm import logs, wire
from hokm.config import Settings
from hokm.connection import Connection, Heartbeat, Site, adopt
from hokm.control import messages as m
from hokm.control.channel import Channel
from hokm.control.identity import cookie
from hokm.control.refusal import turn_away
from hokm.metrics import Metrics
from hokm.store import address
from hokm.store.redis import RedisStore
from hokm.tasks import every, run
from hokm.worker.host import Host
from hokm.worker.lag import LoopLag
from hokm.worker.player import Player

_log = Logger()

MISCONFIGURED: Final = 3  # exit code: to be started again would not help
_TEND_SECONDS: Final = 1.0
_ORPHANED_SECONDS: Final = 2.0  # for the last commits, when the supervisor is gone


class WorkerProcess:
    """Speaks with the supervisor over *sock* and runs a host as it says."""

    def __init__(self, *, reactor: Any, sock: socket.socket, end: Callable[[int], None]) -> None:
        """Say hello to the supervisor.

        Args:
            end: Ends the process with an exit code.
        """
        self._reactor = reactor
        self._end = end
        self._host: Host | None = None
        self._store: RedisStore | None = None
        self._metrics = Metrics()
        self._lag = LoopLag(clock=reactor, observe=self._metrics.event_loop_lag.observe)
        self._channel: Channel[m.ToWorker] = Channel(
            reactor=reactor,
            sock=sock,
            decoder=m.TO_WORKER,
            on_message=self._hear,
            on_lost=self._orphaned,
        )
        self._channel.send(m.Hello(pid=os.getpid()))

    def _hear(self, message: m.ToWorker, descriptors: list[int]) -> None:
        if isinstance(message, m.Connection):
            self._take(message, descriptors)
        elif isinstance(message, m.Configure):
            self._configure(message)
        elif isinstance(message, m.Stop):
            run(self._stop(message.grace_s), "the worker's stop")
        else:
            self._channel.send(m.Pong(n=message.n))

    def _configure(self, message: m.Configure) -> None:
        try:
            m.check_protocol(message.protocol)
            settings = msgspec.json.decode(message.settings, type=Settings)
            where = address.parse(message.store)
            self._site = Site(
                reactor=self._reactor,
                subprotocol=wire.SUBPROTOCOL,
                max_message=wire.MAX_MESSAGE_BYTES,
                allowed_origins=settings.worker.allowed_origins,
                trusted_proxies=settings.worker.trusted_proxies,
            )
        except (m.WrongProtocol, msgspec.DecodeError, ValueError) as error:
            self._channel.send(m.Misconfigured(message=str(error)))
            self._end(MISCONFIGURED)
            return
        name = f"worker-{message.worker}"
        logs.start(sys.stderr, format=settings.log_format, level=settings.log_level, process=name)
        self._begin(settings, where, name)
        self._channel.send(m.Ready())

    def _begin(self, settings: Settings, where: address.Address, name: str) -> None:
        """Make what the worker consists of."""
        clock, chance = self._reactor, SystemRandom()
        self._store = RedisStore(
            address=where, reactor=clock, random=chance, ttl_seconds=settings.room_ttl_s
        )
        self._host = Host(
            store=self._store,
            clock=clock,
            chance=chance,
            metrics=self._metrics,
            settings=settings.worker,
            owner=name,
            on_idle=lambda room: self._channel.send(m.RoomIdle(room=room)),
        )
        self._heartbeat = Heartbeat(
            clock=clock,
            interval=settings.worker.ping_seconds,
            timeout=settings.worker.pong_seconds,
        )
        self._heartbeat.start()
        self._lag.start()
        every(clock, _TEND_SECONDS, self._tend, "the worker's housekeeping")

    def _take(self, message: m.Connection, descriptors: list[int]) -> None:
        """Adopt a player's socket, if it is the one that was meant."""
        host = self._host
        sock = socket.socket(fileno=descriptors[0])
        if host is None or cookie(sock) != message.cookie:
            sock.close()
            reason = "it is not the one announced, or this worker is not ready"
            self._channel.send(m.NotTaken(connection=message.connection, reason=reason))
            return
        if host.is_full:
            # Its room is here and nowhere else: another worker could not do better.
            self._metrics.connections_refused.labels("worker_full").inc()
            turn_away(sock, 503, "Service Unavailable")
            self._channel.send(m.Got(connection=message.connection))
            return
        made: list[Player] = []

        def make_player(connection: Connection) -> Player:
            made.append(host.admit(connection, message.room, on_gone=self._heartbeat.remove))
            return made[0]

        self._heartbeat.add(adopt(sock, self._site, make_player))
        self._channel.send(m.Got(connection=message.connection))

    def _tend(self) -> None:
        assert self._host is not None
        self._host.tend()
        census = self._host.census()
        metrics = self._metrics
        metrics.rooms.set(census.rooms)
        metrics.websocket_connections.set(census.connections)
        metrics.connected_players.set(census.players)
        metrics.active_games.set(census.matches)
        self._channel.send(
            m.Stats(
                rooms=census.rooms,
                connections=census.connections,
                players=census.players,
                active_games=census.matches,
                loop_lag_ms=self._lag.p99_ms(),
                error_rate=self._host.errors.turn(),
            )
        )

    async def _stop(self, seconds: float) -> None:
        if self._host is not None:
            await self._host.stop(seconds)
        self._channel.send(m.Stopped())
        self._end(0)

    def _orphaned(self, reason: Failure) -> None:
        """The supervisor is gone: have stored what was decided, and end."""
        _log.warn("the supervisor is gone; this worker ends")
        run(self._stop(_ORPHANED_SECONDS), "the worker's stop")
