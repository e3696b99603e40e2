"""A fleet in one process and no real time: what is sent between its parts is late, lost or twice.

What decides is hokm's own: the lease, the store that it guards, the committer, the choice of a
route. Made up are the store's end (in the words of hokm/store/*.lua), the network, the clocks and
the tables. Times are seconds of a true clock that nobody in the fleet can see.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from hokm.fleet import Here, Lease, Member, Owner, There, Wait, choose
from hokm.fleet.lease import RENEWAL
from hokm.metrics import Metrics
from hokm.store.leased import LeasedStore
from hokm.store.store import Claimed, Entry, OwnedElsewhere, StoreAway, Verdict
from hokm.tasks import run
from hokm.worker.committer import Committer
from hokm.worker.step import Step

LEASE = 10.0
TIMEOUT = 1.0
METRICS = Metrics()  # of all: nobody looks at it


class World:
    """True time, and what is to happen when."""

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.random = random
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (max(time, self.now), next(self._numbers), event))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until


@dataclass
class Kept:
    """A room as the store has it."""

    epoch: int = 0
    position: int = 0
    instance: str | None = None
    log: list[bytes] = field(default_factory=list)


class Store:
    """The store's end; each method is one of hokm's scripts."""

    def __init__(self, world: World, rooms: Sequence[str]) -> None:
        self.rooms = {room: Kept() for room in rooms}
        self._world = world
        self._leases: dict[str, tuple[float, Member]] = {}
        self.gaps = 0

    def alive(self, instance: str | None) -> bool:
        """Say whether a lease runs."""
        end, _ = self._leases.get(instance or "", (0.0, None))
        return self._world.now < end

    def renew(self, member: Member, seconds: float = LEASE) -> tuple[bool, tuple[Member, ...]]:
        """renew.lua."""
        anew = not self.alive(member.id)
        self._leases[member.id] = (self._world.now + seconds, member)
        return anew, tuple(
            other for id, (_, other) in self._leases.items() if id != member.id and self.alive(id)
        )

    def quit(self, instance: str) -> None:
        """quit.lua."""
        self._leases.pop(instance, None)

    def locate(self, room: str) -> Owner | None:
        """locate.lua."""
        kept = self.rooms[room]
        if kept.instance is None:
            return None
        if not self.alive(kept.instance):
            return Owner(kept.instance, kept.epoch)
        end, member = self._leases[kept.instance]
        return Owner(kept.instance, kept.epoch, member, end - self._world.now)

    def claim(self, room: str, instance: str) -> Claimed:
        """claim.lua."""
        kept = self.rooms[room]
        if not self.alive(instance):
            raise StoreAway("no lease")
        if kept.instance not in (None, instance) and self.alive(kept.instance):
            raise OwnedElsewhere(str(kept.instance))
        kept.instance = instance
        kept.epoch += 1
        return Claimed(kept.epoch, kept.position, b"", tuple(kept.log))

    def release(self, room: str, epoch: int) -> None:
        """release.lua."""
        if self.rooms[room].epoch == epoch:
            self.rooms[room].instance = None

    def commit(self, entries: Sequence[Entry]) -> list[Verdict]:
        """commit.lua; here nothing of a log is ever lost, so there is no gap."""
        verdicts = []
        for entry in entries:
            kept = self.rooms[entry.room]
            if kept.epoch > entry.epoch:
                verdicts.append(Verdict.LOST)
                continue
            if kept.epoch != entry.epoch or kept.position < entry.position:
                self.gaps += 1
            if kept.position == entry.position:
                kept.position += 1
                kept.log.append(entry.record)
            verdicts.append(Verdict.DONE)
        return verdicts


class Process:
    """One life of an instance: its supervisor, and its worker.

    Attributes:
        cut: Whether the network to the store is.
        paused: Until when it stands still.
        rate: How fast its clock goes.
    """

    def __init__(self, fleet: Fleet, id: str) -> None:
        self.fleet = fleet
        self.world = fleet.world
        self.id = id
        self.cut = False
        self.paused = 0.0
        self.dead = False
        self.leaving = False
        random = fleet.world.random
        self.rate = random.uniform(0.8, 1.25)
        self._offset = random.uniform(0, 1000)
        self._tend_seconds = random.choice((1.0, 60.0))  # its promises must not depend on it
        self.others: tuple[Member, ...] = ()
        self.supervised = Lease(LEASE)
        self.lease = Lease(LEASE)
        self.tables: dict[str, Table] = {}
        self.opening: dict[str, list[Asked]] = {}
        self.store = LeasedStore(Wire(self), self.lease, self.seconds)
        self.committer = Committer(
            store=self.store,
            clock=self,  # type: ignore[arg-type] # as much of one as it needs
            metrics=METRICS,
            at_end_of_turn=lambda call: self.callLater(0.0, call),
            on_lost=self._lost,
            on_away=self._away,
            on_back=self._back,
            may_answer=lambda: self.lease.holds(self.seconds()),
        )
        self._renew()
        self._tend()

    # --- a clock of its own ---------------------------------------------------------------

    def seconds(self) -> float:
        """Return what its clock says."""
        return self._offset + self.rate * self.world.now

    def callLater(self, seconds: float, call: Callable[[], None]) -> None:
        """Do something when its clock has gone on."""
        self.happens(self.world.now + seconds / self.rate, call)

    def pause(self, seconds: float) -> Deferred[None]:
        """Return what fires when its clock has gone on."""
        over: Deferred[None] = Deferred()
        self.callLater(seconds, lambda: over.callback(None))
        return over

    def happens(self, time: float, call: Callable[[], None]) -> None:
        """Let it meet an event; who stands still meets it later."""

        def meet() -> None:
            if self.dead:
                return
            if self.world.now < self.paused:
                # Many things wait by then: which is met first, is chance.
                self.world.at(self.paused + 0.2 * self.world.random.random(), meet)
            else:
                call()

        self.world.at(time, meet)

    def delay(self) -> float:
        """Return how long a message takes: mostly not long."""
        random = self.world.random
        return random.choice((0.001, 0.001, 0.01, 0.3)) * random.random()

    def request(self, ask: Callable[[], Any]) -> Deferred[Any]:
        """Ask the store; what is asked may be done and never be answered."""
        answer: Deferred[Any] = Deferred()

        def late() -> None:
            if not answer.called:
                answer.errback(StoreAway("late"))

        def arrive() -> None:
            try:
                result, failure = ask(), None
            except (StoreAway, OwnedElsewhere) as refused:
                result, failure = None, refused

            def back() -> None:
                if answer.called:
                    return
                if failure is None:
                    answer.callback(result)
                else:
                    answer.errback(failure)

            if not self.cut and not self.fleet.outage:
                self.happens(self.world.now + self.delay(), back)

        self.callLater(TIMEOUT, late)
        if not self.cut and not self.fleet.outage:
            self.world.at(self.world.now + self.delay(), arrive)
        return answer

    # --- supervisor -----------------------------------------------------------------------

    def _renew(self) -> None:
        run(self._renew_once(), "renewal")

    async def _renew_once(self) -> None:
        asked = self.seconds()
        state: Any = "leaving" if self.leaving else "active"
        me = Member(id=self.id, holder=self.id, address="a:1", state=state)
        try:
            anew, self.others = await self.request(lambda: self.fleet.store.renew(me))
        except StoreAway:
            self.callLater(0.25, self._renew)
            return
        self.supervised.renewed(asked, self.seconds(), anew=anew)
        tell = self.world.now + 0.05 * self.world.random.random()
        self.happens(tell, lambda: self._leased(asked, anew))
        wait = RENEWAL * LEASE - (self.seconds() - asked)
        self.callLater(max(0.0, wait), self._renew)

    def come(self, asked: Asked, hops: int = 0) -> None:
        """Take somebody's wish."""
        if self._is_here(asked.room):
            self._take(asked)
        else:
            run(self._seek(asked, hops), "search")

    def _is_here(self, room: str) -> bool:
        return room in self.tables or room in self.opening

    async def _seek(self, asked: Asked, hops: int) -> None:
        while True:
            try:
                owner = await self._locate(asked.room)
            except StoreAway:
                if not self.leaving:
                    self._take(asked)
                    return
                await self.pause(0.5)
                continue
            if self._is_here(asked.room):
                self._take(asked)
                return
            route = choose(
                asked.room,
                me=self.id,
                leaving=self.leaving,
                owner=owner,
                others=self.others,
                hops=hops,
                lease_s=LEASE,
            )
            if not isinstance(route, Wait):
                break
            await self.pause(min(route.seconds + 0.05, 0.5))
        if isinstance(route, Here):
            self._take(asked)
        elif isinstance(route, There):
            other = self.fleet.processes[route.member.id]
            other.happens(self.world.now + self.delay(), lambda: other.come(asked, hops + 1))
        else:
            asked.again()

    async def _locate(self, room: str) -> Owner | None:
        store = self.fleet.store
        owner: Owner | None = await self.request(lambda: store.locate(room))
        if self._is_here(room):
            return owner  # by now; `come` sees to it
        if self.leaving and owner is not None and owner.id == self.id:
            await self.request(lambda: store.release(room, owner.epoch))
        return owner

    # --- worker ---------------------------------------------------------------------------

    def _leased(self, asked: float, anew: bool) -> None:
        if self.lease.renewed(asked, self.seconds(), anew=anew) and self.tables:
            self.committer.doubt()

    def _tend(self) -> None:
        self.committer.check()
        self.callLater(self._tend_seconds, self._tend)

    def _take(self, asked: Asked) -> None:
        table = self.tables.get(asked.room)
        if table is not None:
            table.receive(asked)
        elif asked.room in self.opening:
            self.opening[asked.room].append(asked)
        else:
            self.opening[asked.room] = [asked]
            run(self._open(asked.room), "opening")

    async def _open(self, room: str) -> None:
        while True:
            try:
                claimed = await self.store.claim(room, self.id)
                break
            except StoreAway:
                await self.pause(0.2)
            except OwnedElsewhere:
                for asked in self.opening.pop(room):
                    asked.again()
                return
        table = self.tables[room] = Table(self, room, claimed)
        table.held = self.committer.away
        for asked in self.opening.pop(room):
            table.receive(asked)

    def _lost(self, room: str) -> None:
        for asked in self.tables.pop(room).inbox:
            asked.again()

    def _away(self) -> None:
        for table in self.tables.values():
            table.held = True

    def _back(self) -> None:
        for table in list(self.tables.values()):
            if not table.pending:
                table.secure()
            table.held = table.going
            inbox, table.inbox = table.inbox, []
            for asked in inbox:
                table.receive(asked)

    def leave(self) -> None:
        """Leave the fleet."""
        self.leaving = True
        for room in list(self.tables):
            run(self._hand_over(room), "hand over")

    async def _hand_over(self, room: str) -> None:
        table = self.tables[room]
        table.held = table.going = True
        await table.settle()
        if self.tables.get(room) is not table:
            return
        with suppress(StoreAway):
            await self.store.release(room, table.epoch)
        if self.tables.get(room) is table:
            self._lost(room)


class Wire:
    """The store as a process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def create(self, room: str, snapshot: bytes) -> bool:
        raise NotImplementedError

    async def claim(self, room: str, owner: str) -> Claimed | None:
        store = self._process.fleet.store
        claimed: Claimed = await self._process.request(lambda: store.claim(room, owner))
        return claimed

    async def read(self, room: str) -> Claimed | None:
        raise NotImplementedError

    async def release(self, room: str, epoch: int) -> None:
        store = self._process.fleet.store
        await self._process.request(lambda: store.release(room, epoch))

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        store = self._process.fleet.store
        return self._process.request(lambda: store.commit(entries))

    async def hands(self, room: str) -> list[bytes] | None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Table:
    """A table that keeps its promises if its process does."""

    def __init__(self, process: Process, room: str, claimed: Claimed) -> None:
        self.code = room
        self.pending = 0
        self.held = self.going = False
        self.inbox: list[Asked] = []
        self.epoch = claimed.epoch
        self._process = process
        self._position = claimed.position

    def receive(self, asked: Asked) -> None:
        """Decide, or let it wait."""
        if self.held:
            self.inbox.append(asked)
            return
        entry = self._entry(asked.name) if asked.writes else None
        self._submit(entry, lambda: self._answer(asked))

    def secure(self) -> None:
        """Have it stored."""
        self._submit(self._entry(b""), None)

    def settle(self) -> Deferred[None]:
        """Have all stored."""
        done: Deferred[None] = Deferred()
        self._submit(self._entry(b""), lambda: done.callback(None))
        return done

    def _entry(self, record: bytes) -> Entry:
        self._position += 1
        return Entry(self.code, self.epoch, self._position - 1, record)

    def _submit(self, entry: Entry | None, released: Callable[[], None] | None) -> None:
        room: Any = None
        self._process.committer.submit(Step(self, room, entry, [], released=released))

    def _answer(self, asked: Asked) -> None:
        """Answer; and here is where it must be allowed to."""
        process, store = self._process, self._process.fleet.store
        kept = store.rooms[self.code]
        if not store.alive(process.id):
            process.fleet.broken(f"{process.id} answers without a lease")
        if (kept.instance, kept.epoch) != (process.id, self.epoch):
            process.fleet.broken(f"{process.id} answers for {kept} in epoch {self.epoch}")
        if asked.writes and asked.name not in kept.log:
            process.fleet.broken(f"{asked.name!r} was acknowledged, and is not stored")
        asked.answered = True
        process.fleet.answers += 1


class Asked:
    """Somebody's wish, which he repeats until it is answered."""

    def __init__(self, fleet: Fleet, name: bytes, room: str, writes: bool) -> None:
        self.name = name
        self.room = room
        self.writes = writes
        self.answered = False
        self._fleet = fleet

    def go(self) -> None:
        """Ask some instance."""
        processes = [p for p in self._fleet.processes.values() if not p.dead]
        if not processes:
            self.again()
            return
        process = self._fleet.world.random.choice(processes)
        process.happens(self._fleet.world.now + process.delay(), lambda: process.come(self))

    def again(self) -> None:
        """Come again, having been sent away."""
        self._fleet.world.at(self._fleet.world.now + 0.1, self.go)


class Fleet:
    """Instances, rooms, players and faults.

    Attributes:
        outage: Whether the store is away, as while it fails over.
        answers: How many there were.
        breaches: Promises that were broken.
    """

    def __init__(self, seed: int, instances: int = 3, rooms: int = 2) -> None:
        self.world = World(Random(seed))
        self.rooms = [f"ROOM{number}" for number in range(rooms)]
        self.store = Store(self.world, self.rooms)
        self.outage = False
        self.answers = 0
        self.faults: list[str] = []
        self.breaches: list[str] = []
        self._names = count()
        ids = [f"i{number}" for number in range(instances)]
        self.processes = {id: Process(self, id) for id in ids}

    def broken(self, what: str) -> None:
        """Note that a promise was broken."""
        self.breaches.append(f"{self.world.now:.3f} s: {what}")

    def ask(self, room: str, *, writes: bool) -> Asked:
        """Let somebody want something now."""
        asked = Asked(self, b"%d" % next(self._names), room, writes)
        asked.go()
        return asked

    def fault(self) -> None:
        """Let something go wrong, or be done, for a while."""
        random, now = self.world.random, self.world.now
        seconds = random.choice((0.5, 3.0, 8.0, 12.0, 20.0)) * random.uniform(0.5, 1.5)
        process = random.choice(list(self.processes.values()))
        kind = random.choice(("cut", "pause", "kill", "outage", "leave"))
        self.faults.append(f"{now:.2f} s: {kind} {process.id} for {seconds:.2f} s")
        if kind == "cut":
            process.cut = True
            self.world.at(now + seconds, lambda: setattr(process, "cut", False))
        elif kind == "pause":
            process.paused = max(process.paused, now + seconds)
        elif kind == "outage":
            self.outage = True
            self.world.at(now + seconds, lambda: setattr(self, "outage", False))
        elif kind == "kill":
            process.dead = True
            self.world.at(now + seconds, lambda: self._restart(process))
        elif sum(not p.leaving and not p.dead for p in self.processes.values()) > 1:
            process.happens(now, process.leave)

    def _restart(self, process: Process) -> None:
        if self.processes[process.id] is process:
            self.processes[process.id] = Process(self, process.id)
