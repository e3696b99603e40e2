"""Timers by the clock that nobody sets."""

from __future__ import annotations

import time

from twisted.internet.task import Clock

from hokm.monotonic import use_monotonic_time


class Reactor(Clock):
    """One that does not run yet."""

    running = False


def test_it_is_used_from_the_start() -> None:
    """Calls are timed by it."""
    reactor = Reactor()
    use_monotonic_time(reactor)
    assert abs(reactor.seconds() - time.monotonic()) < 60


def test_calls_under_way_keep_their_clock() -> None:
    """They would never come."""
    reactor = Reactor()
    reactor.callLater(1, print)
    use_monotonic_time(reactor)
    assert reactor.seconds() == 0
    running = Reactor()
    running.running = True
    use_monotonic_time(running)
    assert running.seconds() == 0
