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


def test_a_spared_worker_gets_rooms_only_where_no_other_takes_any() -> None:
    """Others take more than the bound meanwhile; a draining one does not count as another."""
    placement = _with_workers(1, 2)
    placement.spare([WorkerId(1)])
    assert {placement.worker_for(RoomCode(f"N{n}")) for n in range(20)} == {2}
    placement.draining(WorkerId(2))
    assert placement.worker_for(RoomCode("LAST")) == 1
    placement.add(WorkerId(2))
    placement.spare([])
    assert {placement.worker_for(RoomCode(f"M{n}")) for n in range(20)} == {1, 2}


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


def test_a_pin_is_where_a_room_is() -> None:
    """A room that was moved is there, whatever the hash says, and no more where it was."""
    placement = _with_workers(1, 2)
    room = RoomCode("ABCD")
    assert placement.where(room) is None
    here = placement.worker_for(room)
    there = WorkerId(3 - here)
    placement.pin(room, there)
    assert placement.where(room) == placement.worker_for(room) == there
    assert (placement.rooms_of(here), placement.rooms_of(there)) == ([], [room])
    assert placement.rooms == 1
    placement.pin(room, there)
    assert (placement.load(here), placement.load(there)) == (0, 1)
    assert placement.remove(here) == set() and placement.remove(there) == {room}
    assert placement.where(room) is None


def test_to_choose_is_not_to_place() -> None:
    """It says where a room would go, and nothing is pinned; so it is placed, if it is."""
    placement = _with_workers(1, 2, 3)
    rooms = [RoomCode(f"R{n}") for n in range(9)]
    for room in rooms:
        chosen = placement.choose(room)
        assert placement.where(room) is None
        assert placement.worker_for(room) == chosen
    with pytest.raises(NoWorker):
        Placement().choose(rooms[0])


def test_a_room_on_a_draining_worker_would_go_elsewhere() -> None:
    """Where it is says its pin; where it would go, the hash of those that take rooms."""
    placement = _with_workers(1)
    room = RoomCode("ABCD")
    placement.worker_for(room)
    placement.draining(WorkerId(1))
    placement.add(WorkerId(2))
    assert (placement.where(room), placement.choose(room)) == (1, 2)


def test_rooms_are_listed_in_a_stable_order() -> None:
    """By their codes; none for a worker that is not known."""
    placement = _with_workers(1)
    for code in ("CC", "AA", "BB"):
        placement.pin(RoomCode(code), WorkerId(1))
    assert placement.rooms_of(WorkerId(1)) == ["AA", "BB", "CC"]
    assert placement.rooms_of(WorkerId(9)) == []


def _with_loads(loads: dict[int, int]) -> Placement:
    placement = _with_workers(*loads)
    for id, load in loads.items():
        for n in range(load):
            placement.pin(RoomCode(f"R{id}{n}"), WorkerId(id))
    return placement


@pytest.mark.parametrize(
    ("loads", "moves"),
    [
        ({}, 0),
        ({1: 5}, 0),
        ({1: 3, 2: 2}, 0),
        ({1: 3, 2: 1}, 1),
        ({1: 9, 2: 0, 3: 0}, 6),
        ({1: 5, 2: 5, 3: 0}, 3),
        ({1: 4, 2: 3, 3: 0}, 2),
    ],
)
def test_surplus(loads: dict[int, int], moves: int) -> None:
    """As many rooms move as must until no worker has more than one above another."""
    placement = _with_loads(loads)
    surplus = placement.surplus()
    assert len(surplus) == moves
    for room, worker in surplus:
        placement.pin(room, worker)
    after = [placement.load(WorkerId(id)) for id in loads]
    assert max(after, default=0) - min(after, default=0) <= 1


def test_surplus_goes_from_the_fullest_to_the_emptiest() -> None:
    """Of its rooms that one which wants to go there most; nothing is moved by it."""
    placement = _with_loads({1: 4, 2: 3, 3: 2})
    [(room, worker)] = placement.surplus()
    assert worker == 3
    assert room == max(placement.rooms_of(WorkerId(1)), key=lambda one: weight(one, WorkerId(3)))
    assert placement.where(room) == 1


def test_a_draining_worker_has_no_part_in_it() -> None:
    """It neither gives nor takes here: its rooms go by its own drain."""
    placement = _with_loads({1: 9, 2: 0, 3: 0})
    placement.draining(WorkerId(1))
    assert placement.surplus() == []
