"""aiohttp, on uvloop: python -m … PORT."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import WSMsgType, web

from benchmark.peers.toy import REFUSED, room_of


async def handle(request: web.Request) -> web.WebSocketResponse:
    """Serve one player."""
    player = web.WebSocketResponse(compress=False)
    await player.prepare(request)
    room = room_of(request.path_qs)
    greetings: list[tuple[web.WebSocketResponse, bytes]] = []
    seat = room.enter(player, lambda other, text: greetings.append((other, text)))
    for other, text in greetings:
        await other.send_frame(text, WSMsgType.TEXT)
    async for message in player:
        telling = room.play(seat, message.data)
        if telling is None:
            await player.send_frame(REFUSED, WSMsgType.TEXT)
            continue
        next_player, others, private, shared = telling
        for other in others:
            await other.send_frame(shared, WSMsgType.TEXT)
        await next_player.send_frame(private, WSMsgType.TEXT)
    return player


async def main() -> None:
    """Serve on the port that is the only argument."""
    application = web.Application()
    application.router.add_get("/ws", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), backlog=1024).start()
    await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main())
