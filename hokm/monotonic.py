"""Timers by the clock that nobody sets.

Twisted's are by the time of day: set back by a minute, no timer fires for a minute, and systemd's
watchdog ends the program; set forward, every player would seem to have been silent for as long.
"""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_time(reactor: Any) -> None:
    """Have *reactor* count time by CLOCK_MONOTONIC; does nothing once it is in use.

    What it was asked for by the other clock would never come.
    """
    if not (reactor.running or reactor.getDelayedCalls()):
        reactor.seconds = time.monotonic
