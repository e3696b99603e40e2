"""websockets, on uvloop: python -m … PORT."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from benchmark.peers.toy import REFUSED, room_of


def send(player: ServerConnection, text: bytes) -> None:
    """Send without waiting, as `broadcast` does."""
    broadcast([player], text.decode())


async def handle(player: ServerConnection) -> None:
    """Serve one player."""
    assert player.request is not None
    room = room_of(player.request.path)
    seat = room.enter(player, send)
    with suppress(ConnectionClosed):
        async for text in player:
            telling = room.play(seat, text)
            if telling is None:
                send(player, REFUSED)
                continue
            next_player, others, private, shared = telling
            broadcast(others, shared.decode())
            send(next_player, private)


async def main() -> None:
    """Serve on the port that is the only argument."""
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), compression=None, backlog=1024):
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main())
