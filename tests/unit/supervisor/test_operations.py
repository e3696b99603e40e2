"""What operators have done: orders that find the workers changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.metrics import Metrics
from hokm.supervisor.moves import Outcome
from hokm.supervisor.operations import AT_ONCE, Operations
from hokm.supervisor.placement import Placement, RoomCode, WorkerId

SOURCE, TARGET = WorkerId(1), WorkerId(2)


class World:
    """Two workers; moves end as the test says."""

    def __init__(self) -> None:
        self.placement = Placement()
        self.workers: dict[int, Any] = {id: SimpleNamespace(id=id) for id in (SOURCE, TARGET)}
        self.ready = list(self.workers.values())
        for id in (SOURCE, TARGET):
            self.placement.add(id)
        self.begun: list[tuple[RoomCode, Any, Deferred[Outcome]]] = []
        world: Any = self
        routing: Any = SimpleNamespace(placement=self.placement, connections=None, moves=self)
        self.operations = Operations(
            reactor=Clock(),
            pool=world,
            routing=routing,
            lives=world,
            gates=world,
            metrics=Metrics(),
            stop_seconds=1.0,
            leaving=None,
        )

    def get(self, id: int) -> Any:
        return self.workers.get(id)

    def __contains__(self, room: RoomCode) -> bool:
        return False

    def begin(self, room: RoomCode, source: Any, target: Any) -> Deferred[Outcome]:
        done: Deferred[Outcome] = Deferred()
        self.begun.append((room, target, done))
        return done


def test_no_room_goes_to_a_spare_that_has_a_dead_workers_number() -> None:
    """The target dies while moves wait for their turn, and a spare is started in its place."""
    world = World()
    rooms = [RoomCode(f"ROOM{n}") for n in range(AT_ONCE + 3)]
    for room in rooms:
        world.placement.pin(room, SOURCE)
    moved: list[RoomCode] = []
    wanted = [(room, TARGET) for room in rooms]
    done = Deferred.fromCoroutine(world.operations.move_all(wanted, moved.append))
    assert len(world.begun) == AT_ONCE
    world.ready.remove(world.workers[TARGET])
    world.workers[TARGET] = SimpleNamespace(id=TARGET)
    for _, _, end in list(world.begun):
        end.callback(Outcome("worker_lost"))
    assert done.called
    assert len(world.begun) == AT_ONCE and moved == []
