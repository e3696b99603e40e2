"""Plain Autobahn on Twisted, with all that its documented options give: python -m … PORT."""

from __future__ import annotations

import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor as installed

from benchmark.peers.toy import REFUSED, room_of

reactor: Any = installed


class Player(WebSocketServerProtocol):
    """One player."""

    def onConnect(self, request: Any) -> None:
        self.room = room_of(self.http_request_uri)

    def onOpen(self) -> None:
        self.seat = self.room.enter(self, WebSocketServerProtocol.sendMessage)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        telling = self.room.play(self.seat, payload)
        if telling is None:
            self.sendMessage(REFUSED)
            return
        next_player, others, private, shared = telling
        prepared = self.factory.prepareMessage(shared)
        for player in others:
            player.sendPreparedMessage(prepared)
        next_player.sendMessage(private)


def main() -> None:
    """Serve on the port that is the only argument."""
    factory = WebSocketServerFactory()
    factory.protocol = Player
    factory.setProtocolOptions(utf8validateIncoming=False, tcpNoDelay=True)
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1", backlog=1024)
    reactor.run()


if __name__ == "__main__":
    main()
