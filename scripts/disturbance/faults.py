"""The faults: how each strikes, and when the server has got over it."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from disturbance.schedule import Action
from disturbance.server import Server
from disturbance.site import POLL_SECONDS, Site, Worker
from disturbance.tally import Tally

T = TypeVar("T")

RECOVERY_SECONDS: Final = 30.0
JOB_SECONDS: Final = 120.0
BUSY_SECONDS: Final = 30.0  # for which an order is repeated while another is carried out
HANG_SECONDS: Final = 6.0  # the server promises 5
STORE_STOP_SECONDS: Final = 1.5
SCALE_SECONDS: Final = 1.0  # between there and back
DONE: Final = "done"
NOT_OVER: Final = "was not got over"
NO_END: Final = "has no end"
ENDLESS: Final = (NOT_OVER, NO_END)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault.

    Attributes:
        at: Seconds after play began.
        outcome: `done`; else what did not go as it should, in words.
        seconds: Until the server had got over it.
    """

    at: float
    kind: str
    outcome: str
    seconds: float


class Faults:
    """Strikes as it is told.

    Attributes:
        outcomes: Of the faults that are over.
        under_way: How many are not.
    """

    def __init__(
        self,
        *,
        site: Site,
        server: Server | None,
        rooms: Sequence[str],
        workers: int,
        tally: Tally,
        on_crash: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """Make faults for one run.

        Args:
            server: The run's own; None leaves the processes alone.
            rooms: Codes of the rooms that can be moved.
            workers: How many there are to be after each fault.
            on_crash: Is told before a worker is killed or stopped.
            tell: Is given lines that say how far an order is.
        """
        self.outcomes: list[Outcome] = []
        self.under_way = 0
        self._site = site
        self._server = server
        self._rooms = rooms
        self._count = workers
        self._tally = tally
        self._on_crash = on_crash
        self._tell = tell
        self._kinds: dict[str, Callable[[Action], Awaitable[str]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "drain": self._drain,
            "replace": self._replace,
            "move": self._move,
            "rebalance": self._rebalance,
            "scale": self._scale,
            "store_kill": self._kill_store,
            "store_stop": self._stop_store,
            "upgrade": self._upgrade,
        }

    async def strike(self, action: Action) -> None:
        """Let a fault strike, and wait until the server has got over it."""
        self.under_way += 1
        self._tally.fault_begins()
        began = self._tally.clock()
        try:
            outcome = await self._kinds[action.kind](action)
        except OSError as error:
            outcome = f"unreachable: {error}"
        finally:
            self._tally.fault_ends()
            self.under_way -= 1
        seconds = round(self._tally.clock() - began, 2)
        self.outcomes.append(Outcome(action.at, action.kind, outcome, seconds))

    # --- processes ------------------------------------------------------------------------

    async def _kill(self, action: Action) -> str:
        worker = await self._worker(action)
        if worker is None:
            return "no worker"
        assert worker.pid is not None
        self._on_crash()
        os.kill(worker.pid, signal.SIGKILL)
        return await self._recovered(worker.pid)

    async def _stop(self, action: Action) -> str:
        worker = await self._worker(action)
        if worker is None:
            return "no worker"
        pid = worker.pid
        assert pid is not None
        # Its number may be another's once it was found and killed: this names the process itself.
        process = os.pidfd_open(pid)
        try:
            self._on_crash()
            signal.pidfd_send_signal(process, signal.SIGSTOP)
            if await self._until(lambda: self._is_gone(pid), HANG_SECONDS):
                return await self._recovered(pid)
            signal.pidfd_send_signal(process, signal.SIGCONT)
            return "was not found"
        finally:
            os.close(process)

    async def _kill_store(self, action: Action) -> str:
        assert self._server is not None
        os.kill(self._server.store_pid(), signal.SIGKILL)
        await self._site.sleep(POLL_SECONDS)
        return await self._recovered(None)

    async def _stop_store(self, action: Action) -> str:
        assert self._server is not None
        process = os.pidfd_open(self._server.store_pid())
        try:
            signal.pidfd_send_signal(process, signal.SIGSTOP)
            await self._site.sleep(STORE_STOP_SECONDS)
            signal.pidfd_send_signal(process, signal.SIGCONT)
        finally:
            os.close(process)
        return await self._recovered(None)

    # --- verbs ----------------------------------------------------------------------------

    async def _drain(self, action: Action) -> str:
        worker = await self._worker(action)
        if worker is None:
            return "no worker"
        outcome = await self._order(f"/api/workers/{worker.id}/drain")
        if outcome != DONE:
            return outcome
        return await self._order("/api/scale", {"workers": self._count})

    async def _replace(self, action: Action) -> str:
        return await self._order("/api/replace")

    async def _rebalance(self, action: Action) -> str:
        return await self._order("/api/rebalance")

    async def _move(self, action: Action) -> str:
        room = _choose(self._rooms, action.chance)
        ready = [worker.id for worker in await self._site.workers() if worker.state == "ready"]
        if room is None or not ready:
            return "no worker"
        worker = ready[int(action.chance * 1000) % len(ready)]
        return await self._order(f"/api/rooms/{room}/move", {"worker": worker})

    async def _scale(self, action: Action) -> str:
        there = self._count + 1 if action.chance < 0.5 or self._count == 1 else self._count - 1
        outcome = await self._order("/api/scale", {"workers": there})
        if outcome != DONE:
            return outcome
        await self._site.sleep(SCALE_SECONDS)
        return await self._order("/api/scale", {"workers": self._count})

    async def _upgrade(self, action: Action) -> str:
        outcome = await self._order("/api/upgrade")
        if outcome not in (DONE, "forgotten"):
            return outcome
        return await self._recovered(None)  # the supervisor that comes after knows no old jobs

    async def _order(self, path: str, body: Any = None) -> str:
        """Order something, and wait for it; says how it ended."""
        until = self._tally.clock() + BUSY_SECONDS
        while True:
            status, answer = await self._site.operate("POST", path, {} if body is None else body)
            if status == 202:
                return await self._job(answer["id"])
            if status == 200:
                return DONE
            error = answer.get("error", {}) if isinstance(answer, dict) else {}
            code = str(error.get("code", status))
            if code != "busy" or self._tally.clock() > until:
                return code
            await self._site.sleep(POLL_SECONDS)

    async def _job(self, id: int) -> str:
        last: list[str] = []
        shown: list[str] = []

        async def ended() -> bool:
            try:
                status, job = await self._site.operate("GET", f"/api/jobs/{id}")
            except OSError:  # the supervisor is being replaced
                return False
            if status == 404:
                last[:] = ["forgotten"]
                return True
            line = f"    {job['verb']} {job['subject']}: {job['done']} of {job['total']}"
            if [line] != shown[-1:]:
                shown.append(line)
                self._tell(line)
            if job["state"] != "running":
                last[:] = [DONE if job["state"] == "done" else f"failed: {job['note']}"]
            return bool(last)

        return last[0] if await self._until(ended, JOB_SECONDS) else NO_END

    # --- getting over it ------------------------------------------------------------------

    async def _worker(self, action: Action) -> Worker | None:
        workers = await self._site.workers()
        if action.worker is not None:
            return next((worker for worker in workers if worker.id == action.worker), None)
        return _choose([worker for worker in workers if worker.state == "ready"], action.chance)

    async def _is_gone(self, pid: int) -> bool:
        return all(worker.pid != pid for worker in await self._site.workers())

    async def _recovered(self, gone: int | None) -> str:
        """Wait until the server is as it was: process *gone* forgotten, all workers ready."""

        async def as_before() -> bool:
            try:
                status = await self._site.status()
            except OSError:
                return False
            if any(worker["pid"] == gone for worker in status["workers"] if gone is not None):
                return False
            ready = sum(worker["state"] == "ready" for worker in status["workers"])
            enough = ready >= min(self._count, status["scaling"]["target"])
            return enough and bool(status["store"]["up"]) and await self._site.is_ready()

        return DONE if await self._until(as_before, RECOVERY_SECONDS) else NOT_OVER

    async def _until(self, holds: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        until = self._tally.clock() + seconds
        while not await holds():
            if self._tally.clock() > until:
                return False
            await self._site.sleep(POLL_SECONDS)
        return True


def _choose(things: Sequence[T], chance: float) -> T | None:
    return things[int(chance * len(things))] if things else None
