"""A match that goes on and on, in a process of its own: `python -m tests.restless URL`.

Writes a line for each play of its one person that the server has answered.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import LoopingCall

from hokm.client import create_room, join
from hokm.client.bot import Player
from hokm.tasks import run

reactor: Any = installed


async def play(url: str) -> None:
    """Play with three bots until the connection is gone for good."""
    options = {"bot_seconds": 0, "pause_seconds": 0, "target": 100}
    made = await create_room(url, options, reactor=reactor)
    client = await join(url, made.room_code, "Sara", reactor=reactor, token=made.host_token)
    await client.start(fill=True)
    player = Player(client, random=random.Random(1))
    told = 0

    def tell() -> None:
        nonlocal told
        if player.acknowledged > told:
            sys.stdout.write("played\n" * (player.acknowledged - told))
            sys.stdout.flush()
            told = player.acknowledged

    LoopingCall(tell).start(0.002)
    while True:
        await player.play_match()
        await client.start()


if __name__ == "__main__":
    run(play(sys.argv[1]), "the matches")
    reactor.run()
