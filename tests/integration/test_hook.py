# mypy: disable-error-code="misc"
"""The address that is told when another instance is wanted: real requests to a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hokm.scaling import Scaling
from hokm.supervisor import hook as hooks
from hokm.supervisor.hook import Hook
from tests.integration.test_matches import wait

reactor: Any = installed
NOW = 1_767_225_600.5
PAUSES = (0.05, 0.1)


class Operator(Resource):
    """Who is told; answers with one status after the other, the last again and again.

    Attributes:
        statuses: To come; 0 lets the caller wait for ever.
        told: Bodies and their type.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.statuses = [200]
        self.told: list[tuple[str, Any]] = []
        self.port = reactor.listenTCP(0, Site(self), interface="127.0.0.1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port.getHost().port}/more?token=secret"

    def render_POST(self, request: Request) -> bytes | int:
        kind = request.getHeader("content-type")
        assert kind is not None and request.content is not None
        self.told.append((kind, json.loads(request.content.read())))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == 0:
            return NOT_DONE_YET
        request.setResponseCode(status)
        return b"thank you"


@pytest.fixture
def operator() -> Iterator[Operator]:
    """Listen for wishes."""
    made = Operator()
    yield made
    made.port.stopListening()


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Return what was logged of it so far, as text."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    yield lambda: "\n".join(
        text for text in map(formatEvent, events) if text.startswith("instance_url")
    )
    globalLogPublisher.removeObserver(events.append)


def call(url: str) -> None:
    """Have another instance begin to be wanted."""
    scaling = Scaling(min_workers=1, max_workers=1, instance_url=url)
    Hook(reactor=reactor, environ={}, now=lambda: NOW, pauses=PAUSES).wanted(
        scaling, ["one", "two"]
    )


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        await wait(0.02)


@pytest_twisted.ensureDeferred
async def test_it_is_told_why(
    operator: Operator, logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again after failures and silence, with the same words; once it was taken no more."""
    monkeypatch.setattr(hooks, "ANSWER_SECONDS", 2.0)
    operator.statuses = [503, 0, 202, 418]
    call(operator.url)
    await until(lambda: "was told that another instance is wanted" in logged())
    await wait(2 * max(PAUSES))
    assert len(operator.told) == 3 and len({str(told) for told in operator.told}) == 1
    kind, wish = operator.told[0]
    assert kind == "application/json"
    assert (wish["at"], wish["reasons"]) == ("2026-01-01T00:00:00.500+00:00", ["one", "two"])
    assert wish["instance"]
    assert "answer 503" in logged() and "secret" not in logged()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("status", "tries"), [(500, 3), (429, 3), (404, 1), (301, 1)])
async def test_it_is_given_up(
    operator: Operator, logged: Callable[[], str], status: int, tries: int
) -> None:
    """After some tries, or at once where another one would change nothing."""
    operator.statuses = [status]
    call(operator.url)
    await until(lambda: f"was not told: answer {status}" in logged())
    assert len(operator.told) == tries


@pytest_twisted.ensureDeferred
async def test_nobody_listens(logged: Callable[[], str]) -> None:
    """That is no reason to fail, either."""
    [port] = free_ports(1)
    call(f"http://127.0.0.1:{port}/")
    await until(lambda: "was not told: ConnectionRefusedError" in logged())
    assert logged().count("told again") == len(PAUSES)
