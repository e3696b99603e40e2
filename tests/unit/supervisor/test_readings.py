"""What the rules and the moves are told of the workers."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from hokm.control import messages as m
from hokm.metrics import Metrics
from hokm.supervisor.readings import MATCH_LOOK_S, MATCHES, Readings

STATS = m.Stats(rooms=3, connections=12, players=12, active_games=3, loop_lag_ms=7.0)


class Server:
    """One worker, whose process is this one."""

    def __init__(self, stats: m.Stats | None = STATS, pid: int | None = None) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.target = 2
        self.created = 5
        self.worker: Any = SimpleNamespace(
            id=1, pid=os.getpid() if pid is None else pid, stats=stats, state="ready"
        )
        self.active = self.ready = [self.worker]
        everything: Any = self
        self.readings = Readings(
            clock=self.clock, pool=everything, tables=everything, metrics=self.metrics
        )


def test_a_first_look() -> None:
    """Memory is known at once, CPU only from the second look on: not known is not zero."""
    server = Server()
    server.readings.look()
    [worker] = server.readings.take(5.0).workers
    assert worker.cpu is None and (worker.memory or 0) > 1_000_000
    assert (worker.connections, worker.rooms, worker.loop_lag_ms) == (12, 3, 7.0)
    server.readings.look()
    [worker] = server.readings.take(5.0).workers
    assert worker.cpu is not None
    assert b'hokm_cpu_usage{worker="1"}' in server.metrics.render()
    assert server.readings.trends.status().workers[1].connections == (12, 12)
    server.readings.forget(server.worker, server.worker.pid)
    assert server.readings.trends.status().workers == {}


def test_a_worker_that_has_said_nothing() -> None:
    """Nothing is known of it but what the system says; the status shows zeros."""
    server = Server(stats=None, pid=2**22 + 1)  # above the largest pid of Linux
    server.readings.look()
    [worker] = server.readings.take(5.0).workers
    assert (worker.cpu, worker.memory, worker.connections, worker.rooms) == (None,) * 4
    assert worker.loop_lag_ms is None
    status = server.readings.status(server.worker)
    assert (status.players, status.games) == (0, 0)
    assert (status.cpu, status.memory, status.loop_lag_ms) == (0.0, 0, 0.0)
    server.readings.forget(server.worker, server.worker.pid)
    assert b"hokm_cpu_usage{" not in server.metrics.render()


def test_moves_go_by_the_lag_of_the_last_seconds() -> None:
    """An older release does not tell it: then it is not known."""
    server = Server()
    assert server.readings.recent()[0].loop_lag_ms is None
    server.worker.stats = m.Stats(
        rooms=0, connections=0, players=0, active_games=0, loop_lag_ms=7.0, recent_lag_ms=80.0
    )
    assert server.readings.recent()[0].loop_lag_ms == 80.0
    assert server.readings.take(5.0).workers[0].loop_lag_ms == 7.0


def test_the_whole_instance() -> None:
    """Rooms created, the wish, the machine; nobody waits for a table."""
    server = Server()
    server.readings.take(5.0)
    reading = server.readings.take(5.0)
    assert (reading.target, reading.games_created, reading.queue_length) == (2, 5, 0)
    assert reading.memory_limit == server.readings.machine.memory
    assert reading.memory_used is not None and reading.host_cpu is not None


def test_the_length_of_a_match() -> None:
    """It is the mean of the latest, looked at once a minute; of a few it is not known."""
    server = Server()
    length = server.metrics.game_duration
    length.observe(10_000)  # before the first look
    assert server.readings.take(5.0).game_minutes is None
    for _ in range(MATCHES):
        length.observe(120)
    assert server.readings.take(5.0).game_minutes is None
    server.clock.advance(MATCH_LOOK_S)
    assert server.readings.take(5.0).game_minutes == 2.0
