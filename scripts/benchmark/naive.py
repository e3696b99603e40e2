"""The measure for the others: an ordinary Autobahn server, naive JSON, toy rules, no store.

What a home-made server does for one play: parse, look whose turn it is and whether he has the
card, tell the four players, each by a `json.dumps` of his own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor as installed

reactor: Any = installed
rooms: dict[str, list[Any]] = {}
turns: dict[str, int] = {}
numbers: dict[str, int] = {}


class Player(WebSocketServerProtocol):  # type: ignore[misc] # Autobahn has no annotations
    """One player of a room of four."""

    def onConnect(self, request: Any) -> None:
        self.code = request.params["room_code"][0]

    def onOpen(self) -> None:
        players = rooms.setdefault(self.code, [])
        self.seat = len(players)
        players.append(self)
        if len(players) == 4:
            turns[self.code] = 0
            numbers[self.code] = 0
            self.tell(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = json.loads(payload)
        if message["type"] != "play" or turns[self.code] != self.seat:
            answer = {"type": "error", "id": message.get("id"), "code": "not_your_turn"}
            self.sendMessage(json.dumps(answer).encode())
            return
        turns[self.code] = (self.seat + 1) % 4
        self.tell(message)

    def tell(self, message: dict[str, Any] | None) -> None:
        """Tell all four what was played and whose turn it is, and one of them what he may play."""
        numbers[self.code] += 1
        for player in rooms[self.code]:
            told = {
                "type": "card_played",
                "seq": numbers[self.code],
                "seat": self.seat,
                "card": message["card"] if message else None,
                "ok": message["id"] if message and player is self else None,
                "turn": turns[self.code],
            }
            if player.seat == turns[self.code]:
                told["legal"] = ["AS", "KH", "TD", "2C"]
            player.sendMessage(json.dumps(told).encode())


def main() -> None:
    """Serve on the port that is the only argument."""
    factory = WebSocketServerFactory()
    factory.protocol = Player
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1", backlog=512)
    reactor.run()


if __name__ == "__main__":
    main()
