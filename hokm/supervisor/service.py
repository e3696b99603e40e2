"""The supervisor: it wires the parts together, and works once per connection, never per message."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from random import SystemRandom
from typing import Any, Final

import msgspec
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hokm import wire
from hokm.config import Settings
from hokm.control import messages as m
from hokm.control.identity import cookie
from hokm.control.refusal import turn_away
from hokm.metrics import Metrics
from hokm.store.address import Address
from hokm.store.embedded import EmbeddedServer, StoreDidNotStart
from hokm.store.redis import RedisStore
from hokm.store.store import StoreAway
from hokm.supervisor.head import Head
from hokm.supervisor.listener import Listener
from hokm.supervisor.placement import NoWorker, Placement, RoomCode, WorkerId
from hokm.supervisor.sampler import Sampler, Usage, memory_limit
from hokm.supervisor.status import ScalingStatus, Status, StoreStatus, WorkerStatus
from hokm.supervisor.tables import Tables
from hokm.supervisor.workers import Untaken, Worker, Workers
from hokm.tasks import every, run

_log = Logger()

PARK_SECONDS: Final = 5.0  # how long a player waits for a worker before he is told to come back
MAX_PARKED: Final = 2000
_TEND_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Parked:
    since: float
    room: RoomCode
    sock: socket.socket
    peer: str


class Supervisor(Service):
    """The program's control plane: store, workers, listener.

    Attributes:
        on_http: Takes each connection that wants no WebSocket.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        settings: Settings,
        listening: socket.socket,
        store: EmbeddedServer | Address,
        metrics: Metrics,
        environ: Mapping[str, str],
        give_up: Callable[[str], None],
    ) -> None:
        """Make a supervisor that does nothing yet.

        Args:
            listening: Public socket, bound and listening.
            store: The embedded store, or where an outside one is.
            environ: Of the workers.
            give_up: Ends the program, which cannot work as it is configured, with a reason.
        """
        self.metrics = metrics
        self.placement = Placement()
        self.on_http: Callable[[socket.socket], None] = socket.socket.close
        self._reactor = reactor
        self._settings = settings
        self._give_up = give_up
        self._numbers = count(1)
        self._parked: deque[_Parked] = deque()
        self._sampler = Sampler()
        self._usage: dict[int, Usage] = {}
        self._memory = memory_limit()
        self._began = reactor.seconds()
        self._tending: LoopingCall | None = None
        self._embedded = store if isinstance(store, EmbeddedServer) else None
        where = store.address if isinstance(store, EmbeddedServer) else store
        self.store = RedisStore(
            address=where,
            reactor=reactor,
            random=SystemRandom(),
            ttl_seconds=settings.room_ttl_s,
        )
        self.tables = Tables(store=self.store, chance=SystemRandom(), metrics=metrics)
        self.listener = Listener(
            reactor=reactor,
            sock=listening,
            on_websocket=self._on_websocket,
            on_http=self._on_http,
            on_refused=lambda why: metrics.connections_refused.labels(why).inc(),
        )
        # A worker needs no secret but the store's password, which its address holds.
        told = msgspec.structs.replace(settings, redis=None, admin_token=None)
        self._told = msgspec.json.encode(told)
        self._where = where.url()
        self.workers = Workers(
            reactor=reactor,
            watcher=self,
            configuration=self._configuration,
            environ=environ,
            on_gone=self._forget_process,
        )

    def _configuration(self, worker: int) -> m.Configure:
        return m.Configure(worker=worker, store=self._where, settings=self._told)

    # --- life -----------------------------------------------------------------------------

    def startService(self) -> None:
        """Start store, workers and listener, one after the other."""
        super().startService()
        run(self._start(), "the start")

    async def _start(self) -> None:
        if self._embedded is not None:
            try:
                await self._embedded.start(lambda: self.store.up)
            except StoreDidNotStart as error:
                self._give_up(str(error))
                return
            _log.info("the store runs, pid {pid}", pid=self._embedded.pid)
        if not self.running:
            return
        self.workers.start(self._settings.workers.min)
        self.listener.start()
        self._tending = every(self._reactor, _TEND_SECONDS, self._tend, "housekeeping")
        _log.info(
            "players are welcome on port {port}; {workers} workers",
            port=self.listener.port,
            workers=self._settings.workers.min,
        )

    def stopService(self) -> Deferred[None]:
        """Let the workers store all they decided, then stop the store."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        _log.info("stopping")
        if self._tending is not None:
            self._tending.stop()
        self.listener.stop()
        for waiting in self._parked:
            turn_away(waiting.sock, 503, "Service Unavailable")
        self._parked.clear()
        await self.workers.stop(self._settings.stop_seconds)
        self.store.close()
        if self._embedded is not None:
            await self._embedded.stop()
        _log.info("stopped")

    # --- connections ----------------------------------------------------------------------

    def _on_websocket(self, head: Head, sock: socket.socket, peer: str) -> None:
        if head.room_code is None:
            turn_away(sock, 404, "Not Found")
        else:
            self._place(RoomCode(head.room_code), sock, peer)

    def _on_http(self, head: Head, sock: socket.socket, peer: str) -> None:
        self.on_http(sock)

    def _place(self, room: RoomCode, sock: socket.socket, peer: str) -> None:
        """Hand a player's connection to the worker of its room."""
        try:
            worker = self.workers[self.placement.worker_for(room)]
        except NoWorker:
            self._park(room, sock, peer)
            return
        connection = m.Connection(
            connection=next(self._numbers), room=room, peer=peer, cookie=cookie(sock)
        )
        worker.give(connection, sock)

    def _park(self, room: RoomCode, sock: socket.socket, peer: str) -> None:
        """Keep a connection until a worker is ready."""
        if len(self._parked) >= MAX_PARKED:
            self._turn_away(sock)
        else:
            self._parked.append(_Parked(self._reactor.seconds(), room, sock, peer))

    def _turn_away(self, sock: socket.socket) -> None:
        self.metrics.connections_refused.labels("no_worker").inc()
        turn_away(sock, 503, "Service Unavailable")

    # --- what the workers tell ------------------------------------------------------------

    def on_ready(self, worker: Worker) -> None:
        """Let a worker take rooms, and those first who wait for one."""
        _log.info("worker {id} is ready, pid {pid}", id=worker.id, pid=worker.pid)
        self.placement.add(WorkerId(worker.id))
        parked, self._parked = self._parked, deque()
        for waiting in parked:
            self._place(waiting.room, waiting.sock, waiting.peer)

    def on_lost(self, worker: Worker, untaken: Untaken) -> None:
        """Place a dead worker's rooms anew when they are asked for; some are already."""
        self.placement.remove(WorkerId(worker.id))
        if self.running:
            self.metrics.worker_restarts.inc()
        for connection, sock in untaken:
            self.on_untaken(worker, connection, sock)

    def on_untaken(self, worker: Worker, connection: m.Connection, sock: socket.socket) -> None:
        """Route a connection again that its worker did not take."""
        if self.running:
            self._place(RoomCode(connection.room), sock, connection.peer)
        else:
            sock.close()

    def on_idle(self, worker: Worker, room: str) -> None:
        """Let a room that nobody uses go anywhere next time."""
        self.placement.unpin(RoomCode(room), WorkerId(worker.id))

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """End: no worker could do better."""
        self._give_up(reason)

    def _forget_process(self, pid: int) -> None:
        self.metrics.forget(pid)
        self._sampler.forget(pid)

    # --- how things are ------------------------------------------------------------------

    def healthy(self) -> bool:
        """Say whether tables can be made and played at."""
        return not self.unhealthy()

    def unhealthy(self) -> tuple[str, ...]:
        """Return why players cannot be served now; nothing when they can."""
        reasons = []
        if not self.store.up:
            reasons.append("the store does not answer")
        if not any(worker.state == "ready" for worker in self.workers):
            reasons.append("no worker is ready")
        if not self.running:
            reasons.append("the server is stopping")
        return tuple(reasons)

    def metrics_text(self) -> bytes:
        """Return all metrics of all processes."""
        return self.metrics.render()

    async def create(self, options: wire.TableOptions) -> wire.RoomCreated:
        """Make a table; its link is complete where the settings say how players find us."""
        made = await self.tables.create(options)
        base = (self._settings.public_url or "").rstrip("/")
        return msgspec.structs.replace(made, url=base + made.url)

    async def history(self, code: str) -> wire.History | None:
        """Return the finished hands of a table."""
        return await self.tables.history(code)

    def status(self) -> Status:
        """Return how the instance and its workers are."""
        workers = tuple(self._worker_status(worker) for worker in self.workers)
        return Status(
            instance=socket.gethostname(),
            version=version("hokm"),
            uptime_s=round(self._reactor.seconds() - self._began, 1),
            workers=workers,
            rooms=sum(worker.rooms for worker in workers),
            connections=sum(worker.connections for worker in workers),
            scaling=ScalingStatus(target=self._settings.workers.min),
            store=StoreStatus(
                up=self.store.up,
                kind="embedded" if self._embedded else "shared",
                address=str(self.store.address),
            ),
        )

    def _worker_status(self, worker: Worker) -> WorkerStatus:
        stats = worker.stats
        usage = self._usage.get(worker.id, Usage())
        return WorkerStatus(
            id=worker.id,
            pid=worker.pid,
            state=worker.state,
            rooms=stats.rooms if stats else 0,
            connections=stats.connections if stats else 0,
            cpu=round(usage.cpu, 3),
            memory=usage.memory,
            loop_lag_ms=round(stats.loop_lag_ms, 1) if stats else 0.0,
        )

    # --- now and then ---------------------------------------------------------------------

    def _tend(self) -> None:
        since = self._reactor.seconds() - PARK_SECONDS
        while self._parked and self._parked[0].since < since:
            self._turn_away(self._parked.popleft().sock)
        run(self._ask_store(), "asking for the store")
        metrics = self.metrics
        metrics.workers.set(sum(worker.state == "ready" for worker in self.workers))
        for worker in self.workers:
            usage = self._sampler.look(worker.pid) if worker.pid is not None else Usage()
            self._usage[worker.id] = usage
            metrics.cpu_usage.labels(worker.id).set(usage.cpu)
            metrics.memory_usage.labels(worker.id).set(usage.memory / self._memory)
            metrics.error_rate.labels(worker.id).set(worker.stats.error_rate if worker.stats else 0)

    async def _ask_store(self) -> None:
        """See whether the store answers; its being away is no failure of this program."""
        with contextlib.suppress(StoreAway):
            await self.store.commit([])
        self.metrics.store_up.set(self.store.up)
