"""The program's lives: executing itself in place, and being started again by a service manager."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm.jobs import Failed, Job
from hokm.metrics import Metrics
from hokm.store.embedded import EmbeddedServer
from hokm.supervisor import estate, succession
from hokm.supervisor.estate import KeptRoom
from hokm.supervisor.listener import Listener
from hokm.supervisor.parcel import pack
from hokm.supervisor.placement import RoomCode, WorkerId
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager

_log = Logger()

HAND_OVER_SECONDS: Final = 5.0  # for the service manager; 300 connections took 0.1 s
QUIET_SECONDS: Final = 40.0  # a worker that starts is ready or killed by then
_QUIET_POLL_SECONDS: Final = 0.02


class Lives:
    """Ends one life of the program so that the next can go on, and goes on."""

    def __init__(
        self,
        *,
        reactor: Any,
        routing: Routing,
        pool: Pool,
        listener: Listener,
        metrics: Metrics,
        embedded: EmbeddedServer | None,
        lock: int | None,
        manager: ServiceManager | None,
    ) -> None:
        """Begin.

        Args:
            embedded: The store, where it is ours.
            lock: Descriptor of the state directory's lock.
            manager: The service manager that wants to know how we are.
        """
        self._reactor = reactor
        self._routing = routing
        self._pool = pool
        self._listener = listener
        self._metrics = metrics
        self._embedded = embedded
        self._lock = lock
        self._manager = manager

    # --- executing itself -----------------------------------------------------------------

    @property
    def can_execute(self) -> bool:
        """Whether this process was started so that it can execute itself in place."""
        return succession.command_line(sys.orig_argv) is not None

    async def upgrade(self, job: Job) -> None:
        """Execute the code that is installed now in this process's place.

        Raises:
            Failed: It does not start, or this process finds no quiet moment; nothing was changed.
        """
        argv = succession.command_line(sys.orig_argv)
        assert argv is not None
        job.total, job.note = 1, "the installed code is tried"
        wrong = await succession.check_installed(self._reactor, sys.orig_argv)
        if wrong is not None:
            raise Failed(f"the installed code does not start: {wrong}")
        until = self._reactor.seconds() + QUIET_SECONDS
        while not self._is_quiet():
            if self._reactor.seconds() > until:
                raise Failed("workers start or rooms move all the while")
            await deferLater(self._reactor, _QUIET_POLL_SECONDS)
        if self._manager is not None:
            self._manager.reloading()
        embedded = self._embedded
        left = succession.living(
            self._routing,
            self._pool,
            self._listener,
            lock=self._lock,
            store_pid=None if embedded is None else embedded.pid,
            store_path=None if embedded is None else embedded.address.path,
            counted=tuple(self._metrics.counted()),
        )
        succession.execute(left, os.environ, argv)

    def _is_quiet(self) -> bool:
        """Say whether all that goes on is in the kernel's hands, or in the estate."""
        return (
            not self._routing.moves
            and not self._routing.recovery
            and all(worker.at_rest for worker in self._pool)
            and (self._embedded is None or self._embedded.pid is not None)
        )

    def go_on(self, heritage: Heritage) -> None:
        """Go on where this process was before it executed itself."""
        left = heritage.estate
        self._pool.target = left.target or self._pool.target
        self._metrics.go_on(left.counted)
        held = succession.restore_connections(self._routing.connections, heritage)
        succession.restore_workers(self._pool, left.workers, self._reactor)
        for room, worker in left.pins:
            if self._pool.get(worker) is not None:
                self._routing.placement.pin(RoomCode(room), WorkerId(worker))
        lost = [one for one in held if one.worker is None or self._pool.get(one.worker) is None]
        self._routing.recovery.take_over(lost)
        origins = dict(left.origins)
        for cookie, _ in left.pending:
            if (sock := heritage.sockets.get(cookie)) is not None:
                self._listener.look_again(sock, origins.get(cookie))
        _log.info("{count} connections of the life before go on", count=len(held))

    # --- being started again --------------------------------------------------------------

    async def hand_over(self, keeper: ServiceManager, rooms: Sequence[KeptRoom]) -> None:
        """Leave listener, ledger and connections to the service manager.

        Args:
            rooms: What their last owners have exported.
        """
        connections = self._routing.connections
        kept = succession.kept_connections(connections)
        left = estate.Estate(
            ledger=-1,
            listening=-1,
            connections=kept,
            rooms=tuple(rooms),
            target=self._pool.target,
        )
        state = estate.write(left)
        keeper.store(estate.STATE_NAME, [state], poll=False)
        keeper.store(estate.LEDGER_NAME, [connections.ledger.fd], poll=False)
        keeper.store(estate.LISTEN_NAME, [self._listener.fileno()], poll=False)
        parcel = pack([one.fd for one in kept])
        keeper.store(estate.CONNECTIONS_NAME, [end.fileno() for end in parcel], poll=False)
        os.close(state)
        if not await keeper.barrier(HAND_OVER_SECONDS):
            _log.error("the service manager may not have kept all connections")

    def bring_back(self, heritage: Heritage) -> None:
        """Take back what the service manager has kept for us."""
        held = succession.restore_connections(self._routing.connections, heritage)
        succession.bring_back(self._routing, held, heritage.estate.rooms)
        if self._manager is not None:
            for name in estate.NAMES:
                self._manager.remove(name)  # its copies would keep dead connections open
        _log.info("{count} connections of the life before go on", count=len(held))
