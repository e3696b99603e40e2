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

from hokm.client.bot import Player
from hokm.tasks import run
from tests.conftest import Server, missing
from tests.integration.test_client import seated

reactor: Any = installed
SECONDS = 30.0


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
    _, client = await seated(server, bot_seconds=0.05, target=100)
    await client.start(fill=True)
    player = Player(client, random=random.Random(1))
    run(player.play_match(), "a match")
    for step in ("+0", "-3600", "+3600"):
        offset.write_text(step)
        had, until = player.acknowledged, time.monotonic() + SECONDS
        while player.acknowledged < had + 10:  # between two of his plays the bots have had theirs
            assert time.monotonic() < until, f"{player.acknowledged - had} plays after {step} s"
            await deferLater(reactor, 0.05)
    assert client.resumes == 0
    assert server.worker_pids() == pids
    player.going = False
    client.end()
