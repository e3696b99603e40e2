"""The supervisor's life: it works once per connection, never per message."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from hokm.config import Settings
from hokm.control import messages as m
from hokm.store.embedded import EmbeddedServer, StoreDidNotStart
from hokm.store.store import StoreAway
from hokm.supervisor import guests, succession
from hokm.supervisor.consumption import LOOK_S
from hokm.supervisor.desk import Desk
from hokm.supervisor.parts import Parts
from hokm.supervisor.pool import Owner
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager
from hokm.supervisor.worker import Worker
from hokm.tasks import every, run

_log = Logger()

GATE_SECONDS: Final = 2.0  # for players to take what is left, once the workers have ended
_TEND_SECONDS: Final = 1.0


class Supervisor(Service):
    """The program's control plane: it starts, tends and ends the parts.

    Attributes:
        parts: All of them.
        desk: Answers the sites.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        settings: Settings,
        give_up: Callable[[str], None],
        heritage: Heritage | None,
        manager: ServiceManager | None,
        make: Callable[[Owner], Parts],
    ) -> None:
        """Make a supervisor that does nothing yet.

        Args:
            give_up: Ends the program, which cannot work as it is configured, with a reason.
            heritage: What an earlier life of the program has left.
            manager: The service manager that wants to know how we are.
            make: Makes the parts, given who is told of the workers.
        """
        self._reactor = reactor
        self._settings = settings
        self._give_up = give_up
        self._heritage = heritage
        self._manager = manager
        self._loops: list[LoopingCall] = []
        self._overloaded = False  # as the workers were told
        self.parts = make(self)
        self.desk = Desk(parts=self.parts, public_url=settings.public_url)

    # --- life -----------------------------------------------------------------------------

    def startService(self) -> None:
        """Start store, workers and listener, one after the other."""
        super().startService()
        self.desk.open = True
        run(self._start(), "the start")

    async def _start(self) -> None:
        """Start all parts, or end the program: half of them would look alive and serve nobody."""
        try:
            await self._start_parts()
        except Exception:  # noqa: BLE001 - whatever it is, the next life may do better
            _log.failure("the start failed")
            await deferLater(self._reactor, 0.0)  # a reactor that does not run yet cannot stop
            succession.let_signals_in()
            self._give_up("the start failed; the log says why")

    async def _start_parts(self) -> None:
        parts = self.parts
        parts.pool.target = self._settings.workers.first
        if self._heritage is not None and self._heritage.executed:
            parts.lives.go_on(self._heritage)
            await deferLater(self._reactor, 0.0)  # until Twisted listens to signals
            succession.let_signals_in()
        if parts.embedded is not None and not await self._start_store(parts.embedded):
            return
        if not self.running:
            return
        if parts.instance is not None:
            parts.instance.start()
        if self._heritage is not None and not self._heritage.executed:
            await parts.lives.bring_back(self._heritage)
        parts.lives.keep()
        parts.pool.mind()
        parts.listener.start()
        parts.gates.start()
        parts.consumption.look()
        self._count_guests()
        self._loops = [
            every(self._reactor, _TEND_SECONDS, self._tend, "housekeeping"),
            every(self._reactor, LOOK_S, parts.consumption.look, "counting what is used"),
            every(self._reactor, guests.LOOK_S, self._count_guests, "counting guests"),
        ]
        parts.scaler.start()
        if self._manager is not None:
            self._manager.ready(f"players are welcome on port {parts.listener.port}")
            self._manager.watchdog()
        _log.info(
            "players are welcome on port {port}; {workers} workers, {files} descriptors each",
            port=parts.listener.port,
            workers=parts.pool.target,
            files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )

    async def _start_store(self, embedded: EmbeddedServer) -> bool:
        """Start the store, or go on with the one of the life before; False: it does not come."""
        parts = self.parts
        pid = None if self._heritage is None else self._heritage.estate.store_pid
        try:
            if pid is None:
                await embedded.start(lambda: parts.store.up)
            else:
                await embedded.adopt(pid, lambda: parts.store.up)
        except StoreDidNotStart as error:
            self._give_up(str(error))
            return False
        _log.info("the store runs, pid {pid}", pid=embedded.pid)
        return True

    def stopService(self) -> Deferred[None]:
        """Let the workers store all they decided, then stop the store."""
        super().stopService()
        self.desk.open = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        parts = self.parts
        _log.info("stopping")
        for loop in self._loops:
            loop.stop()
        parts.scaler.stop()
        keeps = parts.lives.keeps
        if self._manager is not None:
            self._manager.stopping()
        if not keeps:
            if parts.instance is not None:
                await parts.instance.leave_at_end()
                parts.instance.turn_all_away()
            parts.listener.stop()
            parts.routing.turn_all_away()
        else:
            parts.listener.pause()
            rooms = await succession.export_all(parts.routing, parts.pool.active)
        parts.gates.retire()
        parts.routing.open = False
        await parts.pool.stop(self._settings.stop_seconds)
        if keeps:
            await parts.lives.hand_over(rooms)
        await parts.gates.stop(GATE_SECONDS)
        if parts.instance is not None:
            await parts.instance.quit(comes_back=keeps)
        parts.store.close()
        if parts.embedded is not None:
            await parts.embedded.stop()
        _log.info("stopped")

    # --- what the workers tell ------------------------------------------------------------

    def on_active(self, worker: Worker) -> None:
        """Let a worker take rooms."""
        worker.tell(m.Overload(on=self._overloaded))
        self.parts.routing.on_active(worker)

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """Take what a worker says of its rooms and connections."""
        self.parts.routing.on_message(worker, message)

    def on_lost(self, worker: Worker, pid: int | None) -> None:
        """Do without a worker."""
        parts = self.parts
        parts.readings.forget(worker, pid)
        if self.running and not worker.expected:
            parts.metrics.worker_restarts.inc()
        parts.routing.on_lost(worker)

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """End: no worker could do better."""
        self._give_up(reason)

    # --- now and then ---------------------------------------------------------------------

    def _tend(self) -> None:
        parts = self.parts
        parts.routing.tend()
        parts.pool.ask()
        parts.gates.tend()
        if self._manager is not None and self._manager.watchdog_seconds is not None:
            self._manager.watchdog()
        run(self._ask_store(), "asking for the store")
        parts.readings.look()
        parts.scaler.watch()
        self._tell_overload()
        parts.relief.look()

    def _tell_overload(self) -> None:
        """Have the workers, whose lobby makes tables too, refuse them as the public site does."""
        on = self.parts.scaler.overloaded
        if on == self._overloaded:
            return
        self._overloaded = on
        for worker in self.parts.pool.active:
            worker.tell(m.Overload(on=on))

    def _count_guests(self) -> None:
        run(self.parts.guests.tend(), "counting guests")

    async def _ask_store(self) -> None:
        """See whether the store answers; its being away is no failure of this program."""
        parts = self.parts
        with contextlib.suppress(StoreAway):
            await parts.store.commit([])
        parts.metrics.store_up.set(parts.store.up)
        parts.metrics.healthy.set(self.desk.healthy())
        if parts.instance is not None:
            parts.instance.measure()
