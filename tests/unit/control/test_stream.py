"""How far a dead worker's streams can be trusted: the kernel's counts against the ledger's."""

from __future__ import annotations

import pytest

from hokm.control.ledger import SENT, SENT_FROM, TAKEN, Line, blank_line
from hokm.control.stream import Counts, Trust, trust

HEAD = 200
ANSWER = 130


def line(taken: int, sent_from: int, sent: int) -> Line:
    made = blank_line()
    made[TAKEN], made[SENT_FROM], made[SENT] = taken, sent_from, sent
    return made


@pytest.mark.parametrize(
    ("read", "written", "taken", "sent_from", "sent", "expected"),
    [
        # before the answer
        (0, 0, 0, 0, 0, Trust.UNREAD),
        (HEAD, 0, HEAD, 0, ANSWER, Trust.UNANSWERED),  # the answer was in the worker's buffer
        (HEAD, 0, 0, 0, 0, Trust.UNANSWERED),  # killed before it noted anything
        (HEAD - 1, 0, 0, 0, 0, Trust.CUT),  # a part of the request is gone
        (HEAD + 1, 0, HEAD, 0, ANSWER, Trust.CUT),  # and of what came behind it
        # between two messages
        (HEAD, ANSWER, HEAD, 0, ANSWER, Trust.WHOLE),
        (HEAD + 50, ANSWER + 70, HEAD + 50, ANSWER + 40, ANSWER + 70, Trust.WHOLE),
        # the last send was not written at all
        (HEAD, ANSWER, HEAD, ANSWER, ANSWER + 30, Trust.WHOLE),
        # in the middle of what was read
        (HEAD + 3, ANSWER, HEAD, 0, ANSWER, Trust.HALF_READ),
        (HEAD + 3, ANSWER, HEAD, ANSWER, ANSWER + 30, Trust.HALF_READ),
        # in the middle of what was written, and before the last but one
        (HEAD, ANSWER - 1, HEAD, 0, ANSWER, Trust.CUT),
        (HEAD, ANSWER + 29, HEAD, ANSWER, ANSWER + 30, Trust.CUT),
        (HEAD, ANSWER, HEAD, ANSWER + 30, ANSWER + 60, Trust.CUT),
        (HEAD + 3, ANSWER + 1, HEAD, ANSWER, ANSWER + 30, Trust.CUT),  # the worse of the two
    ],
)
def test_trust(
    read: int, written: int, taken: int, sent_from: int, sent: int, expected: Trust
) -> None:
    """Each way in which a kill can find the streams."""
    assert trust(Counts(read, written), line(taken, sent_from, sent), HEAD) is expected


def test_what_nobody_counts_is_not_trusted() -> None:
    """Without the kernel's counts there is nothing to go by."""
    assert trust(None, line(HEAD, 0, ANSWER), HEAD) is Trust.CUT


def test_trust_changes_nothing() -> None:
    """The ledger is only read."""
    before = line(HEAD, ANSWER, ANSWER + 30)
    trust(Counts(HEAD, ANSWER), before, HEAD)
    assert list(before) == [HEAD, ANSWER, ANSWER + 30]
