"""What an operator is shown: which room is where, what the workers did, how moves went."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from hokm.jobs import JobStatus
from hokm.metrics import Metrics
from hokm.supervisor.overview import JOBS_SHOWN, ROOMS_SHOWN, Overview, jobs_to_show
from hokm.supervisor.placement import Placement, RoomCode, WorkerId
from hokm.supervisor.status import RoomStatus, WorkerStatus
from hokm.supervisor.tally import SHOWN, Tally
from hokm.supervisor.trends import KEPT, Trends

ONE, TWO = WorkerId(1), WorkerId(2)


def overview(placement: Placement) -> Overview:
    """Make a view of workers 1 and 2; each room has as many connections as its code has letters."""
    connections: Any = SimpleNamespace(of_room=lambda room: list(room))
    routing: Any = SimpleNamespace(
        placement=placement, connections=connections, moves={RoomCode("ABA")}
    )
    pool: Any = SimpleNamespace(active=[SimpleNamespace(id=ONE), SimpleNamespace(id=TWO)])
    unused: Any = None
    return Overview(
        clock=Clock(),
        pool=pool,
        routing=routing,
        readings=unused,
        scaler=unused,
        operations=unused,
        store=unused,
        embedded=True,
        instance=None,
    )


def test_a_job_that_runs_is_shown_however_many_came_after_it() -> None:
    """Of those that have ended, the latest."""
    states = ["done", "running", *["failed"] * JOBS_SHOWN]
    jobs = [JobStatus(id, "move", "", state, 0, 1, "", 0.0) for id, state in enumerate(states)]
    assert [job.id for job in jobs_to_show(jobs)] == [1, *range(2, 2 + JOBS_SHOWN)]
    assert jobs_to_show(jobs[:1]) == (jobs[0],)


@pytest.mark.parametrize(
    ("code", "worker", "found"),
    [
        ("", None, ["ABA", "ABC", "CAB2"]),
        ("ab", None, ["ABA", "ABC", "CAB2"]),
        ("CAB", None, ["CAB2"]),
        ("", 2, ["ABC"]),
        ("cab", 2, []),
        ("", 3, []),
        ("<b>", None, []),
    ],
)
def test_rooms_are_found(code: str, worker: int | None, found: list[str]) -> None:
    """By a part of the code and by the worker, ordered by code."""
    placement = Placement()
    for id in (ONE, TWO):
        placement.add(id)
    for room, id in (("CAB2", ONE), ("ABA", ONE), ("ABC", TWO)):
        placement.pin(RoomCode(room), id)
    answer = overview(placement).rooms(code, worker)
    assert [room.code for room in answer.rooms] == found
    assert answer.total == len(found)
    if "ABA" in found:
        assert answer.rooms[0] == RoomStatus("ABA", 1, 3, moving=True)
        assert not any(room.moving for room in answer.rooms[1:])


def test_many_rooms() -> None:
    """The first are shown, all are counted."""
    placement = Placement()
    placement.add(ONE)
    for n in range(ROOMS_SHOWN + 5):
        placement.pin(RoomCode(f"R{n:04}"), ONE)
    answer = overview(placement).rooms("", None)
    assert (len(answer.rooms), answer.total) == (ROOMS_SHOWN, ROOMS_SHOWN + 5)


def worker(id: int, connections: int) -> WorkerStatus:
    return WorkerStatus(id, 100 + id, "ready", 1, connections, 0.5, 2**20, 1.5)


def test_trends() -> None:
    """Each worker's latest values, the newest last; a worker that is gone leaves none."""
    trends = Trends()
    for n in range(KEPT + 3):
        trends.add(worker(1, n))
    trends.add(worker(2, 7))
    shown = trends.status().workers
    assert shown[1].connections == tuple(range(3, KEPT + 3))
    assert (shown[2].cpu, shown[2].memory, shown[2].loop_lag_ms) == ((0.5,), (2**20,), (1.5,))
    trends.forget(1)
    trends.forget(1)
    assert list(trends.status().workers) == [2]


def test_pauses() -> None:
    """The latest are shown one by one, in milliseconds."""
    tally = Tally(Metrics())
    assert tally.status(moving=0).latest_ms == ()
    for n in range(SHOWN + 2):
        tally.moved(n / 1000)
    status = tally.status(moving=3)
    assert status.latest_ms == tuple(float(n) for n in range(2, SHOWN + 2))
    assert (status.moves, status.moving) == (SHOWN + 2, 3)
