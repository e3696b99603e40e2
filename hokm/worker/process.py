"""The worker as a process: what the supervisor tells it, and what it reports."""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

import msgspec
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm import logs, wire
from hokm.config import Settings
from hokm.connection import Heartbeat, Site
from hokm.control import messages as m
from hokm.control.channel import Channel
from hokm.control.ledger import Ledger
from hokm.fleet import Lease
from hokm.metrics import Metrics
from hokm.store import address
from hokm.store.leased import LeasedStore
from hokm.store.redis import RedisStore
from hokm.store.showcase import StoredShowcase
from hokm.store.store import Store
from hokm.tasks import every, run
from hokm.worker.arrivals import Arrivals
from hokm.worker.departures import Departures
from hokm.worker.doorway import Doorway
from hokm.worker.host import Host
from hokm.worker.lag import RECENT, LoopLag

_log = Logger()

MISCONFIGURED: Final = 3  # exit code: to be started again would not help
STORE_SECONDS: Final = 2.0  # that a new worker gives the store, before it is ready without
_POLL_SECONDS: Final = 0.01
_TEND_SECONDS: Final = 1.0
_ORPHANED_SECONDS: Final = 2.0  # for the last commits, when the supervisor is gone
_LAST_SECONDS: Final = 0.1  # for what was written last to leave


class WorkerProcess:
    """Speaks with the supervisor over *sock* and runs a host as it says."""

    def __init__(
        self,
        *,
        reactor: Any,
        sock: socket.socket,
        end: Callable[[int], None],
        make_store: Callable[..., RedisStore] = RedisStore,
    ) -> None:
        """Say hello to the supervisor.

        Args:
            end: Ends the process with an exit code.
            make_store: Makes the store; is given what `RedisStore` is.
        """
        self._reactor = reactor
        self._make_store = make_store
        self._end = end
        self._kept = False  # whether connections outlive all of the program
        self._stopping = False
        self._host: Host | None = None
        self._store: RedisStore | None = None
        self._lease: Lease | None = None  # where there is a fleet
        self._metrics = Metrics()
        self._lag = LoopLag(clock=reactor, observe=self._metrics.event_loop_lag.observe)
        self._channel: Channel[m.ToWorker] = Channel(
            reactor=reactor,
            sock=sock,
            decoder=m.TO_WORKER,
            on_message=self._hear,
            on_lost=self._orphaned,
            on_truncated=self._refuse,
        )
        self._channel.send(m.Hello(pid=os.getpid()))

    def _hear(self, message: m.ToWorker, descriptors: list[int]) -> None:
        match message:
            case m.Configure():
                self._configure(message, descriptors)
            case m.Stop(grace_s=seconds):
                run(self._stop(seconds), "the worker's stop")
            case m.Ping(n=n):
                self._channel.send(m.Pong(n=n))
            case m.Leased(asked=asked, anew=anew):
                self._leased(asked, anew)
            case m.HandOver(room=room):
                self._doorway.hurry(room)
                assert self._host is not None
                run(self._host.hand_over(room), "the giving up of a room", room=room)
            case m.Overload(on=on):
                self._overloaded(on)
            case m.Connection() | m.Adopt(move=0):
                self._doorway.come(message, descriptors)
            case m.Adopt():
                self._arrivals.adopt(message, descriptors)
            case _:
                self._move(message)

    def _let_in(self, message: m.Connection | m.Adopt, descriptors: list[int]) -> None:
        """Take a connection, or a room whose worker died, whose turn it is."""
        if isinstance(message, m.Adopt):
            self._arrivals.adopt(message, descriptors)
        elif self._arrivals.take(message, descriptors):
            self._metrics.connections_refused.labels("worker_full").inc()

    def _move(self, message: m.Drain | m.Release | m.Abort | m.Commit | m.Cancel) -> None:
        """Take the next step of a move."""
        match message:
            case m.Drain(move=move, room=room):
                self._doorway.hurry(room)
                self._departures.begin(move, room)
            case m.Release(move=move):
                self._departures.release(move)
            case m.Abort(move=move):
                self._departures.abort(move)
            case m.Commit(move=move):
                self._arrivals.commit(move)
            case m.Cancel(move=move):
                self._arrivals.cancel(move)

    def _refuse(self, message: m.ToWorker | None) -> None:
        """Answer a message whose descriptors did not fit into this process."""
        if isinstance(message, m.Connection):
            number = message.arrival.connection
            self._channel.send(m.NotTaken(connection=number, reason="no descriptor is left"))
        elif isinstance(message, m.Adopt):
            self._doorway.hurry(message.room)  # the packets before this one
            self._arrivals.refuse(message)

    def _configure(self, message: m.Configure, descriptors: list[int]) -> None:
        [ledger] = descriptors
        try:
            m.check_protocol(message.protocol)
            settings = msgspec.json.decode(message.settings, type=Settings)
            where = address.parse(message.store)
            site = Site(
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
        if message.instance:
            self._lease = Lease(message.lease_s)
        self._begin(settings, where, name, message.instance, site, Ledger(ledger))
        self._leased(message.leased_at, anew=True)
        run(self._get_ready(), "the worker's start")

    def _overloaded(self, on: bool) -> None:
        if self._host is not None:
            self._host.overloaded = on

    def _leased(self, asked: float, anew: bool) -> None:
        """Hear that the instance's lease was renewed."""
        if self._lease is not None and self._lease.renewed(asked, _now(), anew=anew):
            assert self._host is not None
            self._host.doubt()

    async def _get_ready(self) -> None:
        """Say that rooms can come; with the store in reach, if it can be reached soon."""
        until = self._reactor.seconds() + STORE_SECONDS
        while self._store is not None and not self._store.up:
            if self._reactor.seconds() > until:
                break
            await deferLater(self._reactor, _POLL_SECONDS)
        self._channel.send(m.Ready())

    def _begin(
        self,
        settings: Settings,
        where: address.Address,
        name: str,
        instance: str,
        site: Site,
        ledger: Ledger,
    ) -> None:
        """Make what the worker consists of."""
        ledger.use()
        self._kept = settings.descriptor_store
        clock, chance = self._reactor, SystemRandom()
        self._store = self._make_store(
            address=where,
            reactor=clock,
            random=chance,
            ttl_seconds=settings.room_ttl_s,
            replicas=settings.replicas,
            instance=instance,
        )
        store: Store = self._store
        may_answer: Callable[[], bool] = lambda: True  # noqa: E731 - the other case is one, too
        lease = self._lease
        if lease is not None:
            store = LeasedStore(store, lease, _now)
            may_answer = lambda: lease.holds(_now())  # noqa: E731 - it is asked at each answer
        self._host = Host(
            store=store,
            clock=clock,
            chance=chance,
            metrics=self._metrics,
            settings=settings.worker,
            options=settings.table,
            showcase=StoredShowcase(self._store),
            owner=f"{instance}/{name}" if instance else name,
            at_end_of_turn=self._reactor.at_end_of_turn,
            on_idle=lambda room: self._channel.send(m.RoomIdle(room=room)),
            on_left=lambda room, numbers: self._channel.send(
                m.RoomLeft(room=room, connections=tuple(numbers))
            ),
            on_watching=lambda number: self._channel.send(m.Watching(connection=number)),
            may_answer=may_answer,
        )
        heartbeat = Heartbeat(
            clock=clock,
            interval=settings.worker.ping_seconds,
            timeout=settings.worker.pong_seconds,
        )
        heartbeat.start()
        self._departures = Departures(host=self._host, heartbeat=heartbeat, send=self._channel.send)
        self._arrivals = Arrivals(
            host=self._host,
            site=site,
            ledger=ledger,
            heartbeat=heartbeat,
            send=self._channel.send,
            on_resumed=self._metrics.handoff_pause.observe,
        )
        gc.collect()
        gc.freeze()  # what was imported stays: half of the time of each full collection
        self._doorway = Doorway(clock=clock, let_in=self._let_in)
        self._lag.start()
        every(clock, _TEND_SECONDS, self._tend, "the worker's housekeeping")

    def _tend(self) -> None:
        assert self._host is not None
        self._host.tend()
        census = self._host.census()
        metrics = self._metrics
        metrics.rooms.set(census.rooms)
        metrics.websocket_connections.set(census.connections)
        metrics.connected_players.set(census.players)
        metrics.active_games.set(census.matches)
        metrics.player_queue_length.set(census.searching)
        self._channel.send(
            m.Stats(
                rooms=census.rooms,
                connections=census.connections,
                players=census.players,
                active_games=census.matches,
                searching=census.searching,
                found=census.found,
                loop_lag_ms=self._lag.p99_ms(),
                recent_lag_ms=self._lag.p99_ms(RECENT),
                error_rate=self._host.errors.turn(),
                records_s=self._host.workload.records_s,
                busiest=self._host.workload.busiest,
            )
        )

    async def _stop(self, seconds: float) -> None:
        self._stopping = True
        if self._host is not None:
            await self._host.stop(seconds)
        self._channel.send(m.Stopped())
        self._end(0)

    def _orphaned(self, reason: Failure) -> None:
        """The supervisor is gone: have stored what was decided, and end."""
        if self._stopping:
            return  # the reactor's own end closes the channel, too
        _log.warn("the supervisor is gone; this worker ends")
        end = self._leave() if self._kept else self._stop(_ORPHANED_SECONDS)
        run(end, "the worker's stop")

    async def _leave(self) -> None:
        """End without a word: the program's next life goes on with the same connections."""
        self._stopping = True
        if self._host is not None:
            await self._host.settle(_ORPHANED_SECONDS)
            await deferLater(self._reactor, _LAST_SECONDS)
        os._exit(0)  # the reactor's end would shut the sockets down


def _now() -> float:
    """Return the time of the lease's clock: the supervisor's, which counts through a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
