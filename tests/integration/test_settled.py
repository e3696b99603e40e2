# mypy: disallow-untyped-decorators=False
"""Open connections share what is the same for all of them, and nothing else."""

from __future__ import annotations

import pytest_twisted  # type: ignore[import-untyped]

from hokm.connection import text_frame
from tests.movable import HEAD, Movable, make_site, until
from tests.rawsocket import frame

TEXT, FRAGMENT, REST, CLOSE = 0x81, 0x01, 0x80, 0x88
MOST = 5  # attributes of Autobahn's side; it begins with 87
GOODBYE = (1000).to_bytes(2, "big")


@pytest_twisted.ensureDeferred
async def test_little_is_left_of_a_handshake() -> None:
    """The request's fields are gone, and the connection works."""
    with Movable() as it:
        await it.open()
        left = vars(it.connection._ws)
        assert len(left) <= MOST, sorted(left)
        assert not [name for name in left if name.startswith("http_")]
        await it.flows()


@pytest_twisted.ensureDeferred
async def test_one_connections_state_is_not_anothers() -> None:
    """One in the middle of a message, one that closes, and one that comes after them."""
    site = make_site()
    with Movable(site=site) as one, Movable(site=site) as two:
        await one.open()
        await two.open()
        one.client.send(frame(FRAGMENT, b"be"))
        await one.has_read(len(HEAD) + len(frame(FRAGMENT, b"be")))
        two.client.send(frame(TEXT, b"whole"))
        await until(lambda: two.players[0].texts == [b"whole"])
        two.client.send(frame(CLOSE, GOODBYE))
        await until(lambda: two.players[0].closed)
        one.client.send(frame(REST, b"gun"))
        await until(lambda: one.players[0].texts == [b"begun"])
        one.connection.send(text_frame(b"out"))
        await until(lambda: one.client.texts() == [b"out"])
        with Movable(site=site) as three:
            await three.open()
            await three.flows()
            assert not three.players[0].closed
        assert not one.players[0].closed
