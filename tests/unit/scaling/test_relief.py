"""Which rooms move off hot workers, and who is the cheapest to empty."""

from __future__ import annotations

from collections import Counter

import pytest

from hokm.scaling import (
    Load,
    RoomCost,
    RoomMove,
    WorkerReading,
    cheapest,
    choose_moves,
    loads_of,
    messages,
)
from hokm.scaling.relief import SILENT
from hokm.supervisor.placement import RoomCode, WorkerId, weight
from tests.unit.scaling.samples import scaling

MOST = 1000


def _affinity(room: str, worker: int) -> int:
    return weight(RoomCode(room), WorkerId(worker))


def _rooms(*counts: int, cost: float = 4.0) -> list[RoomCost]:
    return [
        RoomCost(f"R{worker}X{n}", worker, cost)
        for worker, count in enumerate(counts, 1)
        for n in range(count)
    ]


def _moves(
    loads: list[Load], rooms: list[RoomCost], most: int = MOST, tolerance: float = 0.1
) -> tuple[RoomMove, ...]:
    return choose_moves(loads, rooms, tolerance=tolerance, most=most, affinity=_affinity)


def _heat_after(
    loads: list[Load], rooms: list[RoomCost], moves: tuple[RoomMove, ...]
) -> list[float]:
    """Return the workers' heat when each room heats its new worker as it did its old one."""
    held = Counter(room.worker for room in rooms)
    heat = {load.worker: load.heat for load in loads}
    unit = {worker: heat[worker] / count for worker, count in held.items()}
    for move in moves:
        heat[move.source] -= unit[move.source]
        heat[move.target] += unit[move.source]
    return list(heat.values())


def test_a_hot_worker_gives_until_it_is_cool() -> None:
    """To 80 % of what is allowed, and no further."""
    loads, rooms = [Load(1, 1.2), Load(2, 0.1)], _rooms(24, 2)
    moves = _moves(loads, rooms)
    assert len(moves) == 8
    assert {(move.source, move.target) for move in moves} == {(1, 2)}
    assert len({move.room for move in moves}) == 8
    assert _heat_after(loads, rooms, moves) == pytest.approx([0.8, 0.5])


def test_a_level_load_moves_nothing() -> None:
    """However hot all are, and however uneven they are while none is hot."""
    assert _moves([Load(1, 1.2), Load(2, 1.15), Load(3, 1.25)], _rooms(20, 20, 20)) == ()
    assert _moves([Load(1, 1.0), Load(2, 0.0)], _rooms(20, 0)) == ()


def test_where_all_are_warm_the_mean_is_the_goal() -> None:
    """With the tolerance: no one gets hotter than the others."""
    loads, rooms = [Load(1, 1.4), Load(2, 0.8)], _rooms(28, 16)
    after = _heat_after(loads, rooms, _moves(loads, rooms))
    assert after == pytest.approx([1.2, 1.0])


def test_a_new_worker_gets_rooms_of_the_hottest_first() -> None:
    """And no more than may move at once."""
    loads, rooms = [Load(1, 1.1), Load(2, 1.3), Load(3, 0.0)], _rooms(22, 26, 0)
    moves = _moves(loads, rooms, most=5)
    assert [(move.source, move.target) for move in moves] == [(2, 3)] * 5
    after = _heat_after(loads, rooms, _moves(loads, rooms))
    assert max(after) <= 0.9 and min(after) >= 0.6


def test_a_sick_worker_gives_all() -> None:
    """What heats it is not its rooms: they go at once, as far as the others stay cool."""
    loads, rooms = [Load(1, 1.43, lags=True), Load(2, 0.2), Load(3, 0.2)], _rooms(10, 10, 10)
    assert len(_moves(loads, rooms)) == 10
    for lags, each in ((False, 1), (True, 4)):  # up to 0.8; for players that wait, up to 1
        warm = [Load(1, 3.0, lags), Load(2, 0.7), Load(3, 0.7)]
        after = Counter(move.target for move in _moves(warm, _rooms(10, 10, 10)))
        assert after == {2: each, 3: each}


def test_a_worker_that_lags_gives_down_to_the_mean() -> None:
    """Though it is not hot; and gets none."""
    loads, rooms = [Load(1, 0.9, lags=True), Load(2, 0.3)], _rooms(18, 6)
    assert _heat_after(loads, rooms, _moves(loads, rooms)) == pytest.approx([0.6, 0.6])
    assert _moves([Load(1, 0.95, lags=True), Load(2, 0.9)], _rooms(95, 90)) == ()
    assert _moves([Load(1, 1.5), Load(2, 0.1, lags=True)], _rooms(15, 1)) == ()
    assert _moves([Load(1, 1.5, lags=True), Load(2, 1.4, lags=True)], _rooms(15, 14)) == ()


def test_costly_rooms_go_first_if_they_fit() -> None:
    """A room that would make the other one hotter stays."""
    rooms = [
        RoomCost("GIANT", 1, 70.0),
        RoomCost("LARGE", 1, 20.0),
        RoomCost("SMALL", 1, 10.0),
        RoomCost("IDLE", 1, 0.0),
        RoomCost("OTHER", 2, 50.0),
    ]
    assert _moves([Load(1, 1.2), Load(2, 0.3)], rooms) == (
        RoomMove("LARGE", 1, 2),
        RoomMove("SMALL", 1, 2),
    )


def test_a_room_that_would_only_turn_the_tables_stays() -> None:
    """Its new worker would be hotter than its old one."""
    rooms = [RoomCost("A", 1, 20.0), RoomCost("B", 1, 8.0), RoomCost("C", 2, 16.0)]
    assert _moves([Load(1, 1.4), Load(2, 0.8)], rooms) == ()


def test_of_equal_rooms_the_one_goes_that_wants_to_most() -> None:
    """As the placement hashes them, and in whatever order they come."""
    loads, rooms = [Load(1, 1.2), Load(2, 0.1)], _rooms(24, 2)
    moves = _moves(loads, rooms)
    wishes = sorted((room.room for room in rooms[:24]), key=lambda room: -_affinity(room, 2))
    assert [move.room for move in moves] == wishes[:8]
    assert _moves(loads[::-1], rooms[::-1]) == moves


def test_nobody_to_move_or_to_take() -> None:
    """No worker, one worker, no rooms, rooms of nobody."""
    assert _moves([], []) == ()
    assert _moves([Load(1, 2.0)], _rooms(9)) == ()
    assert _moves([Load(1, 2.0), Load(2, 0.0)], []) == ()
    assert _moves([Load(1, 2.0), Load(2, 0.0)], [RoomCost("AAAA", 7, 1.0)]) == ()


@pytest.mark.parametrize(
    ("worker", "heat", "lags", "by"),
    [
        (WorkerReading(id=1, cpu=0.35), 0.5, False, "cpu"),
        (WorkerReading(id=1, cpu=0.35, connections=120), 1.2, False, "connections_per_worker"),
        (WorkerReading(id=1, cpu=0.35, memory=80), 1.0, False, "memory"),
        (WorkerReading(id=1, cpu=0.0, rooms=5000, loop_lag_ms=50.0), 0.0, False, "cpu"),
        (WorkerReading(id=1, cpu=0.35, loop_lag_ms=50.1), 1.0, True, "cpu"),
        (WorkerReading(id=1, cpu=1.4, loop_lag_ms=50.1), 2.0, True, "cpu"),
    ],
)
def test_load_of_a_worker(worker: WorkerReading, heat: float, lags: bool, by: str) -> None:
    """The most that it has of what a rule allows."""
    assert loads_of([worker], scaling(), 800) == [Load(1, pytest.approx(heat), lags, by)]


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ((200.0, 3.0, None), [True, False, False]),
        ((200.0, 100.0), [False, False]),  # twice as much may be the machine
        ((200.1, 100.0), [True, False]),
        ((200.0, 60.0, 190.0), [True, False, True]),
        ((100.0, 90.0, 110.0), [False] * 3),
        ((50.0, 1.0), [False, False]),
    ],
)
def test_who_lags(lags: tuple[float | None, ...], expected: list[bool]) -> None:
    """Who lags more than the rule allows, and far more than another one."""
    workers = [WorkerReading(id=n, cpu=0.1, loop_lag_ms=lag) for n, lag in enumerate(lags)]
    assert [load.lags for load in loads_of(workers, scaling(), None)] == expected


def test_what_rooms_make_a_worker_do() -> None:
    """One message comes and one goes to each for every record; the untold share what is left."""
    connections = {"BUSY": 4, "WATCHED": 9, "QUIET": 4, "QUIETER": 2, "EMPTY": 0}
    found = messages(connections, {"BUSY": 10.0, "WATCHED": 2.0, "GONE": 5.0}, 23.0)
    silent = {room: SILENT * count for room, count in connections.items()}
    assert found == pytest.approx(
        {
            "BUSY": 50 + silent["BUSY"],
            "WATCHED": 20 + silent["WATCHED"],
            "QUIET": 10 + silent["QUIET"],
            "QUIETER": 6 + silent["QUIETER"],
            "EMPTY": 0.0,
        }
    )
    assert messages({"A": 4}, {"A": 3.0}, 2.5) == {"A": pytest.approx(15 + 4 * SILENT)}
    assert messages({}, {}, 0.0) == {}


def test_load_of_which_nothing_is_known() -> None:
    """Is none."""
    unknown = [WorkerReading(id=1, loop_lag_ms=9.0)]
    assert loads_of(unknown, scaling(), 800) == []
    assert loads_of([WorkerReading(id=1, memory=80)], scaling(), None) == []


def test_the_cheapest_to_empty() -> None:
    """Fewest connections, rooms; then the most memory, then the youngest; unknown comes last."""
    workers = [
        WorkerReading(id=1, connections=9, rooms=3, memory=50),
        WorkerReading(id=2, connections=8, rooms=4, memory=50),
        WorkerReading(id=3, connections=8, rooms=3, memory=50),
        WorkerReading(id=4, connections=8, rooms=3, memory=60),
        WorkerReading(id=5, connections=8, rooms=3, memory=60),
        WorkerReading(id=6),
    ]
    order = []
    while workers:
        order.append(cheapest(workers))
        workers = [worker for worker in workers if worker.id != order[-1]]
    assert order == [5, 4, 3, 2, 1, 6]
    with pytest.raises(ValueError, match="empty"):
        cheapest([])


def test_rooms_that_stay_count_all_the_same() -> None:
    """What has just moved from a sick worker tells what rooms cost elsewhere: the rest goes."""
    loads = [Load(1, 1.4, lags=True), Load(2, 0.1)]
    moved = [RoomCost(f"M{n}", 2, 4.0, fixed=True) for n in range(9)]
    left = _rooms(1)
    assert [move.room for move in _moves(loads, left + moved)] == [left[0].room]
    assert _moves(loads, [RoomCost("STAYS", 1, 4.0, fixed=True), *moved]) == ()
