"""Quick match: a table with whoever looks for one, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hokm import wire
from hokm.client.client import Client, join
from hokm.client.errors import CommandRefused, Disconnected


async def find_table(
    base_url: str,
    name: str,
    *,
    reactor: Any,
    seed: str | None = None,
    on_progress: Callable[[wire.QueueMessage], None] | None = None,
    **options: Any,
) -> Client:
    """Wait in the lobby until a table is found, and take the seat there.

    Args:
        base_url: As ``http://localhost:8765``.
        seed: As `join` has it. The first hand, dealt when the table was found, has it from here.
        on_progress: Is told how many people wait, and when they begin with bots, in seconds.
        options: The others of `join`, for the table.

    Raises:
        CommandRefused: The lobby is full, or the name is none.
        Disconnected: The lobby closed the connection for good.
    """
    found: Deferred[str] = Deferred()

    def hear(message: wire.Message) -> None:
        if isinstance(message, wire.QueueMessage) and on_progress is not None:
            on_progress(message)
        elif isinstance(message, wire.Matched) and not found.called:
            found.callback(message.room_code)

    def refused(failure: Failure) -> None:
        failure.trap(CommandRefused, Disconnected)
        if not found.called:
            found.errback(failure)

    search = Client(base_url, wire.LOBBY, name, reactor=reactor, seed=seed, on_event=hear)
    joined = search.connect()
    assert joined is not None
    joined.addErrback(refused)
    search.closed.addCallback(lambda code: refused(Failure(Disconnected(code))))
    try:
        code = await found
    finally:
        search.end()
    place = {"token": search.token, "seed": seed, **options}
    return await join(base_url, code, name, reactor=reactor, **place)
