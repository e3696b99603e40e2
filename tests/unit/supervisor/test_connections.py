"""The supervisor's copies of the players' sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hokm.control.ledger import LINES, SENT, TAKEN
from hokm.control.stream import cookie
from hokm.supervisor.connections import Connections, Held, TooMany
from hokm.supervisor.placement import RoomCode, WorkerId
from tests.unit.supervisor.fakes import close_all, connections

ROOM, OTHER = RoomCode("ABCD"), RoomCode("EFGH")
ONE, TWO = WorkerId(1), WorkerId(2)


@pytest.fixture
def held() -> Iterator[Connections]:
    """Make an empty list, and close what is left in it."""
    made = connections()
    yield made
    close_all(made)


def come(held: Connections, room: RoomCode = ROOM) -> Held:
    return held.add(room, b"GET", socket.socket(socket.AF_UNIX))


def numbers(found: list[Held]) -> list[int]:
    return [one.number for one in found]


def test_a_connection_is_found_by_all_its_names(held: Connections) -> None:
    """By number, room and worker; nobody serves a new one."""
    first, second, third = come(held), come(held, OTHER), come(held)
    assert (first.number, first.worker, first.watching) == (1, None, False)
    assert first.cookie == cookie(first.sock)
    held.assign(first, ONE)
    held.assign(second, ONE)
    assert held.get(2) is second and held.get(9) is None
    assert numbers(held.of_room(ROOM)) == [1, 3]
    assert numbers(held.of_worker(ONE)) == [1, 2]
    assert held.of_worker(TWO) == [] and held.of_room(RoomCode("NONE")) == []
    assert numbers(held.all()) == [1, 2, third.number] and len(held) == 3


def test_a_connection_has_one_worker_at_a_time(held: Connections) -> None:
    """Who serves it from now on serves it alone; nobody may, too."""
    one = come(held)
    held.assign(one, ONE)
    held.assign(one, TWO)
    assert (held.of_worker(ONE), held.of_worker(TWO), one.worker) == ([], [one], TWO)
    held.assign(one, TWO)
    assert held.of_worker(TWO) == [one]
    held.assign(one, None)
    assert (held.of_worker(TWO), one.worker) == ([], None)
    assert held.of_room(ROOM) == [one]


def test_close_closes_the_socket_and_forgets(held: Connections) -> None:
    """The peer sees the end, and nothing finds the connection any more; once is enough."""
    ours, theirs = socket.socketpair()
    with theirs:
        one = held.add(ROOM, b"GET", ours)
        held.assign(one, ONE)
        held.close(one)
        assert theirs.recv(1) == b""
    held.close(one)
    assert held.get(one.number) is None
    assert (held.of_room(ROOM), held.of_worker(ONE), held.all(), len(held)) == ([], [], [], 0)


def test_lines_are_used_again_and_zeroed(held: Connections) -> None:
    """Two connections never share a line; a closed one's is blank for the next."""
    first, second = come(held), come(held)
    assert first.line != second.line
    held.ledger.line(first.line)[TAKEN] = 7
    held.ledger.line(first.line)[SENT] = 8
    held.ledger.line(second.line)[SENT] = 9
    held.close(first)
    third = come(held)
    assert third.line == first.line
    assert list(held.ledger.line(third.line)) == [0, 0, 0]
    assert held.ledger.line(second.line)[SENT] == 9
    held.close(first)  # again: its line is another's now
    assert come(held).line not in (second.line, third.line)


def test_lines_of_an_earlier_life_are_reserved(held: Connections) -> None:
    """What is in use is not given out; the gaps are, and then what lies above."""
    held.reserve([1, 4])
    assert {come(held).line for _ in range(3)} == {0, 2, 3}
    assert [come(held).line for _ in range(2)] == [5, 6]


def test_nothing_to_reserve(held: Connections) -> None:
    """Without an earlier life the lines begin at 0."""
    held.reserve([])
    assert [come(held).line for _ in range(2)] == [0, 1]


def test_an_earlier_lifes_connection_is_taken_back(held: Connections) -> None:
    """It keeps its number, line and worker, and is closed as all others."""
    ours, theirs = socket.socketpair()
    with theirs:
        one = Held(99, ROOM, b"GET", ours, cookie(ours), 3, ONE, watching=True)
        held.restore(one)
        held.reserve([3])
        assert held.of_worker(ONE) == held.of_room(ROOM) == [one]
        held.close(one)
        assert theirs.recv(1) == b""
    assert come(held).line == 3


def test_there_is_no_line_for_one_more(held: Connections) -> None:
    """It is refused, and its socket stays the caller's; when one goes, another may come."""
    earlier = socket.socket(socket.AF_UNIX)
    one = Held(99, ROOM, b"GET", earlier, cookie(earlier), 5)
    held.restore(one)
    held.reserve(range(LINES))
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(TooMany):
            held.add(ROOM, b"GET", sock)
        assert sock.fileno() >= 0
    assert held.all() == [one]
    held.close(one)
    assert come(held).line == 5


def test_how_a_connection_is_announced(held: Connections) -> None:
    """Its request goes along only where somebody has read it."""
    one = come(held)
    one.watching = True
    unread, read = one.arrival(), one.arrival(read=True, answered=True)
    assert (unread.connection, unread.cookie, unread.line) == (1, one.cookie, one.line)
    assert (unread.head, unread.answered, unread.watching) == (b"", False, True)
    assert (read.head, read.answered, read.watching) == (b"GET", True, True)


def test_bytes_of_all_connections(held: Connections) -> None:
    """Those of connections that are gone stay in the sum, whoever has their lines since."""
    first, second = come(held), come(held)
    held.ledger.line(first.line)[TAKEN], held.ledger.line(first.line)[SENT] = 7, 100
    held.ledger.line(second.line)[TAKEN] = 5
    assert held.traffic() == (12, 100)
    held.close(first)
    assert held.traffic() == (12, 100)
    third = come(held)
    held.ledger.line(third.line)[SENT] = 11
    assert held.traffic() == (12, 111)
