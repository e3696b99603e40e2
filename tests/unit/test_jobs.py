"""Jobs on a clock that the test sets."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from hokm.jobs import KEPT, Failed, Job, Jobs, JobStatus, Refused


class World:
    """Jobs that wait for the test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.jobs = Jobs(self.clock)
        self.go: dict[int, Deferred[None]] = {}

    async def body(self, job: Job) -> None:
        self.go[job.id] = Deferred()
        await self.go[job.id]

    def start(self, verb: str = "drain", *, alone: bool = True) -> Job:
        return self.jobs.start(verb, "worker 3", self.body, alone=alone)


def fire(wanted: Coroutine[Deferred[Any], Any, JobStatus]) -> list[Any]:
    """Await it; the list holds the result once it is there."""
    results: list[Any] = []
    Deferred.fromCoroutine(wanted).addBoth(results.append)
    return results


def test_a_job_from_start_to_end() -> None:
    """Its status follows what is done; its time stands still once it ended."""
    world = World()
    job = world.start()
    job.total, job.done, job.note = 4, 1, "room ABCD"
    world.clock.advance(1.5)
    assert job.running
    assert job.status() == JobStatus(
        id=1,
        verb="drain",
        subject="worker 3",
        state="running",
        done=1,
        total=4,
        note="room ABCD",
        seconds=1.5,
    )
    ended: list[JobStatus] = []
    job.finished.addCallback(ended.append)
    world.go[1].callback(None)
    world.clock.advance(10.0)
    assert not job.running
    assert (job.status().state, job.status().seconds) == ("done", 1.5)
    assert ended == [job.status()]
    assert world.jobs.get(1) is job
    assert world.jobs.get(2) is None


def test_a_job_that_fails() -> None:
    """It says why."""
    world = World()
    job = world.start()
    world.go[1].errback(Failed("worker 4 did not get ready"))
    assert (job.status().state, job.status().note) == ("failed", "worker 4 did not get ready")


def test_a_fault_is_logged_and_ends_the_job() -> None:
    """Its text is not for operators; the next job may come."""
    world = World()
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        job = world.start()
        world.go[1].errback(ZeroDivisionError("secret"))
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert job.status().state == "failed"
    assert "secret" not in job.status().note
    assert [event["log_failure"].type for event in heard if "log_failure" in event] == [
        ZeroDivisionError
    ]
    assert world.start("scale").running


def test_one_at_a_time_changes_the_workers() -> None:
    """A second one is refused, and named what is under way; moves run beside it."""
    world = World()
    world.start("move", alone=False)
    drain = world.start("drain")
    world.start("move", alone=False)
    with pytest.raises(Refused, match=f"drain worker 3 is under way .job {drain.id}.") as refused:
        world.start("scale")
    assert refused.value.code == "busy"
    assert [status.verb for status in world.jobs.all()] == ["move", "drain", "move"]
    world.go[drain.id].callback(None)
    assert world.start("scale").id == 4


def test_old_jobs_are_forgotten() -> None:
    """The latest that ended are kept, and all that run."""
    world = World()
    slow = world.start("move", alone=False)
    for _ in range(KEPT + 20):
        world.go[world.start().id].callback(None)
    last = world.start("scale")
    numbers = [status.id for status in world.jobs.all()]
    assert numbers == [slow.id, *range(last.id - KEPT, last.id + 1)]


def test_many_may_wait_for_a_job() -> None:
    """Each learns how it ended; who has waited long enough learns that it runs still."""
    world = World()
    job = world.start()
    short, long, other = (fire(job.wait(seconds)) for seconds in (1.0, 10.0, 10.0))
    world.clock.advance(1.0)
    assert [status.state for status in short] == ["running"]
    assert long == []
    world.go[1].callback(None)
    assert long == other == [job.status()]
    assert fire(job.wait(1.0)) == [job.status()]
    assert world.clock.getDelayedCalls() == []
