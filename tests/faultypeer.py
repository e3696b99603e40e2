"""A toy server that makes one mistake, after some plays without: python -m … PORT MISTAKE."""

from __future__ import annotations

import re
import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from benchmark.peers.with_autobahn import Player, reactor

GOOD_PLAYS = 20
MISTAKES = {
    "a number is left out": lambda text: [re.sub(rb'"seq":', b'"seq":1', text)],
    "a reply comes twice": lambda text: [text, text],
    "a reply is an error": lambda text: [b'{"type":"error"}'],
    "a reply names another command": lambda text: [re.sub(rb'"id":', b'"id":9', text)],
}


class Faulty(Player):
    """A player who is told something wrong."""

    told = 0

    def sendPreparedMessage(self, prepared: Any) -> None:
        Faulty.told += 1
        if (Faulty.told - 1) // 3 != GOOD_PLAYS:  # three are told of each play in this way
            super().sendPreparedMessage(prepared)
            return
        for text in MISTAKES[sys.argv[2]](prepared.payload):
            self.sendMessage(text)


if __name__ == "__main__":
    factory = WebSocketServerFactory()
    factory.protocol = Faulty
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()
