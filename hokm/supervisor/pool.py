"""All workers: how many there should be, and what is done about the difference.

Beside the workers that have rooms, spares wait with everything imported: when a worker dies, or
one more is wanted, nobody waits for Python to start. A start that fails is repeated with a growing
pause; the living go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from hokm.control import messages as m
from hokm.supervisor.child import Launch
from hokm.supervisor.placement import WorkerId
from hokm.supervisor.worker import Worker

_log = Logger()

FIRST_PAUSE: Final = 0.1  # seconds before another start after one that failed; doubled up to ...
MOST_PAUSE: Final = 30.0  # ... and back to the first once a worker is ready


class Owner(Protocol):
    """Who uses the workers: the supervisor."""

    def on_active(self, worker: Worker) -> None:
        """The worker takes rooms from now on."""

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """See `hokm.supervisor.worker.Watcher`."""

    def on_lost(self, worker: Worker, pid: int | None) -> None:
        """The worker is gone, as it was told or not."""

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """No worker can work as it is configured, and none is serving."""


class Pool:
    """The workers of this supervisor.

    Attributes:
        target: How many are to have rooms.
        spares: How many are to wait beside them.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        owner: Owner,
        launch: Launch,
        configuration: Callable[[WorkerId], m.Configure],
        ledger: int,
        spares: int,
    ) -> None:
        """Make no worker yet.

        Args:
            launch: How processes are started.
            configuration: Makes what the worker of a number is told first.
            ledger: Descriptor of the ledger.
        """
        self.target = 0
        self.spares = spares
        self._reactor = reactor
        self._owner = owner
        self._launch = launch
        self._configuration = configuration
        self._ledger = ledger
        self._workers: dict[WorkerId, Worker] = {}
        self._pids: dict[WorkerId, int] = {}
        self._pause = FIRST_PAUSE
        self._retry: IDelayedCall | None = None
        self._stopping = False
        self._fresh: dict[Worker, Deferred[Worker | None]] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def get(self, id: int) -> Worker | None:
        """Return a worker by its number; None when there is none."""
        return self._workers.get(WorkerId(id))

    def __getitem__(self, id: WorkerId) -> Worker:
        return self._workers[id]

    @property
    def active(self) -> list[Worker]:
        """Those that have rooms or may have, in the order of their numbers."""
        return sorted((w for w in self if w.active and w.state != "dead"), key=lambda w: w.id)

    @property
    def ready(self) -> list[Worker]:
        """Those that take new rooms."""
        return [worker for worker in self.active if worker.state == "ready"]

    @property
    def waiting(self) -> list[Worker]:
        """Spares that are ready."""
        return [worker for worker in self if not worker.active and worker.state == "ready"]

    # --- how many -------------------------------------------------------------------------

    def mind(self) -> None:
        """Bring the workers to the number that is wanted: take spares, start processes."""
        if self._stopping:
            return
        missing = self.target - len(self.ready)
        for worker in self._waiting_oldest_first()[: max(0, missing)]:
            self.activate(worker)
            missing -= 1
        if self._retry is not None:
            return
        coming = [w for w in self if w.state == "starting" and w not in self._fresh]
        idle = [w for w in self.waiting if w not in self._fresh]
        wanted = max(0, missing) + (self.spares if missing <= 0 else 0)
        for _ in range(wanted - len(coming) - len(idle)):
            if self._start() is None:
                return

    def _waiting_oldest_first(self) -> list[Worker]:
        idle = [worker for worker in self.waiting if worker not in self._fresh]
        return sorted(idle, key=lambda worker: worker.ready_since or 0.0)

    def activate(self, worker: Worker) -> None:
        """Let a spare take rooms."""
        worker.active = True
        _log.info("worker {id} takes rooms, pid {pid}", id=worker.id, pid=worker.pid)
        self._owner.on_active(worker)

    def start_fresh(self) -> Deferred[Worker | None]:
        """Start a process that is nobody's spare.

        Returns:
            Fires with it once it is ready, not active yet; with None when it never was.
        """
        fresh: Deferred[Worker | None] = Deferred()
        worker = self._start()
        if worker is None:
            fresh.callback(None)
        else:
            self._fresh[worker] = fresh
        return fresh

    def retire_spares(self) -> None:
        """End the spares: they have imported code that may be replaced by now."""
        for worker in self:
            if not worker.active and worker not in self._fresh:
                worker.stop(0.0)

    def _start(self) -> Worker | None:
        """Start a process; None, and another try later, when the system refuses."""
        id = self._free_id()
        worker = Worker(id=id, reactor=self._reactor, watcher=self)
        try:
            worker.start(self._launch, self._configuration(id), [self._ledger])
        except OSError as error:
            _log.error("worker {id} cannot be started: {error}", id=id, error=error)
            self._try_later()
            return None
        self._add(worker)
        return worker

    def _free_id(self) -> WorkerId:
        """Return the lowest free number: they are labels of metrics, and should stay few."""
        return next(
            id for n in range(1, len(self._workers) + 2) if (id := WorkerId(n)) not in self._workers
        )

    def _add(self, worker: Worker) -> None:
        self._workers[worker.id] = worker
        if worker.pid is not None:
            self._pids[worker.id] = worker.pid

    def restore(self, worker: Worker) -> None:
        """Take a worker whose process an earlier life of this program started."""
        self._add(worker)
        if worker.active:
            self._owner.on_active(worker)

    def _try_later(self) -> None:
        if self._retry is None and not self._stopping:
            self._retry = self._reactor.callLater(self._pause, self._again)
            self._pause = min(2 * self._pause, MOST_PAUSE)

    def _again(self) -> None:
        self._retry = None
        self.mind()

    def ask(self) -> None:
        """Find out who hangs; once a second."""
        for worker in self:
            worker.ask()

    def stop(self, seconds: float) -> Deferred[Any]:
        """End all workers at once; fires when all are gone."""
        self._stopping = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        return DeferredList([worker.stop(seconds) for worker in self])

    # --- what the workers tell ------------------------------------------------------------

    def on_ready(self, worker: Worker) -> None:
        """Use a worker that has started."""
        self._pause = FIRST_PAUSE
        fresh = self._fresh.pop(worker, None)
        if fresh is not None:
            fresh.callback(worker)
        self.mind()

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """Pass on what a worker says."""
        self._owner.on_message(worker, message)

    def on_gone(self, worker: Worker, reason: str) -> None:
        """Do without a worker, and see to another one."""
        del self._workers[worker.id]
        pid = self._pids.pop(worker.id, None)
        if not worker.expected:
            _log.error(
                "worker {id} (pid {pid}) died: {reason}", id=worker.id, pid=pid, reason=reason
            )
        if worker.ready_since is None and not worker.expected:
            self._try_later()  # whatever ends it at its start would end the next one, too
        if not self._stopping:
            missing = max(0, self.target - len(self.ready))
            for spare in self._waiting_oldest_first()[:missing]:
                self.activate(spare)  # first, so that it can have the dead one's rooms
        self._owner.on_lost(worker, pid)
        fresh = self._fresh.pop(worker, None)
        if fresh is not None:
            fresh.callback(None)
        self.mind()

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """Give up where no worker serves; else the living ones are better than none."""
        if self.active:
            _log.error("worker {id} cannot work: {reason}", id=worker.id, reason=reason)
            self._try_later()
        else:
            self._stopping = True
            self._owner.on_misconfigured(worker, reason)
