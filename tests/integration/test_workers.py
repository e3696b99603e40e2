# mypy: disallow-untyped-decorators=False
"""The lives of worker processes, with small programs in the workers' place."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.supervisor import child as module
from hokm.supervisor.child import MISSED_PINGS, Launch
from hokm.supervisor.pool import Pool
from hokm.supervisor.worker import Worker

reactor: Any = installed
ASK_SECONDS = 1.0
PROMISED_SECONDS = 5.0  # in which a worker that hangs is found

# A worker that speaks the control protocol with blocking calls; BEHAVIOUR says what is special.
PROGRAM = """
import os, signal, socket, sys, time
from msgspec.msgpack import encode
from hokm.control import messages as m

behaviour = os.environ["BEHAVIOUR"]
channel = socket.socket(fileno=3)

def tell(message):
    channel.send(b"\\0" + encode(message))

if behaviour == "exit 3":
    sys.exit(3)
if behaviour == "exit 1":
    sys.exit(1)
if behaviour == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell(m.Hello(pid=os.getpid(), protocol=99 if behaviour == "old" else m.PROTOCOL))
if behaviour == "misconfigured":
    tell(m.Misconfigured(message="no such store"))
    sys.exit(3)
if behaviour != "slow":
    tell(m.Ready())
while True:
    packet, fds, _, _ = socket.recv_fds(channel, 70000, 10)
    if not packet:
        break
    message = m.TO_WORKER.decode(packet[1:])
    if isinstance(message, m.Configure):
        assert os.fstat(fds[0]).st_size, "the ledger did not come with it"
    elif isinstance(message, m.Ping):
        tell(m.Pong(n=message.n))
    elif isinstance(message, m.Drain):
        if behaviour == "closes":
            channel.close()
            time.sleep(60)
        tell(m.Closed(connection=7))
        os.kill(os.getpid(), signal.SIGKILL)
    elif isinstance(message, m.Stop) and behaviour != "deaf":
        tell(m.Stopped())
        break
"""


LEDGER = Ledger.make()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until *condition* holds; fail after *seconds*."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("did not happen in time")


def descriptors() -> int:
    """Count this process's open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Noted:
    """An owner that notes what it is told.

    Attributes:
        active: Number and pid of each worker that took rooms, in order.
        events: All that was told, in short.
    """

    def __init__(self) -> None:
        self.active: list[tuple[int, int | None]] = []
        self.lost: list[tuple[int, int | None]] = []
        self.said: list[m.FromWorker] = []
        self.misconfigured: list[str] = []
        self.events: list[str] = []

    def on_active(self, worker: Worker) -> None:
        self.active.append((worker.id, worker.pid))
        self.events.append("active")

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        self.said.append(message)
        self.events.append(type(message).__name__)

    def on_lost(self, worker: Worker, pid: int | None) -> None:
        self.lost.append((worker.id, pid))
        self.events.append("lost")

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        self.misconfigured.append(reason)


class Crew:
    """Workers with a chosen behaviour, and what was noted of them."""

    def __init__(self) -> None:
        self.noted = Noted()
        self.environ = {**os.environ, "BEHAVIOUR": "good", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.pool = Pool(
            reactor=reactor,
            owner=self.noted,
            launch=Launch((sys.executable, "-c", PROGRAM), self.environ),
            configuration=lambda id: m.Configure(worker=id, store="", settings=b"{}"),
            ledger=LEDGER.fd,
            spares=0,
        )

    def begin(self, behaviour: str, target: int = 1, spares: int = 0) -> None:
        """Start workers."""
        self.environ["BEHAVIOUR"] = behaviour
        self.pool.target, self.pool.spares = target, spares
        self.pool.mind()

    async def start(self, behaviour: str, target: int = 1, spares: int = 0) -> None:
        """Start workers and wait until they are ready, the spares too."""
        self.begin(behaviour, target, spares)
        await until(lambda: len(self.pool.ready) == target and len(self.pool.waiting) == spares)

    @property
    def first(self) -> Worker:
        """The worker with the lowest number."""
        return min(self.pool, key=lambda worker: worker.id)


@pytest_twisted.async_yield_fixture
async def crew() -> AsyncIterator[Crew]:
    """Workers that are gone afterwards, with all their descriptors."""
    await deferLater(reactor, 0)
    before = descriptors()
    crew = Crew()
    yield crew
    await crew.pool.stop(0.5)
    await until(lambda: descriptors() <= before)


def kill(worker: Worker, number: int = signal.SIGKILL) -> None:
    """Send a worker's process a signal."""
    assert worker.pid is not None
    os.kill(worker.pid, number)


@pytest_twisted.ensureDeferred
async def test_workers_start_and_stop(crew: Crew) -> None:
    """Numbers rise from 1, and a worker told to stop ends by itself and stays away."""
    await crew.start("good", 2)
    workers = list(crew.pool)
    assert sorted(id for id, _ in crew.noted.active) == [1, 2]
    assert {worker.state for worker in workers} == {"ready"}
    for gone in crew.pool.stop(5.0), crew.pool.stop(5.0):  # said twice
        await gone
    assert {worker.state for worker in workers} == {"dead"}
    assert sorted(crew.noted.lost) == sorted(crew.noted.active)
    await deferLater(reactor, 0.3)  # longer than the first pause before a new start
    assert list(crew.pool) == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("exit 3", "code 3"), ("misconfigured", "no such store"), ("old", "version")],
)
@pytest_twisted.ensureDeferred
async def test_bad_configuration_is_final(crew: Crew, behaviour: str, reason: str) -> None:
    """A worker that cannot work as it is configured is told once and not started again."""
    crew.begin(behaviour)
    await until(lambda: crew.noted.misconfigured and crew.noted.lost)
    await deferLater(reactor, 0.3)  # longer than the first pause before a new start
    assert len(crew.noted.misconfigured) == 1
    assert reason in crew.noted.misconfigured[0]
    assert list(crew.pool) == []


@pytest_twisted.ensureDeferred
async def test_a_worker_that_fails_to_start_is_started_again(crew: Crew) -> None:
    """Each failure is told, and the next try may succeed."""
    crew.begin("exit 1")
    await until(lambda: len(crew.noted.lost) == 2)
    crew.environ["BEHAVIOUR"] = "good"
    await until(lambda: crew.pool.ready)


@pytest_twisted.ensureDeferred
async def test_a_worker_that_dies_is_replaced(crew: Crew) -> None:
    """SIGKILL ends one life; without a spare the next has the same number and another process."""
    await crew.start("good")
    kill(crew.first)
    await until(lambda: len(crew.noted.active) == 2)
    (id, pid), (next_id, next_pid) = crew.noted.active
    assert (id, next_id) == (1, 1) and pid != next_pid


@pytest_twisted.ensureDeferred
async def test_a_spare_takes_over(crew: Crew) -> None:
    """It is there before the death is told, and another spare is started."""
    await crew.start("good", 1, spares=1)
    crew.noted.events.clear()
    kill(crew.first)
    await until(lambda: crew.noted.lost)
    assert crew.noted.events == ["active", "lost"]
    assert [worker.id for worker in crew.pool.ready] == [2]
    await until(lambda: [worker.id for worker in crew.pool.waiting] == [1])


@pytest_twisted.ensureDeferred
async def test_a_worker_that_hangs_is_found(crew: Crew) -> None:
    """One that stands still is killed within the promised time, and a spare takes over."""
    await crew.start("good", 1, spares=1)
    for _ in range(2):
        crew.pool.ask()
        await deferLater(reactor, ASK_SECONDS)  # answers keep it alive meanwhile
    assert crew.noted.lost == []
    stopped = crew.first
    kill(stopped, signal.SIGSTOP)
    for _ in range(MISSED_PINGS + 1):
        crew.pool.ask()
        await deferLater(reactor, ASK_SECONDS)
    assert (MISSED_PINGS + 1) * ASK_SECONDS < PROMISED_SECONDS
    await until(lambda: crew.noted.lost)
    assert stopped.state == "dead"
    assert [worker.id for worker in crew.pool.ready] == [2]


@pytest_twisted.ensureDeferred
async def test_last_words_are_heard(crew: Crew) -> None:
    """What a worker said is passed on before its end is, also when that is noticed first."""
    await crew.start("good")
    channel = crew.first._channel
    assert channel is not None
    channel.stopReading()
    crew.first.tell(m.Drain(room="ABCD", move=1))
    await until(lambda: crew.noted.lost)
    assert crew.noted.said == [m.Closed(connection=7)]
    assert crew.noted.events.index("Closed") < crew.noted.events.index("lost")


@pytest_twisted.ensureDeferred
async def test_a_worker_that_closes_its_channel_is_killed(crew: Crew) -> None:
    """It cannot be told anything any more; another one takes its place."""
    await crew.start("closes")
    crew.environ["BEHAVIOUR"] = "good"
    crew.first.tell(m.Drain(room="ABCD", move=1))
    await until(lambda: len(crew.noted.active) == 2)
    assert len(crew.noted.lost) == 1


@pytest_twisted.ensureDeferred
async def test_a_worker_that_never_gets_ready_is_killed(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Ready in time the process is killed and another one started."""
    monkeypatch.setattr(module, "START_SECONDS", 0.5)
    crew.begin("slow")
    await until(lambda: len(crew.noted.lost) == 2)
    assert not crew.noted.active


@pytest_twisted.ensureDeferred
async def test_a_deaf_worker_is_killed(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hears neither Stop nor SIGTERM is killed."""
    monkeypatch.setattr(module, "STOP_MARGIN", 0.2)
    await crew.start("deaf")
    deaf = crew.first
    await crew.pool.stop(0.1)
    assert deaf.state == "dead"
