"""Waiting for a job of the server, and telling how it goes."""

from __future__ import annotations

import os
import time
from typing import Any, Final, TextIO

from hokm.ctl import text
from hokm.ctl.server import REQUEST_SECONDS, Refused, Server, Trouble, Unreachable

Job = dict[str, Any]

OUTAGE_SECONDS: Final = 30.0  # a server that is away for longer is not merely starting anew
_POLL_SECONDS: Final = 0.25


class TimedOut(Trouble):
    """The job takes longer than was to be waited for; it goes on."""

    exit_code = 5


class Progress:
    """Tells how a job goes: a bar where it is a terminal, else a line per change."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._last = ""

    def show(self, job: Job) -> None:
        """Tell how it is now."""
        if self._terminal:
            width = os.get_terminal_size(self._out.fileno()).columns or 80
            self._out.write("\r\x1b[K" + text.bar(job)[: width - 1])
        elif (line := text.step(job)) != self._last:
            self._out.write(line + "\n")
            self._last = line
        self._out.flush()

    def clear(self) -> None:
        """Leave the line for what comes next."""
        if self._terminal:
            self._out.write("\r\x1b[K")


class Watch:
    """Follows a job until it ends, over a short absence of the server too."""

    def __init__(self, server: Server, progress: Progress, *, seconds: float) -> None:
        """Make a watch; make it before the job is asked for.

        Args:
            seconds: How long to wait at most, from now.
        """
        self._server = server
        self._progress = progress
        self._until = time.monotonic() + seconds
        self._uptime = 0.0

    def note_uptime(self) -> None:
        """Remember how long the server runs: an upgrade is over when it runs anew."""
        self._uptime = self._server.get("/api/status")["uptime_s"]

    def follow(self, job: Job) -> Job:
        """Return how *job* ended.

        Raises:
            TimedOut: It did not in time.
            Unreachable: The server is away for too long.
            Trouble: The server does not know the job any more.
        """
        answered = time.monotonic()
        while job["state"] == "running":
            self._progress.show(job)
            self._sleep()
            try:
                job = self._look(job)
                answered = time.monotonic()
            except Unreachable:
                if time.monotonic() - answered > OUTAGE_SECONDS:
                    raise
                job = job | {"note": "the server does not answer; waiting for it"}
        return job

    def _sleep(self) -> None:
        left = self._left()
        if left <= 0:
            raise TimedOut("not done in time; it goes on: see hokmctl jobs")
        time.sleep(min(_POLL_SECONDS, left))

    def _left(self) -> float:
        return self._until - time.monotonic()

    def _get(self, path: str) -> Any:
        return self._server.get(path, min(REQUEST_SECONDS, max(self._left(), _POLL_SECONDS)))

    def _look(self, job: Job) -> Job:
        """Ask how a job is; an upgrade's may end with the process that knew it."""
        if job["verb"] == "upgrade":
            status = self._get("/api/status")
            if status["uptime_s"] < self._uptime:
                return _upgraded(job, status)
            self._uptime = status["uptime_s"]
        try:
            now: Job = self._get(f"/api/jobs/{job['id']}")
        except Refused as refused:
            if refused.code != "no_such_job":
                raise
        else:
            if (now["verb"], now["subject"]) == (job["verb"], job["subject"]):
                return now
        # A job that was begun a moment ago is unknown to another process only, which may have
        # given its number to another one.
        if job["verb"] == "upgrade":
            return _upgraded(job, status)
        raise Trouble("the server was started anew and has forgotten the job; see hokmctl status")


def _upgraded(job: Job, status: dict[str, Any]) -> Job:
    note = f"hokm {status['version']} runs; replace brings it to the workers"
    return job | {"state": "done", "done": job["total"], "note": note}
