"""The program's lives: executing itself in place, and being started again by a service manager."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from hokm.jobs import Failed, Job
from hokm.metrics import Metrics
from hokm.store.embedded import EmbeddedServer
from hokm.supervisor import keeping, succession
from hokm.supervisor.estate import KeptRoom
from hokm.supervisor.gates import Gates
from hokm.supervisor.keeping import Keeping
from hokm.supervisor.listener import Listener
from hokm.supervisor.placement import RoomCode, WorkerId
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager
from hokm.tasks import every

_log = Logger()

HAND_OVER_SECONDS: Final = 5.0  # for the service manager; 300 connections took 0.1 s
QUIET_SECONDS: Final = 40.0  # a worker that starts is ready or killed by then
LET_GO_SECONDS: Final = 5.0  # workers without a supervisor end within two
_POLL_SECONDS: Final = 0.02


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
        gates: Gates,
        embedded: EmbeddedServer | None,
        lock: int | None,
        manager: ServiceManager | None,
        keep: bool,
        is_leaving: Callable[[], bool],
        kept: Sequence[int] = (),
    ) -> None:
        """Begin.

        Args:
            embedded: The store, where it is ours.
            lock: Descriptor of the state directory's lock.
            manager: The service manager that wants to know how we are.
            keep: Whether it is to keep the players' connections for a next life.
            is_leaving: Says whether this instance leaves its fleet, or has left it.
            kept: Numbers of the estates that it keeps already.
        """
        self._reactor = reactor
        self._routing = routing
        self._pool = pool
        self._listener = listener
        self._metrics = metrics
        self._gates = gates
        self._embedded = embedded
        self._lock = lock
        self._manager = manager
        self._is_leaving = is_leaving
        self._keeping: Keeping | None = None
        if manager is not None and keep:
            self._keeping = Keeping(
                manager=manager,
                connections=routing.connections,
                ports=lambda: [listener.fileno(), *gates.ports()],
                earlier=kept,
            )
        self._looking: LoopingCall | None = None

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
            await deferLater(self._reactor, _POLL_SECONDS)
        if self._manager is not None:
            self._manager.reloading()
            self._manager.watchdog()  # Python starts; the next life says so again
        embedded = self._embedded
        left = succession.living(
            self._routing,
            self._pool,
            self._listener,
            lock=self._lock,
            store_pid=None if embedded is None else embedded.pid,
            store_path=None if embedded is None else embedded.address.path,
            counted=tuple(self._metrics.counted()),
            kept=() if self._keeping is None else self._keeping.numbers,
            leaving=self._is_leaving(),
            **self._gates.estate(),
        )
        succession.execute(left, os.environ, argv)

    def _is_quiet(self) -> bool:
        """Say whether all that goes on is in the kernel's hands, or in the estate."""
        return (
            not self._routing.moves
            and not self._routing.recovery
            and all(worker.at_rest for worker in self._pool)
            and self._gates.at_rest
            and (self._embedded is None or self._embedded.pid is not None)
        )

    def go_on(self, heritage: Heritage) -> None:
        """Go on where this process was before it executed itself."""
        left = heritage.estate
        self._pool.target = left.target or self._pool.target
        self._metrics.go_on(left.counted)
        held = succession.restore_connections(self._routing.connections, heritage)
        succession.restore_workers(self._pool, left.workers, self._reactor)
        self._gates.restore(left)
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

    @property
    def keeps(self) -> bool:
        """Whether the players' sockets are kept for a next life."""
        return self._keeping is not None

    def keep(self) -> None:
        """Begin to have the service manager keep them: this life may end at any moment."""
        if self._keeping is not None:
            self._keeping.start()
            self._looking = every(self._reactor, keeping.SECONDS, self._keeping.look, "keeping")

    def let_go(self) -> None:
        """Hear that there will be no next life: at the end, players are told to come again."""
        self._stop_looking()
        self._keeping = None

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.stop()
            self._looking = None

    async def hand_over(self, rooms: Sequence[KeptRoom]) -> None:
        """Leave listener, ledger and connections to the service manager.

        Args:
            rooms: What their last owners have exported.
        """
        assert self._keeping is not None and self._manager is not None
        self._stop_looking()
        self._keeping.leave(rooms, self._pool.target)
        if not await self._manager.barrier(HAND_OVER_SECONDS):
            _log.error("the service manager may not have kept all connections")

    async def bring_back(self, heritage: Heritage) -> None:
        """Take back what the service manager has kept for us.

        Where the life before was killed, its workers end by themselves; until then the sockets are
        theirs.
        """
        if self._manager is not None and self._keeping is None:
            keeping.forget_all(self._manager, heritage.estate.kept)
        connections = self._routing.connections
        held = succession.restore_connections(connections, heritage)
        until = self._reactor.seconds() + LET_GO_SECONDS
        while connections.ledger.in_use():
            if self._reactor.seconds() > until:
                _log.error("a worker of the life before does not end: all connections are closed")
                self._routing.recovery.part(held)
                return
            await deferLater(self._reactor, _POLL_SECONDS)
        succession.bring_back(self._routing, held, heritage.estate.rooms)
        _log.info("{count} connections of the life before go on", count=len(held))
