"""picows (Cython), on uvloop: python -m … PORT."""

from __future__ import annotations

import sys

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from benchmark.peers.toy import REFUSED, Room, room_of


def send(transport: WSTransport, text: bytes) -> None:
    """Send a text."""
    transport.send(WSMsgType.TEXT, text)


class Player(WSListener):  # type: ignore[misc] # picows is not installed where types are checked
    """One player."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.seat = self.room.enter(transport, send)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            return
        telling = self.room.play(self.seat, frame.get_payload_as_memoryview())
        if telling is None:
            send(transport, REFUSED)
            return
        next_player, others, private, shared = telling
        for other in others:
            send(other, shared)
        send(next_player, private)


async def main() -> None:
    """Serve on the port that is the only argument."""

    def listener(request: WSUpgradeRequest) -> Player:
        return Player(room_of(request.path.decode()))

    server = await ws_create_server(listener, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
