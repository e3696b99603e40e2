"""The supervisor: it wires the parts together, and works once per connection, never per message."""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import SystemRandom
from secrets import token_bytes
from typing import Any, Final

import msgspec
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from hokm import wire
from hokm.config import Settings
from hokm.control import gate as g
from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.limits import Overloaded
from hokm.metrics import Metrics
from hokm.proxies import Proxies
from hokm.store.address import Address
from hokm.store.embedded import EmbeddedServer, StoreDidNotStart
from hokm.store.redis import RedisStore
from hokm.store.showcase import StoredShowcase
from hokm.store.store import StoreAway
from hokm.store.visits import Visits
from hokm.supervisor import guests, succession
from hokm.supervisor.child import Launch
from hokm.supervisor.connections import Connections
from hokm.supervisor.consumption import LOOK_S, Consumption, processes
from hokm.supervisor.gates import Gates, reached_at
from hokm.supervisor.guests import Guests
from hokm.supervisor.hook import Hook
from hokm.supervisor.identity import Identity
from hokm.supervisor.instance import Instance
from hokm.supervisor.listener import Listener
from hokm.supervisor.lives import Lives
from hokm.supervisor.operations import Operations
from hokm.supervisor.overview import Overview
from hokm.supervisor.placement import WorkerId
from hokm.supervisor.pool import Pool
from hokm.supervisor.readings import Readings
from hokm.supervisor.relief import Relief
from hokm.supervisor.routing import Routing
from hokm.supervisor.scaler import Scaler
from hokm.supervisor.status import RoomsStatus, Status, TrendsStatus
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager
from hokm.supervisor.tables import Tables
from hokm.supervisor.worker import Worker
from hokm.tasks import every, run

_log = Logger()

MOVE_BITS: Final = 40
GATE_SECRET_BYTES: Final = 16
GATE_SECONDS: Final = 2.0  # for players to take what is left, once the workers have ended
CONNECTION_BITS: Final = 53  # a number that every JSON reader keeps whole
_TEND_SECONDS: Final = 1.0


class Supervisor(Service):
    """The program's control plane: store, workers, listener.

    Attributes:
        on_http: Takes each connection that wants no WebSocket, and the address it comes from.
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
        heritage: Heritage | None = None,
        manager: ServiceManager | None = None,
        lock: int | None = None,
        listening_tls: socket.socket | None = None,
        pem: g.Pem | None = None,
        identity: Identity | None = None,
        worker: str = "hokm.worker",
    ) -> None:
        """Make a supervisor that does nothing yet.

        Args:
            listening: Public socket, bound and listening.
            store: The embedded store, or where an outside one is.
            environ: Of the workers.
            give_up: Ends the program, which cannot work as it is configured, with a reason.
            heritage: What an earlier life of the program has left.
            manager: The service manager that wants to know how we are.
            lock: Descriptor of the state directory's lock, for the next life.
            listening_tls: Socket for TLS, bound and listening, where there is one.
            pem: Its certificate.
            identity: Who this server is among those that share its store; None: it has its own.
            worker: Module that is a worker's program.
        """
        self.metrics = metrics
        self.on_http: Callable[[socket.socket, str], None] = lambda sock, origin: sock.close()
        self._reactor = reactor
        self._settings = settings
        self._give_up = give_up
        self._heritage = heritage
        self._manager = manager
        self._loops: list[LoopingCall] = []
        self._embedded = store if isinstance(store, EmbeddedServer) else None
        where = store.address if isinstance(store, EmbeddedServer) else store
        self.store = RedisStore(
            address=where,
            reactor=reactor,
            random=SystemRandom(),
            ttl_seconds=settings.room_ttl_s,
            replicas=settings.replicas,
        )
        self.tables = Tables(
            store=self.store,
            showcase=StoredShowcase(self.store),
            chance=SystemRandom(),
            metrics=metrics,
        )
        secret = (heritage and heritage.estate.gate_secret) or token_bytes(GATE_SECRET_BYTES)
        self._proxies = Proxies(settings.worker.trusted_proxies)
        self.listener = Listener(
            reactor=reactor,
            sock=listening,
            on_websocket=lambda *request: self.routing.come(*request),
            on_http=lambda head, sock, origin: self.on_http(sock, origin.address),
            on_refused=lambda why: metrics.connections_refused.labels(why).inc(),
            is_proxy=self._is_trusted,
            secret=secret,
        )
        # A worker needs no secret but the store's password, which its address holds.
        told = msgspec.structs.replace(settings, redis=None, admin_token=None)
        self._told = msgspec.json.encode(told)
        self._where = where.url()
        chance = SystemRandom()
        connections = Connections(
            ledger=Ledger.make() if heritage is None else Ledger(heritage.ledger),
            number=lambda: chance.getrandbits(CONNECTION_BITS),
        )
        self.routing = Routing(
            reactor=reactor,
            connections=connections,
            worker=lambda id: self.pool[id],
            metrics=metrics,
            first_move=chance.getrandbits(MOVE_BITS),
        )
        self.pool = Pool(
            reactor=reactor,
            owner=self,
            # -P: not the hokm of the working directory, should there be one
            launch=Launch((sys.executable, "-P", "-m", worker), dict(environ)),
            configuration=self._configuration,
            ledger=connections.ledger.fd,
            spares=settings.spare_workers,
        )
        self.gates = Gates(
            reactor=reactor,
            launch=Launch((sys.executable, "-P", "-m", "hokm.gate"), dict(environ)),
            begin=g.Begin(
                home=reached_at(listening),
                secret=secret,
                pem=pem,
                log_format=settings.log_format,
                log_level=settings.log_level,
            ),
            listening=listening_tls,
            metrics=metrics,
        )
        self.lives = Lives(
            reactor=reactor,
            gates=self.gates,
            routing=self.routing,
            pool=self.pool,
            listener=self.listener,
            metrics=metrics,
            embedded=self._embedded,
            lock=lock,
            manager=manager,
            keep=settings.descriptor_store,
            kept=() if heritage is None else heritage.estate.kept,
        )
        self.instance = None if identity is None else self._make_instance(identity, listening)
        self.operations = Operations(
            reactor=reactor,
            pool=self.pool,
            routing=self.routing,
            lives=self.lives,
            gates=self.gates,
            metrics=metrics,
            stop_seconds=settings.stop_seconds,
            leaving=None if self.instance is None else self.instance.leaving,
        )
        self.readings = Readings(clock=reactor, pool=self.pool, tables=self.tables, metrics=metrics)
        self.guests = Guests(visits=Visits(self.store), metrics=metrics, now=time.time)
        self.consumption = Consumption(
            metrics=metrics,
            processes=lambda: processes(self.pool, self.gates, self._embedded),
            traffic=connections.traffic,
            store_dir=None if self._embedded is None else Path(settings.state_dir),
            first_life=heritage is None,
        )
        self.scaler = Scaler(
            clock=reactor,
            scaling=settings.scaling,
            pool=self.pool,
            readings=self.readings,
            operations=self.operations,
            metrics=metrics,
            on_full=Hook(reactor=reactor, environ=environ, now=time.time).call,
            now=time.time,
        )
        self.relief = Relief(
            clock=reactor,
            scaling=lambda: self.scaler.scaling,
            pool=self.pool,
            routing=self.routing,
            readings=self.readings,
            operations=self.operations,
        )

        self._overview = Overview(
            clock=reactor,
            pool=self.pool,
            routing=self.routing,
            readings=self.readings,
            scaler=self.scaler,
            operations=self.operations,
            store=self.store,
            embedded=self._embedded is not None,
            instance=self.instance,
        )

    def _make_instance(self, identity: Identity, listening: socket.socket) -> Instance:
        return Instance(
            reactor=self._reactor,
            settings=self._settings,
            identity=identity,
            store=self.store,
            port=listening.getsockname()[1],
            pool=self.pool,
            routing=self.routing,
            relay=self.gates.relay,
            metrics=self.metrics,
            give_up=self._give_up,
        )

    def _is_trusted(self, address: str) -> bool:
        """Say whether an address is a proxy's, or another instance's."""
        if self._proxies.trusts(address):
            return True
        return self.instance is not None and self.instance.fleet.is_member(address)

    def _configuration(self, worker: WorkerId) -> m.Configure:
        configuration = m.Configure(worker=worker, store=self._where, settings=self._told)
        return configuration if self.instance is None else self.instance.configure(configuration)

    # --- life -----------------------------------------------------------------------------

    def startService(self) -> None:
        """Start store, workers and listener, one after the other."""
        super().startService()
        run(self._start(), "the start")

    async def _start(self) -> None:
        self.pool.target = self._settings.workers.first
        if self._heritage is not None and self._heritage.executed:
            self.lives.go_on(self._heritage)
            await deferLater(self._reactor, 0.0)  # until Twisted listens to signals
            succession.let_signals_in()
        if self._embedded is not None and not await self._start_store(self._embedded):
            return
        if not self.running:
            return
        if self.instance is not None:
            self.instance.start()
        if self._heritage is not None and not self._heritage.executed:
            await self.lives.bring_back(self._heritage)
        self.lives.keep()
        self.pool.mind()
        self.listener.start()
        self.gates.start()
        self.consumption.look()
        self._count_guests()
        self._loops = [
            every(self._reactor, _TEND_SECONDS, self._tend, "housekeeping"),
            every(self._reactor, LOOK_S, self.consumption.look, "counting what is used"),
            every(self._reactor, guests.LOOK_S, self._count_guests, "counting guests"),
        ]
        self.scaler.start()
        if self._manager is not None:
            self._manager.ready(f"players are welcome on port {self.listener.port}")
            self._manager.watchdog()
        _log.info(
            "players are welcome on port {port}; {workers} workers, {files} descriptors each",
            port=self.listener.port,
            workers=self.pool.target,
            files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )

    async def _start_store(self, embedded: EmbeddedServer) -> bool:
        """Start the store, or go on with the one of the life before; False: it does not come."""
        pid = None if self._heritage is None else self._heritage.estate.store_pid
        try:
            if pid is None:
                await embedded.start(lambda: self.store.up)
            else:
                await embedded.adopt(pid, lambda: self.store.up)
        except StoreDidNotStart as error:
            self._give_up(str(error))
            return False
        _log.info("the store runs, pid {pid}", pid=embedded.pid)
        return True

    def stopService(self) -> Deferred[None]:
        """Let the workers store all they decided, then stop the store."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        _log.info("stopping")
        for loop in self._loops:
            loop.stop()
        self.scaler.stop()
        keeps = self.lives.keeps
        if self._manager is not None:
            self._manager.stopping()
        if not keeps:
            if self.instance is not None:
                await self.instance.leave_at_end()
                self.instance.turn_all_away()
            self.listener.stop()
            self.routing.turn_all_away()
        else:
            self.listener.pause()
            rooms = await succession.export_all(self.routing, self.pool.active)
        self.gates.retire()
        self.routing.open = False
        await self.pool.stop(self._settings.stop_seconds)
        if keeps:
            await self.lives.hand_over(rooms)
        await self.gates.stop(GATE_SECONDS)
        if self.instance is not None:
            await self.instance.quit(comes_back=keeps)
        self.store.close()
        if self._embedded is not None:
            await self._embedded.stop()
        _log.info("stopped")

    # --- what the workers tell ------------------------------------------------------------

    def on_active(self, worker: Worker) -> None:
        """Let a worker take rooms."""
        self.routing.on_active(worker)

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """Take what a worker says of its rooms and connections."""
        self.routing.on_message(worker, message)

    def on_lost(self, worker: Worker, pid: int | None) -> None:
        """Do without a worker."""
        self.readings.forget(worker, pid)
        if self.running and not worker.expected:
            self.metrics.worker_restarts.inc()
        self.routing.on_lost(worker)

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """End: no worker could do better."""
        self._give_up(reason)

    # --- how things are ------------------------------------------------------------------

    def healthy(self) -> bool:
        """Say whether tables can be made and played at."""
        return not self.unhealthy()

    def unhealthy(self) -> tuple[str, ...]:
        """Return why players cannot be served now; nothing when they can."""
        reasons = []
        if not self.store.up:
            reasons.append("the store does not answer")
        if not self.pool.ready:
            reasons.append("no worker is ready")
        if self.instance is not None:
            reasons += self.instance.unhealthy()
        # Who is leaving serves those who are here yet: a balancer might cut them off.
        if not self.running and not (self.instance and self.instance.leaving.under_way):
            reasons.append("the server is stopping")
        return tuple(reasons)

    def ready(self) -> bool:
        """Say whether new players should come here."""
        return not self.unready()

    def unready(self) -> tuple[str, ...]:
        """Return why new players should go elsewhere; nothing when they may come."""
        reasons = self.unhealthy()
        return reasons if reasons or self.instance is None else self.instance.unready()

    def metrics_text(self) -> bytes:
        """Return all metrics of all processes."""
        return self.metrics.render()

    async def create(self, options: wire.TableOptions, *, public: bool) -> wire.RoomCreated:
        """Make a table; its link is complete where the settings say how players find us.

        Raises:
            Overloaded: See there.
            StoreAway: The store cannot be reached.
        """
        if self.scaler.overloaded:
            raise Overloaded
        made = await self.tables.create(options, public=public)
        base = (self._settings.public_url or "").rstrip("/")
        return msgspec.structs.replace(made, url=base + made.url)

    async def public(self) -> wire.PublicTables:
        """Return the public tables."""
        return await self.tables.public()

    def visited(self, guest: str) -> None:
        """Count a browser in which somebody plays."""
        self.guests.come(guest)

    async def history(self, code: str) -> wire.History | None:
        """Return the finished hands of a table."""
        return await self.tables.history(code)

    def status(self) -> Status:
        """Return how the instance and its workers are."""
        return self._overview.status(self.unhealthy())

    def rooms(self, code: str, worker: int | None) -> RoomsStatus:
        """Return rooms; see `Overview`."""
        return self._overview.rooms(code, worker)

    def trends(self) -> TrendsStatus:
        """Return what the workers did lately."""
        return self.readings.trends.status()

    # --- now and then ---------------------------------------------------------------------

    def _tend(self) -> None:
        self.routing.tend()
        self.pool.ask()
        self.gates.tend()
        if self._manager is not None and self._manager.watchdog_seconds is not None:
            self._manager.watchdog()
        run(self._ask_store(), "asking for the store")
        self.readings.look()
        self.scaler.watch()
        self.relief.look()

    def _count_guests(self) -> None:
        run(self.guests.tend(), "counting guests")

    async def _ask_store(self) -> None:
        """See whether the store answers; its being away is no failure of this program."""
        with contextlib.suppress(StoreAway):
            await self.store.commit([])
        self.metrics.store_up.set(self.store.up)
        self.metrics.healthy.set(self.healthy())
        if self.instance is not None:
            self.instance.measure()
