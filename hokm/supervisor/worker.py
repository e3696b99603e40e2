"""One worker process, from its start to its end; see `hokm.supervisor.child`."""

from __future__ import annotations

from typing import Any, Protocol

from hokm.control import messages as m
from hokm.supervisor.child import Child
from hokm.supervisor.placement import WorkerId


class Watcher(Protocol):
    """Who is told how a worker fares."""

    def on_ready(self, worker: Worker) -> None:
        """The worker takes connections."""

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        """The worker said something about rooms or connections."""

    def on_gone(self, worker: Worker, reason: str) -> None:
        """The worker's process is gone: nothing more will come from it."""

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        """The worker cannot work as it is configured; another one could not either."""


class Worker(Child[m.FromWorker]):
    """One worker.

    Attributes:
        id: Number; while the process lives no other worker has it.
        active: Whether it has rooms, or may have; a spare only waits.
        stats: What it reported last; None before it did.
    """

    def __init__(self, *, id: WorkerId, reactor: Any, watcher: Watcher) -> None:
        super().__init__(name=f"worker {id}", reactor=reactor, decoder=m.FROM_WORKER)
        self.id = id
        self.active = False
        self.stats: m.Stats | None = None
        self._watcher = watcher

    def drain(self) -> None:
        """Be about to end: no new rooms."""
        if self.state == "ready":
            self.state = "draining"

    def undrain(self) -> None:
        """Be ready again, since not all rooms could go."""
        if self.state == "draining":
            self.state = "ready"

    def on_ready(self) -> None:
        """Tell."""
        self._watcher.on_ready(self)

    def on_message(self, message: m.FromWorker) -> None:
        """Note how loaded it is, and tell all else."""
        if isinstance(message, m.Stats):
            self.stats = message
        else:
            self._watcher.on_message(self, message)

    def on_gone(self, reason: str) -> None:
        """Tell."""
        self._watcher.on_gone(self, reason)

    def on_misconfigured(self, reason: str) -> None:
        """Tell."""
        self._watcher.on_misconfigured(self, reason)
