"""A clock of the time of day that is set while people play."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm import wire
from hokm.client import create_room, join
from hokm.client.bot import Player
from hokm.tasks import run
from tests.conftest import Server, missing

reactor: Any = installed
SECONDS = 10.0


@pytest_twisted.ensureDeferred
async def test_the_clock_is_set(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """By an hour, back and forward: bots go on, no player seems to be silent, nobody is restarted.

    The server sees a time of day of its own (libfaketime); CLOCK_MONOTONIC is everybody's.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        missing("libfaketime", "apt install faketime")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    server = start_server(
        workers=1,
        LD_PRELOAD=str(libraries[0]),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    pids = server.worker_pids()
    options = {"bot_seconds": 0.05, "pause_seconds": 0, "target": 100}
    made = await create_room(server.url, options, reactor=reactor)
    cards: list[wire.CardPlayed] = []

    def hear(message: wire.Message) -> None:
        if isinstance(message, wire.CardPlayed):
            cards.append(message)

    client = await join(
        server.url,
        made.room_code,
        "Sara",
        reactor=reactor,
        token=made.host_token,
        on_event=hear,
        random=random.Random(1),
    )
    await client.start(fill=True)
    player = Player(client, random=random.Random(1))
    run(player.play_match(), "a match")
    for step in ("+0", "-3600", "+3600"):
        offset.write_text(step)
        had, until = len(cards), time.monotonic() + SECONDS
        while len(cards) < had + 40:
            assert time.monotonic() < until, f"{len(cards) - had} cards after {step} s"
            await deferLater(reactor, 0.05)
    assert client.resumes == 0
    assert server.worker_pids() == pids
    player.going = False
    client.end()
