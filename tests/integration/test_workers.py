# mypy: disallow-untyped-decorators=False
"""The lives of worker processes, with small programs in the workers' place."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from itertools import chain
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from hokm.supervisor.workers import Untaken, Worker, Workers
from twisted.internet import reactor
from twisted.internet.task import deferLater

from hokm.control import messages as m
from hokm.supervisor import workers as module

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
    if isinstance(message, m.Connection):
        if behaviour == "refuses":
            tell(m.NotTaken(connection=message.connection, reason="full"))
        elif behaviour == "takes and dies":
            tell(m.Got(connection=message.connection))
            os.kill(os.getpid(), signal.SIGKILL)
        elif behaviour == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        elif behaviour == "closes":
            channel.close()
            time.sleep(60)
        else:
            tell(m.Got(connection=message.connection))
            tell(m.RoomIdle(room=message.room))
            os.write(fds[0], b"hello from %d" % os.getpid())
        for fd in fds:
            os.close(fd)
    elif isinstance(message, m.Stop) and behaviour != "deaf":
        tell(m.Stopped())
        break
"""


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
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.ready: list[int] = []
        self.pids: list[int | None] = []
        self.lost: list[Untaken] = []
        self.idle: list[str] = []
        self.untaken: Untaken = []
        self.misconfigured: list[str] = []
        self.gone: list[int] = []

    def on_ready(self, worker: Worker) -> None:
        self.ready.append(worker.id)
        self.pids.append(worker.pid)

    def on_lost(self, worker: Worker, untaken: Untaken) -> None:
        self.lost.append(untaken)

    def on_idle(self, worker: Worker, room: str) -> None:
        self.idle.append(room)

    def on_untaken(self, worker: Worker, connection: m.Connection, sock: socket.socket) -> None:
        self.untaken.append((connection, sock))

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        self.misconfigured.append(reason)


class Crew:
    """Workers with a chosen behaviour, and what was noted of them."""

    def __init__(self) -> None:
        self.noted = Noted()
        self.environ = {**os.environ, "BEHAVIOUR": "good", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.workers = Workers(
            reactor=reactor,
            watcher=self.noted,
            configuration=lambda id: m.Configure(worker=id, store="", settings=b"{}"),
            environ=self.environ,
            command=(sys.executable, "-c", PROGRAM),
            on_gone=self.noted.gone.append,
        )

    async def start(self, behaviour: str, count: int = 1) -> None:
        """Start workers and wait until they are ready."""
        self.environ["BEHAVIOUR"] = behaviour
        self.workers.start(count)
        await until(lambda: len(self.noted.ready) == count)

    def give(self, worker: int, number: int = 1) -> socket.socket:
        """Give a worker a connection, whose client's end is returned."""
        ours, theirs = socket.socketpair()
        ours.settimeout(5)
        ours.sendall(b"request")
        connection = m.Connection(connection=number, room="ABCD", peer="::1", cookie=0)
        self.workers[worker].give(connection, theirs)
        return ours


@pytest_twisted.async_yield_fixture
async def crew() -> AsyncIterator[Crew]:
    """Workers that are gone afterwards, with all their descriptors."""
    await deferLater(reactor, 0)
    before = descriptors()
    crew = Crew()
    yield crew
    await crew.workers.stop(0.5)
    for _, sock in chain(crew.noted.untaken, *crew.noted.lost):
        sock.close()
    await until(lambda: descriptors() <= before)


@pytest_twisted.ensureDeferred
async def test_workers_start_and_stop(crew: Crew) -> None:
    """Numbers rise from 1, and a worker told to stop ends by itself and stays away."""
    await crew.start("good", 2)
    assert sorted(crew.noted.ready) == [1, 2]
    assert {worker.state for worker in crew.workers} == {"ready"}
    both = crew.workers.stop(5.0), crew.workers.stop(5.0)  # said twice
    for gone in both:
        await gone
    assert {worker.state for worker in crew.workers} == {"dead"}
    assert sorted(crew.noted.gone) == sorted(pid for pid in crew.noted.pids if pid)
    await deferLater(reactor, 0.3)  # longer than the first pause before a new start
    assert {worker.pid for worker in crew.workers} == {None}


@pytest_twisted.ensureDeferred
async def test_a_taken_connection_is_the_workers(crew: Crew) -> None:
    """Once the worker has it, no copy is kept: the client sees its end with the worker's."""
    await crew.start("good")
    with crew.give(1) as client:
        await until(lambda: crew.noted.idle == ["ABCD"])
        assert client.recv(100) == b"hello from %d" % (crew.workers[1].pid or 0)
        with pytest.raises(ConnectionResetError):  # the request was never read
            client.recv(100)


@pytest_twisted.ensureDeferred
async def test_a_connection_that_was_not_taken_comes_back(crew: Crew) -> None:
    """A worker that refuses gives the connection back, with all its bytes."""
    await crew.start("refuses")
    with crew.give(1, 7):
        await until(lambda: crew.noted.untaken)
        ((connection, sock),) = crew.noted.untaken
        assert connection.connection == 7
        assert sock.recv(100) == b"request"


@pytest.mark.parametrize("behaviour", ["dies", "closes"])
@pytest_twisted.ensureDeferred
async def test_a_dead_workers_connections_go_elsewhere(crew: Crew, behaviour: str) -> None:
    """What a worker had not taken when it died comes back, and the next life can serve it."""
    await crew.start(behaviour)
    crew.environ["BEHAVIOUR"] = "good"
    with crew.give(1, 7) as client:
        await until(lambda: crew.noted.lost)
        ((connection, sock),) = crew.noted.lost.pop()
        assert connection.connection == 7
        await until(lambda: crew.noted.ready == [1, 1])
        crew.workers[1].give(connection, sock)
        await until(lambda: crew.noted.idle)
        assert client.recv(100) == b"hello from %d" % (crew.workers[1].pid or 0)
    assert crew.noted.pids[0] != crew.noted.pids[1]


@pytest_twisted.ensureDeferred
async def test_a_taken_connection_does_not_come_back(crew: Crew) -> None:
    """The last word of a dying worker is heard, also when its end is noticed first."""
    await crew.start("takes and dies")
    channel = crew.workers[1]._channel
    assert channel is not None
    channel.stopReading()
    with crew.give(1):
        await until(lambda: crew.noted.lost)
    assert crew.noted.lost == [[]]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("exit 3", "code 3"), ("misconfigured", "no such store"), ("old", "version 1")],
)
@pytest_twisted.ensureDeferred
async def test_bad_configuration_is_final(crew: Crew, behaviour: str, reason: str) -> None:
    """A worker that cannot work as it is configured is told once and not started again."""
    crew.environ["BEHAVIOUR"] = behaviour
    crew.workers.start(1)
    await until(lambda: crew.noted.misconfigured and crew.noted.lost)
    await deferLater(reactor, 0.3)  # longer than the first pause before a new start
    assert len(crew.noted.misconfigured) == 1
    assert reason in crew.noted.misconfigured[0]
    assert crew.workers[1].pid is None


@pytest_twisted.ensureDeferred
async def test_a_worker_that_dies_is_started_again(crew: Crew) -> None:
    """SIGKILL ends one life; the next has the same number and another process."""
    await crew.start("good")
    os.kill(crew.workers[1].pid or 0, signal.SIGKILL)
    await until(lambda: crew.noted.ready == [1, 1])
    assert crew.noted.pids[0] != crew.noted.pids[1]


@pytest_twisted.ensureDeferred
async def test_a_worker_that_never_gets_ready_is_killed(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Ready in time the process is killed and another one started."""
    monkeypatch.setattr(module, "START_SECONDS", 0.5)
    crew.environ["BEHAVIOUR"] = "slow"
    crew.workers.start(1)
    await until(lambda: len(crew.noted.lost) == 2)
    assert not crew.noted.ready


@pytest_twisted.ensureDeferred
async def test_a_deaf_worker_is_killed(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hears neither Stop nor SIGTERM is killed."""
    monkeypatch.setattr(module, "STOP_MARGIN", 0.2)
    await crew.start("deaf")
    await crew.workers.stop(0.1)
    assert crew.workers[1].state == "dead"
