"""Making tables over HTTP."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, ResponseDone

from hokm import wire

_SECONDS = 10.0


class RoomRefused(Exception):
    """The server made no table; its answer is the text."""


class _Body(Protocol):
    """Collects a response; Twisted's `readBody` warns of its own transport."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)


async def create_room(
    base_url: str, options: dict[str, Any] | None = None, *, reactor: Any
) -> wire.RoomCreated:
    """Make a table.

    Args:
        base_url: As ``http://localhost:8765``.
        options: Those that are not to be the server's own, by the names of `wire.TableOptions`.

    Raises:
        RoomRefused: The server said no; see its text.
    """
    body = msgspec.json.encode({"options": options or {}})
    agent = Agent(reactor, connectTimeout=_SECONDS)
    asked: Deferred[Any] = agent.request(
        b"POST",
        f"{base_url.rstrip('/')}/api/rooms".encode(),
        bodyProducer=FileBodyProducer(BytesIO(body)),
    )
    response = await asked.addTimeout(_SECONDS, reactor)
    body_read = _Body()
    response.deliverBody(body_read)
    answer = await body_read.done.addTimeout(_SECONDS, reactor)
    if response.code != 201:
        raise RoomRefused(answer.decode("utf-8", "replace"))
    return msgspec.json.decode(answer, type=wire.RoomCreated)
