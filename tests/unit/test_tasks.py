"""Work that nobody awaits."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from hokm.tasks import every, run


async def fails() -> None:
    raise ValueError("no")


async def waits(on: Deferred[int]) -> int:
    return await on + 1


def test_a_failure_is_logged() -> None:
    """It is named and does not travel on."""
    results: list[Any] = []
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        run(fails(), "the test", room="X").addBoth(results.append)
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert results == [None]
    [event] = [e for e in heard if "log_failure" in e]
    assert event["what"] == "the test"
    assert event["fields"] == {"room": "X"}


def test_a_result_comes_through() -> None:
    """Whoever wants it may have it."""
    waited: Deferred[int] = Deferred()
    results: list[Any] = []
    run(waits(waited), "the test").addBoth(results.append)
    assert results == []
    waited.callback(1)
    assert results == [2]


def test_cancelling_is_no_failure() -> None:
    """It ends quietly."""
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        run(waits(Deferred()), "the test").cancel()
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert not [e for e in heard if "log_failure" in e]


def test_a_loop_survives_its_body() -> None:
    """One failure does not end it."""
    clock = Clock()
    calls: list[float] = []

    def body() -> None:
        calls.append(clock.seconds())
        if len(calls) == 1:
            raise ValueError("once")

    loop = every(clock, 1.0, body, "the test")
    assert calls == []
    clock.pump([1.0] * 3)
    assert calls == [1.0, 2.0, 3.0]
    loop.stop()
    clock.advance(5.0)
    assert len(calls) == 3
