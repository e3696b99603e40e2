"""Which worker owns which room."""

from __future__ import annotations

import pytest

from hokm.supervisor.placement import NoWorker, Placement, RoomCode, WorkerId, weight


def _with_workers(*ids: int) -> Placement:
    placement = Placement()
    for id in ids:
        placement.add(WorkerId(id))
    return placement


def test_weights_are_the_same_for_ever() -> None:
    """The digest never changes: every process and release computes these values."""
    assert [weight(RoomCode(code), WorkerId(id)) for code, id in VECTORS] == list(VECTORS.values())


VECTORS = {
    ("ABCD", 1): 13780786093191379144,
    ("ABCD", 2): 17478746477686513115,
    ("K7QX2M", 11): 5422896685287234384,
}


def test_without_a_worker_nothing_is_placed() -> None:
    """NoWorker is raised while none takes rooms, also when all are draining."""
    placement = _with_workers(1)
    placement.draining(WorkerId(1))
    with pytest.raises(NoWorker):
        placement.worker_for(RoomCode("ABCD"))


def test_a_room_stays_when_workers_come() -> None:
    """New workers move no placed room."""
    placement = _with_workers(1, 2)
    rooms = [RoomCode(f"R{n}") for n in range(50)]
    before = [placement.worker_for(room) for room in rooms]
    for id in (3, 4, 5):
        placement.add(WorkerId(id))
    assert [placement.worker_for(room) for room in rooms] == before


def test_a_draining_worker_keeps_its_rooms_and_gets_no_more() -> None:
    """Rooms of a draining worker stay; every new one goes elsewhere."""
    placement = _with_workers(1)
    old = RoomCode("OLD2")
    placement.worker_for(old)
    placement.draining(WorkerId(1))
    placement.add(WorkerId(2))
    assert placement.worker_for(old) == 1
    assert {placement.worker_for(RoomCode(f"N{n}")) for n in range(20)} == {2}


def test_rooms_of_a_lost_worker_go_elsewhere() -> None:
    """The rooms of a removed worker are returned, and placed anew on those that are left."""
    placement = _with_workers(1, 2)
    rooms = {RoomCode(f"R{n}") for n in range(40)}
    owner = {room: placement.worker_for(room) for room in rooms}
    orphaned = placement.remove(WorkerId(1))
    assert orphaned == {room for room in rooms if owner[room] == 1}
    assert {placement.worker_for(room) for room in orphaned} == {2}


def test_an_idle_room_is_unpinned_by_its_owner_only() -> None:
    """A late word of an earlier owner does not touch the room's pin."""
    placement = _with_workers(1, 2)
    room = RoomCode("ABCD")
    owner = placement.worker_for(room)
    other = WorkerId(3 - owner)
    placement.unpin(room, other)
    assert placement.load(owner) == 1
    placement.unpin(room, owner)
    assert (placement.load(owner), placement.rooms) == (0, 0)


def test_load_is_spread() -> None:
    """No worker holds more than 1.10 times the mean, rounded up."""
    placement = _with_workers(1, 2, 3, 4)
    for n in range(400):
        placement.worker_for(RoomCode(f"R{n}"))
    assert max(placement.load(WorkerId(id)) for id in (1, 2, 3, 4)) <= 110
