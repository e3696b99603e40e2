"""How many workers there are, and what is done when one dies; no process is started."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from msgspec.msgpack import encode
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hokm.control import messages as m
from hokm.control.program import CHANNEL
from hokm.supervisor.child import (
    MISCONFIGURED,
    MISSED_PINGS,
    START_SECONDS,
    STOP_MARGIN,
    Launch,
)
from hokm.supervisor.pool import MOST_PAUSE, Pool
from hokm.supervisor.worker import Worker

LIFE_SECONDS = 3.0


class Process:
    """A process that was asked for: both its transport, as Twisted makes one, and itself.

    Attributes:
        signals: That it was sent; none ends it.
    """

    def __init__(self, pid: int, protocol: ProcessProtocol, channel: int, reactor: Reactor) -> None:
        self.pid = pid
        self.signals: list[str] = []
        self.ended = False
        self._protocol = protocol
        self._channel = socket.socket(fileno=os.dup(channel))
        self._channel.setblocking(False)
        self._reactor = reactor

    def signalProcess(self, name: str) -> None:
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(name)

    def say(self, message: m.FromWorker) -> None:
        """Tell the supervisor something."""
        self._channel.send(b"\0" + encode(message))
        self._reactor.read()

    def ready(self) -> None:
        self.say(m.Ready())

    def heard(self) -> list[m.ToWorker]:
        """Return what the supervisor has told since this was asked last."""
        found: list[m.ToWorker] = []
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self._channel, 1 << 16, 4)
            except BlockingIOError:
                return found
            for fd in fds:
                os.close(fd)
            if not packet:
                return found
            found.append(m.TO_WORKER.decode(packet[1:]))

    def asked(self) -> int | None:
        """Return the number of the last ping that came; None when none did."""
        pings = [message.n for message in self.heard() if isinstance(message, m.Ping)]
        return pings[-1] if pings else None

    def end(self, code: int | None = None) -> None:
        """End with an exit code, or (None) by a signal."""
        self.ended = True
        self._channel.close()
        reason = ProcessDone(0) if code == 0 else ProcessTerminated(code, signal=code and None)
        self._protocol.processEnded(Failure(reason))


class Reactor(Clock):
    """Starts no process, and notes which were asked for.

    Attributes:
        processes: In the order of their starts.
        starts: When each was asked for, also those that were refused.
        refuse: Whether the system has no memory for one more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.starts: list[float] = []
        self.refuse = False
        self._pids = count(1000)
        self._readers: list[Any] = []

    def spawnProcess(
        self, protocol: Any, *_: object, childFDs: dict[int, int], env: Any
    ) -> Process:
        self.starts.append(self.seconds())
        if self.refuse:
            raise BlockingIOError("Resource temporarily unavailable")
        process = Process(next(self._pids), protocol, childFDs[CHANNEL], self)
        self.processes.append(process)
        protocol.makeConnection(process)
        return process

    def go_on(self) -> None:
        """Let time pass until something is due."""
        self.advance(min(call.getTime() for call in self.getDelayedCalls()) - self.seconds())

    def read(self) -> None:
        """Read what has come."""
        for reader in list(self._readers):
            reader.doRead()

    def addReader(self, reader: object) -> None:
        self._readers.append(reader)

    def removeReader(self, reader: object) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def addWriter(self, writer: object) -> None:
        raise AssertionError("all that is told here fits into the kernel")

    def removeWriter(self, writer: object) -> None:
        """None was added."""


class World:
    """A pool whose processes do what the test says.

    Attributes:
        events: What the pool's owner was told, in order: what, and the worker's number.
        reasons: Why no worker can work.
    """

    def __init__(self, target: int = 1, spares: int = 0) -> None:
        self.reactor = Reactor()
        self.events: list[tuple[str, int]] = []
        self.reasons: list[str] = []
        self.said: list[m.FromWorker] = []
        self.ledger = os.memfd_create("ledger")
        self.pool = Pool(
            reactor=self.reactor,
            owner=self,
            launch=Launch(("worker",), {}),
            configuration=lambda id: m.Configure(worker=id, store="", settings=b""),
            ledger=self.ledger,
            spares=spares,
        )
        self.pool.target = target
        self.pool.mind()

    def on_active(self, worker: Worker) -> None:
        self.events.append(("active", worker.id))

    def on_message(self, worker: Worker, message: m.FromWorker) -> None:
        self.said.append(message)

    def on_lost(self, worker: Worker, pid: int | None) -> None:
        assert pid is not None and worker.state == "dead"
        self.events.append(("lost", worker.id))

    def on_misconfigured(self, worker: Worker, reason: str) -> None:
        self.reasons.append(reason)

    @property
    def processes(self) -> list[Process]:
        """Those that have been started."""
        return self.reactor.processes

    def all_ready(self) -> None:
        """Let everybody get ready, also those that are started thereupon."""
        done = 0
        while done < len(self.processes):
            if not self.processes[done].ended:
                self.processes[done].ready()
            done += 1

    def settle(self) -> None:
        """Let everybody get ready, and live for a while."""
        self.all_ready()
        self.reactor.advance(LIFE_SECONDS)

    def ids(self) -> tuple[list[int], list[int]]:
        """Return the numbers of those that take rooms, and of the spares."""
        return (
            [worker.id for worker in self.pool.ready],
            sorted(worker.id for worker in self.pool.waiting),
        )


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    """Collect the worlds of a test, and end what they hold."""
    made: list[World] = []
    yield made
    for world in made:
        for process in world.processes:
            if not process.ended:
                process.end(0)
        os.close(world.ledger)


def make(worlds: list[World], target: int = 1, spares: int = 0) -> World:
    worlds.append(World(target, spares))
    return worlds[-1]


# --- how many ----------------------------------------------------------------------------


def test_a_worker_is_configured_first(worlds: list[World]) -> None:
    """The first message names its number; it takes rooms once it is ready, not before."""
    world = make(worlds)
    [process] = world.processes
    assert process.heard() == [m.Configure(worker=1, store="", settings=b"")]
    process.say(m.Hello(pid=process.pid))
    assert world.events == [] and world.pool.ready == []
    process.ready()
    assert world.events == [("active", 1)] and world.ids() == ([1], [])


def test_the_target_first_then_the_spares(worlds: list[World]) -> None:
    """Nobody waits beside workers that are missing."""
    world = make(worlds, target=2, spares=2)
    assert len(world.processes) == 2
    world.processes[0].ready()
    assert len(world.processes) == 2
    world.processes[1].ready()
    assert len(world.processes) == 4
    world.all_ready()
    assert world.ids() == ([1, 2], [3, 4])
    world.pool.mind()
    assert len(world.processes) == 4


def test_numbers_are_the_lowest_free(worlds: list[World]) -> None:
    """A dead one's number is free, and no two of the living share one."""
    world = make(worlds, target=3)
    world.settle()
    world.processes[1].end(1)
    world.settle()
    assert [worker.id for worker in world.pool.active] == [1, 2, 3]
    world.processes[0].end(1)
    world.processes[2].end(1)
    world.settle()
    assert [worker.id for worker in world.pool.active] == [1, 2, 3]
    assert len(world.processes) == 6


def test_one_more_is_wanted(worlds: list[World]) -> None:
    """The spare that has waited longest is taken at once, and another one comes in its stead."""
    world = make(worlds, target=1, spares=2)
    world.processes[0].ready()
    world.processes[2].ready()
    world.reactor.advance(1.0)
    world.processes[1].ready()
    world.pool.target = 2
    world.pool.mind()
    assert world.ids() == ([1, 3], [2])
    world.all_ready()
    assert world.ids() == ([1, 3], [2, 4])


def test_a_spare_takes_over_at_once(worlds: list[World]) -> None:
    """Before anybody is told of the death: so it can have the dead one's rooms."""
    world = make(worlds, target=2, spares=1)
    world.settle()
    world.events.clear()
    world.processes[0].end()
    assert world.events == [("active", 3), ("lost", 1)]
    assert world.ids() == ([2, 3], [])
    assert len(world.processes) == 4  # another spare is on its way
    world.all_ready()
    assert world.ids() == ([2, 3], [1])


def test_a_dead_spare_is_nobodys_loss(worlds: list[World]) -> None:
    """Nobody takes rooms in its stead; another spare is started."""
    world = make(worlds, target=1, spares=1)
    world.settle()
    world.events.clear()
    world.processes[1].end()
    assert world.events == [("lost", 2)]
    world.all_ready()
    assert world.ids() == ([1], [2])


def test_there_may_be_more_than_wanted(worlds: list[World]) -> None:
    """While there are, no spare takes rooms, whoever dies."""
    world = make(worlds, target=2, spares=3)
    world.settle()
    world.pool.target = 1
    world.events.clear()
    world.processes[4].end()
    assert world.events == [("lost", 5)]
    assert world.ids()[0] == [1, 2]


def test_a_draining_worker_is_replaced(worlds: list[World]) -> None:
    """It takes no new rooms, so that one is missing; when it ends nothing more is."""
    world = make(worlds, target=2, spares=1)
    world.settle()
    first = world.pool[world.pool.active[0].id]
    first.drain()
    world.pool.mind()
    assert world.ids()[0] == [2, 3]
    assert [worker.id for worker in world.pool.active] == [1, 2, 3]
    first.undrain()
    assert world.ids()[0] == [1, 2, 3]


def test_spares_are_retired(worlds: list[World]) -> None:
    """They are told to end, those with rooms are not; others take their places at once."""
    world = make(worlds, target=1, spares=1)
    world.all_ready()
    for process in world.processes:
        process.heard()
    world.pool.retire_spares()
    assert [process.heard() for process in world.processes] == [[], [m.Stop(grace_s=0.0)]]
    world.processes[1].end(0)
    world.all_ready()
    assert world.ids() == ([1], [2])
    assert len(world.processes) == 3


# --- pauses ------------------------------------------------------------------------------


def pauses(world: World, deaths: int, life: float | None = None) -> list[float]:
    """Let the only worker die so often, and say how long there was none each time.

    Args:
        life: Seconds that it is ready before; None: it never gets ready.
    """
    found = []
    for _ in range(deaths):
        process = world.processes[-1]
        if life is not None:
            process.ready()
            world.reactor.advance(life)
        died = world.reactor.seconds()
        process.end(1)
        while world.processes[-1] is process:
            world.reactor.go_on()
        found.append(round(world.reactor.starts[-1] - died, 3))
    return found


def test_pauses_grow(worlds: list[World]) -> None:
    """From 0.1 s the pause before a new start doubles, up to 30 s."""
    world = make(worlds)
    assert pauses(world, 11) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_who_was_ready_is_replaced_at_once(worlds: list[World]) -> None:
    """However short its life: it is not its start that failed."""
    assert pauses(make(worlds), 3, life=0.0) == [0.0, 0.0, 0.0]


def test_a_good_life_shortens_the_pause(worlds: list[World]) -> None:
    """After it there is none, and the next failures begin with the first pause."""
    world = make(worlds)
    pauses(world, 5)
    assert pauses(world, 2, life=LIFE_SECONDS) == [0.0, 0.0]
    assert pauses(world, 2) == [0.1, 0.2]


def test_the_living_do_not_wait(worlds: list[World]) -> None:
    """While a start is paused, a spare that is there is taken all the same."""
    world = make(worlds, target=1, spares=2)
    world.settle()
    world.processes[0].end()
    young = world.processes[-1]
    young.end(1)
    assert world.ids() == ([2], [3])
    world.processes[1].end()
    assert world.ids() == ([3], [])


def test_a_refused_start_is_tried_again(worlds: list[World]) -> None:
    """When the system starts no process, the pause grows in the same way."""
    world = World(target=0)
    worlds.append(world)
    world.reactor.refuse = True
    world.pool.target = 1
    world.pool.mind()
    world.pool.mind()  # asked again meanwhile: it waits all the same
    for _ in range(4):
        world.reactor.go_on()
    assert [round(start, 1) for start in world.reactor.starts] == [0.0, 0.1, 0.3, 0.7, 1.5]
    world.reactor.refuse = False
    world.reactor.advance(2)
    world.all_ready()
    assert world.ids() == ([1], [])


# --- fresh ones --------------------------------------------------------------------------


def test_a_fresh_worker(worlds: list[World]) -> None:
    """It is given to who asked once it is ready, and is nobody's spare."""
    world = make(worlds, target=1, spares=1)
    world.settle()
    given: list[Worker | None] = []
    world.pool.start_fresh().addCallback(given.append)
    assert given == [] and len(world.processes) == 3
    world.pool.mind()
    assert len(world.processes) == 3  # it stands for no spare
    world.processes[2].ready()
    [worker] = given
    assert worker is not None and (worker.id, worker.active, worker.state) == (3, False, "ready")


def test_a_fresh_worker_is_not_taken_for_another(worlds: list[World]) -> None:
    """Neither for a spare, nor for the successor of one that dies meanwhile."""
    world = make(worlds, target=1, spares=0)
    world.settle()
    given: list[Worker | None] = []
    world.pool.start_fresh().addCallback(given.append)
    world.pool.retire_spares()
    assert m.Stop(grace_s=0.0) not in world.processes[1].heard()
    world.processes[0].end()
    assert len(world.processes) == 3
    world.processes[2].ready()
    assert world.ids() == ([1], []) and given == []
    world.processes[1].ready()
    assert [worker.id for worker in given if worker] == [2]
    assert world.ids() == ([1], [2])


@pytest.mark.parametrize("how", ["dies", "misconfigured", "refused"])
def test_a_fresh_worker_does_not_get_ready(worlds: list[World], how: str) -> None:
    """Who asked is told so; the others go on."""
    world = make(worlds)
    world.settle()
    world.reactor.refuse = how == "refused"
    given: list[Worker | None] = []
    world.pool.start_fresh().addCallback(given.append)
    if how == "misconfigured":
        world.processes[1].say(m.Misconfigured(message="no such store"))
    if how != "refused":
        world.processes[1].end(1)
    assert given == [None]
    assert world.ids() == ([1], []) and world.reasons == []


# --- misconfigured -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["says so", "exit code", "protocol"])
def test_misconfigured_and_nobody_serves(worlds: list[World], how: str) -> None:
    """It is told once, with the reason, and no worker is started again."""
    world = make(worlds, target=2)
    process = world.processes[0]
    if how == "says so":
        process.say(m.Misconfigured(message="no such store"))
    elif how == "protocol":
        process.say(m.Hello(pid=1, protocol=m.PROTOCOL + 1))
        assert process.signals == ["KILL"]
    process.end(MISCONFIGURED)
    [reason] = world.reasons
    assert {"says so": "no such store", "exit code": "code 3", "protocol": "version"}[how] in reason
    world.processes[1].end(1)
    world.reactor.advance(2 * MOST_PAUSE)
    assert len(world.processes) == 2 and len(world.reasons) == 1


def test_misconfigured_while_others_serve(worlds: list[World]) -> None:
    """The living are better than none; another start is tried later, with growing pauses."""
    world = make(worlds, target=1, spares=1)
    world.processes[0].ready()
    for number, pause in ((1, 0.1), (2, 0.2)):
        world.processes[number].say(m.Misconfigured(message="no such store"))
        world.processes[number].end(MISCONFIGURED)
        assert len(world.processes) == number + 1
        world.reactor.advance(pause)
        assert len(world.processes) == number + 2
    assert world.reasons == [] and world.ids() == ([1], [])


# --- who hangs ---------------------------------------------------------------------------


def test_who_misses_three_pings_is_killed(worlds: list[World]) -> None:
    """At the fourth question; whoever has answered in between has missed none."""
    assert MISSED_PINGS == 3
    world = make(worlds)
    [process] = world.processes
    process.ready()
    for _ in range(2):
        for _ in range(MISSED_PINGS):
            world.pool.ask()
            assert process.signals == []
        last = process.asked()
        assert last is not None
        process.say(m.Pong(n=last))
    for _ in range(MISSED_PINGS):
        world.pool.ask()
    assert process.signals == []
    world.pool.ask()
    assert process.signals == ["KILL"]


def test_whatever_is_heard_is_a_sign_of_life(worlds: list[World]) -> None:
    """The answer may be long in coming, behind thousands of connections that are being let in."""
    world = make(worlds)
    [process] = world.processes
    process.ready()
    for _ in range(3 * MISSED_PINGS):
        world.pool.ask()
        process.say(m.RoomIdle(room="TABLE234"))
    assert process.signals == []


def test_pings_are_counted_and_not_seconds(worlds: list[World]) -> None:
    """If it was the supervisor that stood still, nobody is killed for it."""
    world = make(worlds)
    [process] = world.processes
    process.ready()
    world.pool.ask()
    world.reactor.advance(1000.0)
    world.pool.ask()
    assert process.signals == []


def test_an_answer_to_an_earlier_life_is_no_credit(worlds: list[World]) -> None:
    """A number that was not asked for counts as the last one that was, and no more."""
    world = make(worlds)
    [process] = world.processes
    process.ready()
    process.say(m.Pong(n=1000))
    for _ in range(MISSED_PINGS + 1):
        world.pool.ask()
    assert process.signals == ["KILL"]


def test_who_starts_or_ends_is_not_asked(worlds: list[World]) -> None:
    """Both have their own deadlines."""
    world = make(worlds)
    [process] = world.processes
    for _ in range(10):
        world.pool.ask()
    process.ready()
    world.pool.stop(1.0)
    for _ in range(10):
        world.pool.ask()
    assert process.asked() is None and process.signals == []


def test_a_draining_worker_is_asked(worlds: list[World]) -> None:
    """It has rooms still."""
    world = make(worlds)
    world.all_ready()
    world.pool[world.pool.active[0].id].drain()
    world.pool.ask()
    assert world.processes[0].asked() == 1


def test_who_never_gets_ready_is_killed(worlds: list[World]) -> None:
    """After so long; not before, and not once it was ready."""
    world = make(worlds, target=2)
    slow, good = world.processes
    good.ready()
    world.reactor.advance(START_SECONDS - 0.1)
    assert slow.signals == []
    world.reactor.advance(0.2)
    assert (slow.signals, good.signals) == (["KILL"], [])


# --- the end -----------------------------------------------------------------------------


def test_all_are_stopped(worlds: list[World]) -> None:
    """Each gets its time; nothing is started after that, and it is said when all are gone."""
    world = make(worlds, target=2, spares=1)
    world.settle()
    gone: list[object] = []
    world.pool.stop(5.0).addCallback(gone.append)
    for process in world.processes:
        assert process.heard()[-1] == m.Stop(grace_s=5.0)
        assert gone == []
        process.end(0)
    assert len(gone) == 1
    world.reactor.advance(MOST_PAUSE)
    assert len(world.processes) == 3 and world.reactor.getDelayedCalls() == []


def test_who_does_not_stop_is_ended(worlds: list[World]) -> None:
    """After its time and a margin SIGTERM, after another margin SIGKILL."""
    world = make(worlds)
    [process] = world.processes
    process.ready()
    world.pool.stop(5.0)
    world.reactor.advance(5.0 + STOP_MARGIN)
    assert process.signals == ["TERM"]
    world.reactor.advance(STOP_MARGIN)
    assert process.signals == ["TERM", "KILL"]


def test_a_stop_between_two_lives_is_final(worlds: list[World]) -> None:
    """A pool that is stopped while it waits for another try does not try any more."""
    world = make(worlds)
    world.processes[0].end(1)
    assert world.pool.stop(1.0).called
    world.reactor.advance(MOST_PAUSE)
    assert len(world.reactor.starts) == 1


def test_a_dead_worker_leaves_nothing_behind(worlds: list[World]) -> None:
    """No alarm of its own goes off later."""
    world = make(worlds)
    world.settle()
    world.pool.target = 0
    world.processes[0].end()
    assert world.reactor.getDelayedCalls() == []


def test_last_words_are_heard(worlds: list[World]) -> None:
    """What a worker said before it died is passed on before its death is told."""
    world = make(worlds)
    [process] = world.processes
    process.ready()
    process._channel.send(b"\0" + encode(m.Closed(connection=7)))
    assert world.said == []
    process.end()
    assert world.said == [m.Closed(connection=7)]
    assert world.events[-1] == ("lost", 1)
