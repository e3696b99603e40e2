"""The rate of failures."""

from __future__ import annotations

from hokm.worker.errors import WINDOW, ErrorRate


def test_a_rate_over_the_window() -> None:
    """Failures count for a minute, among the messages of that minute."""
    errors = ErrorRate()
    assert errors.turn() == 0.0
    errors.messages, errors.failures = 10, 1
    assert errors.turn() == 0.1
    errors.messages = 10
    assert errors.turn() == 0.05
    for _ in range(WINDOW):
        errors.messages = 1
        last = errors.turn()
    assert last == 0.0


def test_never_above_one() -> None:
    """A failure without a message, as of a recovery, is no rate above one."""
    errors = ErrorRate()
    errors.messages, errors.failures = 1, 3
    assert errors.turn() == 1.0
