"""Instances on one machine that share one store: what their players see, and what it takes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import msgspec
from msgspec import Struct
from ports import free_ports

from benchmark.accounts import cpu_seconds, private_kb
from benchmark.load import Answer
from benchmark.measure import Bench
from benchmark.ours import hokm
from benchmark.scale import SECONDS_PER_PLAY
from benchmark.seating import places
from benchmark.server import Server, accepts, process, wait_until
from hokm.store.embedded import find_server

AT_ONCE: Final = 4  # instances that start side by side: each takes a second of CPU


class Fleet(Struct, frozen=True):
    """What one run gave, with a play every two seconds in each room.

    Attributes:
        players: Of all instances.
        p50_ms: Median of the instances' medians.
        p99_ms: Median of the instances' 99th percentiles; *worst_p99_ms* is the greatest of them.
        workers_cpu: Cores that all workers kept busy; so do
        supervisors_cpu: all supervisors, and
        store_cpu: the store.
        memory_mb: Of all workers and supervisors.
    """

    instances: int
    players: int
    plays_per_second: float
    p50_ms: float
    p99_ms: float
    worst_p99_ms: float
    workers_cpu: float
    supervisors_cpu: float
    store_cpu: float
    memory_mb: float


def measure(
    bench: Bench, instances: int, players: int, seconds: float, tell: Callable[[str], None]
) -> Fleet:
    """Run a fleet with so many players at each instance.

    Raises:
        LoadFailed: A reply was wrong.
        DidNotStart: The store or an instance did not.
    """
    [port], core = free_ports(1), bench.cores.load
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hokm-benchmark-"))
        command = [find_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "yes", "--dir", folder]
        store = stack.enter_context(process(command, {}, core))
        wait_until(lambda: accepts(port), store, "the store")
        url = f"redis://127.0.0.1:{port}"
        with ThreadPoolExecutor(AT_ONCE) as starters:
            made = [hokm(bench.cores, redis=url) for _ in range(instances)]
            servers = list(starters.map(stack.enter_context, made))
        loads = [stack.enter_context(bench.playing(server)) for server in servers]
        rooms = players // 4
        for server, load in zip(servers, loads, strict=True):
            load.seat(places(server, rooms))
            load.start()
        tell(f"{instances} instances, {instances * players} players have sat down")
        memory = sum(private_kb(pid) for pid in _pids(servers)) / 1024
        before = _spent(servers, store.pid)
        with ThreadPoolExecutor(instances) as players_of:
            rate = rooms / SECONDS_PER_PLAY
            answers = list(players_of.map(lambda load: load.paced(rate, seconds), loads))
        after = _spent(servers, store.pid)
    return _result(answers, players, memory, [b - a for a, b in zip(before, after, strict=True)])


def _pids(servers: Sequence[Server]) -> list[int]:
    return [pid for s in servers for pid in (*s.workers, *s.helpers.values())]


def _spent(servers: Sequence[Server], store: int) -> tuple[float, float, float]:
    """Return the seconds of CPU of all workers, of all supervisors, and of the store."""
    workers = sum(cpu_seconds(pid) for server in servers for pid in server.workers)
    supervisors = sum(cpu_seconds(server.helpers["supervisor"]) for server in servers)
    return workers, supervisors, cpu_seconds(store)


def _result(
    answers: Sequence[Answer], players: int, memory: float, spent: Sequence[float]
) -> Fleet:
    seconds = max(answer.seconds for answer in answers)
    workers, supervisors, store = (part / seconds for part in spent)
    return Fleet(
        instances=len(answers),
        players=len(answers) * players,
        plays_per_second=sum(answer.plays for answer in answers) / seconds,
        p50_ms=statistics.median(answer.p50_ms for answer in answers),
        p99_ms=statistics.median(answer.p99_ms for answer in answers),
        worst_p99_ms=max(answer.p99_ms for answer in answers),
        workers_cpu=workers,
        supervisors_cpu=supervisors,
        store_cpu=store,
        memory_mb=memory,
    )


def as_json(fleets: Sequence[Fleet]) -> str:
    """Return all runs as one JSON text."""
    return msgspec.json.format(msgspec.json.encode({"fleets": fleets})).decode()


def as_text(fleets: Sequence[Fleet]) -> str:
    """Return the table."""
    lines = [
        "instances  players  plays/s  p50 ms  p99 ms (worst)   CPU of workers, supervisors, store"
        "   memory MB"
    ]
    lines += [
        f"{f.instances:9}  {f.players:7}  {f.plays_per_second:7.0f}  {f.p50_ms:6.2f}  "
        f"{f.p99_ms:6.1f} ({f.worst_p99_ms:.1f})".ljust(53)
        + f"{f.workers_cpu:12.0%}, {f.supervisors_cpu:11.0%}, {f.store_cpu:5.0%}"
        + f"  {f.memory_mb:10.0f}"
        for f in fleets
    ]
    return "\n".join(lines)
