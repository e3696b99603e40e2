"""The ledger: lines of counts in memory that more than one process maps."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hokm.control.ledger import LINES, SENT, SENT_FROM, TAKEN, Ledger, blank_line


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A new ledger."""
    made = Ledger.make()
    yield made
    os.close(made.fd)


def test_a_new_ledger_is_all_zero(ledger: Ledger) -> None:
    """The first line and the last one."""
    assert list(ledger.line(0)) == list(ledger.line(LINES - 1)) == [0, 0, 0]


def test_all_who_map_it_see_the_same(ledger: Ledger) -> None:
    """What one process notes, another reads, whatever becomes of the first one's mapping."""
    copy = os.dup(ledger.fd)
    theirs = Ledger(copy)
    theirs.line(5)[SENT] = 2**63
    theirs.line(5)[TAKEN] = 3
    del theirs
    gc.collect()
    os.close(copy)
    assert list(ledger.line(5)) == [3, 0, 2**63]


def test_a_line_is_nobody_else_s(ledger: Ledger) -> None:
    """Neither a write nor a clear touches the lines beside it."""
    for number in (4, 5, 6):
        for field in (TAKEN, SENT_FROM, SENT):
            ledger.line(number)[field] = number
    ledger.clear(5)
    assert [list(ledger.line(number)) for number in (4, 5, 6)] == [[4] * 3, [0] * 3, [6] * 3]


def test_a_line_that_was_handed_out_stays_the_same(ledger: Ledger) -> None:
    """A connection keeps its line; a clear is seen through it."""
    line = ledger.line(9)
    line[TAKEN] = 1
    ledger.clear(9)
    assert line[TAKEN] == 0


def test_there_is_no_line_beyond_the_last(ledger: Ledger) -> None:
    """A wrong number fails at the first count, and harms nobody."""
    with pytest.raises(IndexError):
        ledger.line(LINES)[TAKEN] = 1


def test_a_descriptor_of_something_else_is_refused() -> None:
    """What has not a ledger's size cannot be mapped as one."""
    fd = os.memfd_create("other", os.MFD_CLOEXEC)
    os.write(fd, b"short")
    try:
        with pytest.raises((OSError, ValueError)):
            Ledger(fd)
    finally:
        os.close(fd)


def test_a_line_has_an_owner(ledger: Ledger) -> None:
    """Whoever maps the ledger sees it; the line beside it has its own, and counts do not mix."""
    for number in (0, LINES - 1):
        ledger.own(number, 2**53)
        assert list(ledger.line(number)) == [0, 0, 0]
    assert Ledger(ledger.fd).owner(LINES - 1) == 2**53
    assert ledger.owner(1) == 0
    ledger.own(0, 0)
    assert (ledger.owner(0), ledger.owner(LINES - 1)) == (0, 2**53)


USER = """
import os, sys
from hokm.control.ledger import Ledger
Ledger(int(sys.argv[1])).use()
print(flush=True)
sys.stdin.read()
"""


def test_it_is_in_use_while_a_user_lives(ledger: Ledger) -> None:
    """However he ends; who only has it uses it not."""
    assert not ledger.in_use()
    user = subprocess.Popen(
        [sys.executable, "-c", USER, str(ledger.fd)],
        pass_fds=[ledger.fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with user:
        assert user.stdout is not None
        user.stdout.readline()
        assert ledger.in_use()
        user.kill()
    assert not ledger.in_use()


def test_it_is_not_inherited_by_accident(ledger: Ledger) -> None:
    """Its descriptor is close-on-exec: it is handed on by message only."""
    assert not os.get_inheritable(ledger.fd)


def test_a_blank_line_belongs_to_one() -> None:
    """It counts, and shares with nobody."""
    first, second = blank_line(), blank_line()
    first[SENT] = 7
    assert list(second) == [0, 0, 0]
