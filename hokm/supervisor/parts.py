"""The parts of a server, put together: each is told of those that it works with."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import SystemRandom
from secrets import token_bytes
from typing import Any, Final

import msgspec

from hokm.config import Settings
from hokm.control import gate as g
from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.metrics import Metrics
from hokm.proxies import Proxies
from hokm.store.address import Address
from hokm.store.embedded import EmbeddedServer
from hokm.store.redis import RedisStore
from hokm.store.showcase import StoredShowcase
from hokm.store.visits import Visits
from hokm.supervisor.child import Launch
from hokm.supervisor.connections import Connections
from hokm.supervisor.consumption import Consumption, processes
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
from hokm.supervisor.pool import Owner, Pool
from hokm.supervisor.readings import Readings
from hokm.supervisor.relief import Relief
from hokm.supervisor.routing import Routing
from hokm.supervisor.scaler import Scaler
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager
from hokm.supervisor.tables import Tables

MOVE_BITS: Final = 40
GATE_SECRET_BYTES: Final = 16
CONNECTION_BITS: Final = 53  # a number that every JSON reader keeps whole


class Parts:
    """All parts of one server; what each is, its own module tells.

    Attributes:
        on_http: Takes each connection that wants no WebSocket, and the address it comes from.
    """

    def __init__(
        self,
        owner: Owner,
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
        """Make them; none does anything yet.

        Args:
            owner: Is told of the workers.
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
        self.on_http: Callable[[socket.socket, str], None] = lambda sock, origin: sock.close()
        self.metrics = metrics
        self._reactor = reactor
        self._settings = settings
        self._give_up = give_up
        self.embedded = store if isinstance(store, EmbeddedServer) else None
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
            owner=owner,
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
            embedded=self.embedded,
            lock=lock,
            manager=manager,
            keep=settings.descriptor_store,
            is_leaving=lambda: self.instance is not None and self.instance.fleet.leaves,
            kept=() if heritage is None else heritage.estate.kept,
        )
        self.instance = None if identity is None else self._make_instance(identity, listening)
        # One that was stopped and is started again comes back to its fleet.
        left = None if heritage is None or not heritage.executed else heritage.estate
        if self.instance is not None and left is not None and left.leaving:
            self.instance.fleet.state = "leaving"
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
            processes=lambda: processes(self.pool, self.gates, self.embedded),
            traffic=connections.traffic,
            store_dir=None if self.embedded is None else Path(settings.state_dir),
            first_life=heritage is None,
        )
        self.scaler = Scaler(
            clock=reactor,
            scaling=settings.scaling,
            pool=self.pool,
            readings=self.readings,
            operations=self.operations,
            metrics=metrics,
            hook=Hook(reactor=reactor, environ=environ, now=time.time),
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

        self.overview = Overview(
            clock=reactor,
            pool=self.pool,
            routing=self.routing,
            readings=self.readings,
            scaler=self.scaler,
            operations=self.operations,
            store=self.store,
            embedded=self.embedded is not None,
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
