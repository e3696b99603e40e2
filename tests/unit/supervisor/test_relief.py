"""Which rooms are moved off busy workers, and when; nothing is moved for real."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.scaling import Scaling, WorkerReading
from hokm.supervisor.placement import Placement, RoomCode, WorkerId
from hokm.supervisor.relief import MOST, REST_S, Relief

ONE, TWO, THREE = map(WorkerId, (1, 2, 3))


class Server:
    """Workers that are only counted, with real placement.

    Attributes:
        wanted: Rooms that were to be moved, with where.
        lags: Of each worker, in ms.
        cpu: Of each worker, 0 to 1.
        stats: What each worker has told of its rooms.
        moving: Rooms that are on the move by somebody else.
        slow: Whether moves wait for `arrive`.
    """

    def __init__(self, rooms: dict[WorkerId, int], *, players: int = 4) -> None:
        self.clock = Clock()
        self.placement = Placement()
        self.players = players
        self.wanted: list[tuple[RoomCode, WorkerId]] = []
        self.lags = dict.fromkeys(rooms, 1.0)
        self.cpu = dict.fromkeys(rooms, 0.1)
        self.stats: dict[WorkerId, Any] = dict.fromkeys(rooms)
        self.moving: set[RoomCode] = set()
        self.machine = SimpleNamespace(memory=None)
        self.slow = False
        self._waiting: list[Deferred[None]] = []
        for worker, count in rooms.items():
            self.placement.add(worker)
            for n in range(count):
                self.placement.pin(RoomCode(f"R{worker}{n:03}"), worker)
        everything: Any = self
        routing: Any = SimpleNamespace(
            placement=self.placement, connections=everything, moves=self.moving
        )
        self.relief = Relief(
            clock=self.clock,
            scaling=lambda: Scaling(min_workers=1, max_workers=4),
            pool=everything,
            routing=routing,
            readings=everything,
            operations=everything,
        )

    @property
    def ready(self) -> list[Any]:
        return [SimpleNamespace(id=worker, stats=self.stats[worker]) for worker in self.lags]

    def of_room(self, room: RoomCode) -> list[None]:
        return [None] * self.players

    def recent(self) -> tuple[WorkerReading, ...]:
        return tuple(
            WorkerReading(
                id=worker,
                cpu=self.cpu[worker],
                connections=self.players * self.placement.load(worker),
                rooms=self.placement.load(worker),
                loop_lag_ms=lag,
            )
            for worker, lag in self.lags.items()
        )

    async def move_all(
        self, wanted: Iterable[tuple[RoomCode, WorkerId]], moved: Callable[[RoomCode], None]
    ) -> None:
        wanted = list(wanted)
        self.wanted += wanted
        if self.slow:
            self._waiting.append(Deferred())
            await self._waiting[-1]
        for room, target in wanted:
            self.placement.pin(room, target)
            moved(room)

    def tell(self, worker: WorkerId, records_s: float | None, **busiest: float) -> None:
        """Let a worker tell of its rooms."""
        self.stats[worker] = SimpleNamespace(records_s=records_s, busiest=busiest)

    def arrive(self) -> None:
        """Let the rooms on the move arrive."""
        self._waiting.pop().callback(None)

    def look(self, times: int = 1) -> None:
        """Look each second."""
        for _ in range(times):
            self.relief.look()
            self.clock.advance(1.0)

    def loads(self) -> list[int]:
        """Return how many rooms each worker has."""
        return [self.placement.load(worker) for worker in self.lags]


def test_a_level_load_stays() -> None:
    """However high, if all have as much; and if it is low, too."""
    for rooms in (100, 3):
        server = Server({ONE: rooms, TWO: rooms})
        server.look(5)
        assert server.wanted == []


def test_a_hot_worker_gives() -> None:
    """A few rooms a second, until nobody is hot; then no more."""
    server = Server({ONE: 60, TWO: 0, THREE: 0})
    server.look()
    assert len(server.wanted) == MOST
    server.look(20)
    assert max(server.loads()) <= 25  # of 100 connections, as the rule has it
    count = len(server.wanted)
    server.look(60)
    assert len(server.wanted) == count


def test_one_batch_at_a_time() -> None:
    """While rooms are on the move no others are chosen: the loads are about to change."""
    server = Server({ONE: 60, TWO: 0})
    server.slow = True
    server.look(5)
    assert len(server.wanted) == MOST
    server.arrive()
    server.look()
    assert len(server.wanted) > MOST


def test_what_moves_or_has_moved_rests() -> None:
    """A room that is on the move is left alone, and so is one that has moved lately."""
    server = Server({ONE: 40, TWO: 0})
    on_the_move = {RoomCode(f"R1{n:03}") for n in range(5)}
    server.moving.update(on_the_move)
    server.look()
    first = {room for room, _ in server.wanted}
    assert first and not first & on_the_move
    server.moving.clear()
    # Now the other one is hot, with rooms that have just come only.
    for worker in (ONE, TWO):
        for room in server.placement.rooms_of(worker):
            server.placement.pin(room, TWO if room in first else ONE)
    server.wanted.clear()
    server.players = 12
    for room in server.placement.rooms_of(ONE):
        server.placement.unpin(room, ONE)
    server.look()
    assert server.wanted == []
    server.clock.advance(REST_S)
    server.look()
    assert server.wanted and {room for room, _ in server.wanted} <= first


def test_who_lags_gives_and_gets_nothing() -> None:
    """New rooms go to the others; its own go, too, though there are not many."""
    server = Server({ONE: 10, TWO: 2})
    server.lags[ONE] = 120.0
    server.look()
    assert server.wanted and {target for _, target in server.wanted} == {TWO}
    assert {server.placement.choose(RoomCode(f"NEW{n}")) for n in range(50)} == {TWO}
    server.lags[ONE] = 1.0
    server.look()
    assert {server.placement.choose(RoomCode(f"NEW{n}")) for n in range(50)} == {ONE, TWO}


def test_if_all_lag_all_take_rooms() -> None:
    """Then nobody would do better: nothing moves, and new rooms go where they always go."""
    server = Server({ONE: 5, TWO: 5})
    server.lags = {ONE: 120.0, TWO: 120.0}
    server.look()
    assert server.wanted == []
    assert {server.placement.choose(RoomCode(f"NEW{n}")) for n in range(50)} == {ONE, TWO}


def test_one_worker_has_nobody_to_give_to() -> None:
    """A single worker keeps what it has, however hot."""
    server = Server({ONE: 500})
    server.look(3)
    assert server.wanted == []


def test_busy_rooms_leave_a_busy_worker_first() -> None:
    """What they make it do counts, and not how many are connected.

    The busiest would make the other one hotter; that the idle ones go would change nothing.
    """
    server = Server({ONE: 20, TWO: 1})
    server.cpu = {ONE: 1.0, TWO: 0.01}
    server.tell(ONE, 56.0, R1003=30.0, R1007=20.0, R1011=5.0)
    server.tell(TWO, 0.0)
    server.look()
    assert [room for room, _ in server.wanted] == ["R1007", "R1011"]


def test_many_players_who_do_little_leave_by_their_number() -> None:
    """Where it is the number of connections that is too high, a busy room is one like others."""
    server = Server({ONE: 30, TWO: 1})
    server.tell(ONE, 31.0, R1003=30.0)
    server.tell(TWO, 0.0)
    server.look(9)
    assert sum(server.loads()) == 31 and server.loads()[ONE - 1] <= 20


def test_a_release_that_does_not_tell_what_rooms_do() -> None:
    """Has its rooms moved by the number of their connections."""
    server = Server({ONE: 20, TWO: 1})
    server.cpu = {ONE: 1.0, TWO: 0.01}
    server.tell(ONE, 61.0, R1003=61.0)
    server.tell(TWO, None)
    server.look()
    assert len(server.wanted) > 5
