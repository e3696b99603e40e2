"""An operator's wishes that take a while: what each is, how far it got, and how it ended.

One of them changes the workers at a time; what only moves a room may run beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, Final, Literal

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hokm.tasks import run

_log = Logger()

KEPT: Final = 50  # finished jobs that can still be asked for


class Refused(Exception):
    """A wish that cannot be granted as things are; nothing was changed.

    Attributes:
        code: no_such_worker, no_such_room, last_worker, last_instance, busy, bad_request or
            unavailable.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Failed(Exception):
    """A job ended without having done all it was to do; the text says why."""


class JobStatus(Struct, frozen=True):
    """How a job is.

    Attributes:
        id: Its number, from 1.
        verb: drain, replace, move, rebalance, scale, upgrade or leave.
        subject: What it is about, in words: a worker, a room, a number.
        done: Steps that are done; rooms moved, or workers replaced.
        total: Steps as known now.
        note: What it does now, or how it ended.
        seconds: That it has taken so far, or took.
    """

    id: int
    verb: str
    subject: str
    state: Literal["running", "done", "failed"]
    done: int
    total: int
    note: str
    seconds: float


class Job:
    """A job under way.

    Attributes:
        done, total, note: See `JobStatus`; set by who does the work.
        finished: Fires with the last status.
    """

    def __init__(self, *, id: int, verb: str, subject: str, clock: IReactorTime) -> None:
        self.id = id
        self.verb = verb
        self.subject = subject
        self.done = 0
        self.total = 0
        self.note = ""
        self.finished: Deferred[JobStatus] = Deferred()
        self._state: Literal["running", "done", "failed"] = "running"
        self._clock = clock
        self._began = clock.seconds()
        self._took: float | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._state == "running"

    def status(self) -> JobStatus:
        """Say how it is."""
        took = self._clock.seconds() - self._began if self._took is None else self._took
        return JobStatus(
            self.id,
            self.verb,
            self.subject,
            self._state,
            self.done,
            self.total,
            self.note,
            round(took, 3),
        )

    async def wait(self, seconds: float) -> JobStatus:
        """Wait until it ends, *seconds* at most; then say how it is, which may be running."""
        if self.running:
            ended: Deferred[None] = Deferred()

            def tell(status: JobStatus) -> JobStatus:
                ended.callback(None)
                return status

            self.finished.addCallback(tell)  # others wait as well: it is not cancelled
            with contextlib.suppress(TimeoutError):
                await ended.addTimeout(seconds, self._clock)
        return self.status()

    async def work(self, body: Coroutine[Deferred[Any], Any, None]) -> None:
        """Do the work and note how it ended."""
        try:
            await body
        except Failed as failure:
            self.note = str(failure)
            self._end("failed")
        except BaseException:
            self.note = "a fault of the server; see its log"
            self._end("failed")
            raise
        else:
            self._end("done")

    def _end(self, state: Literal["done", "failed"]) -> None:
        self._state = state
        self._took = self._clock.seconds() - self._began
        _log.info(
            "{verb} {subject}: {state} after {seconds:.2f} s, {done} of {total}. {note}",
            verb=self.verb,
            subject=self.subject,
            state=state,
            seconds=self._took,
            done=self.done,
            total=self.total,
            note=self.note,
        )
        self.finished.callback(self.status())


class Jobs:
    """All jobs, the latest last."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._jobs: dict[int, Job] = {}
        self._alone: Job | None = None  # the latest that changes the workers

    def start(
        self,
        verb: str,
        subject: str,
        body: Callable[[Job], Coroutine[Deferred[Any], Any, None]],
        *,
        alone: bool = True,
    ) -> Job:
        """Begin a job.

        Args:
            subject: What it is about, in words, as `JobStatus` has it; may be empty.
            body: Does it; `Failed` is how it says that it could not.
            alone: Whether it changes the workers, so that no other such job may run.

        Raises:
            Refused: Another one that changes the workers is under way (``busy``).
        """
        other = self._alone
        if alone and other is not None and other.running:
            what = f"{other.verb} {other.subject}".rstrip()
            raise Refused("busy", f"{what} is under way (job {other.id})")
        job = Job(id=next(self._numbers), verb=verb, subject=subject, clock=self._clock)
        if alone:
            self._alone = job
        self._forget_old()
        self._jobs[job.id] = job
        run(job.work(body(job)), "an operator's job", verb=verb, subject=subject)
        return job

    @property
    def busy(self) -> bool:
        """Whether a job that changes the workers is under way."""
        return self._alone is not None and self._alone.running

    def _forget_old(self) -> None:
        ended = [job.id for job in self._jobs.values() if not job.running]
        for id in ended[:-KEPT]:
            del self._jobs[id]

    def get(self, id: int) -> Job | None:
        """Return a job; None when there is none of that number any more."""
        return self._jobs.get(id)

    def all(self) -> list[JobStatus]:
        """Return how all are, the latest last."""
        return [job.status() for job in self._jobs.values()]
