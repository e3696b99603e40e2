"""The Python client against a real server."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm import wire
from hokm.client import CommandRefused, Disconnected, create_room, join
from hokm.client.rooms import RoomRefused
from tests.conftest import Server

reactor: Any = installed
ROOT = Path(__file__).parents[2]
QUICK = {"bot_seconds": 0, "pause_seconds": 0, "target": 1}
Start = Callable[..., Server]


async def seated(server: Server, **options: Any) -> tuple[wire.RoomCreated, Any]:
    """Make a table and sit down as its host."""
    made = await create_room(server.url, {**QUICK, **options}, reactor=reactor)
    client = await join(
        server.url,
        made.room_code,
        "Sara",
        reactor=reactor,
        token=made.host_token,
        random=random.Random(1),
    )
    return made, client


@pytest_twisted.ensureDeferred
async def test_refusals_are_exceptions(start_server: Start) -> None:
    """A refused command, room or join says why, and the client goes on."""
    server = start_server(workers=1)
    made, client = await seated(server)
    with pytest.raises(CommandRefused) as refused:
        await client.play("AS")
    assert refused.value.code == "wrong_phase"
    await client.say("hello")
    with pytest.raises(RoomRefused, match="target"):
        await create_room(server.url, {"target": 0}, reactor=reactor)
    with pytest.raises(CommandRefused) as unknown:
        await join(server.url, "ZZZZ2222", "Sara", reactor=reactor)
    assert unknown.value.code == "no_such_room"
    with pytest.raises(CommandRefused) as wrong:
        await join(server.url, made.room_code, "Eve", reactor=reactor, token="f" * 64)
    assert wrong.value.code == "bad_token"
    client.end()
    await client.closed


@pytest_twisted.ensureDeferred
async def test_a_lost_connection_is_made_anew(start_server: Start) -> None:
    """What was under way when the connection was lost is done once; the seat is the same."""
    server = start_server(workers=1)
    made, client = await seated(server)
    said: list[str] = []
    watcher = await join(
        server.url,
        made.room_code,
        "W",
        reactor=reactor,
        role="spectator",
        on_event=lambda m: said.append(m.text) if isinstance(m, wire.Said) else None,
    )
    for number in range(4):
        answer = client.say(f"text {number}")
        client.drop()
        await answer
    assert client.resumes == 4
    assert client.state.seat == 0
    await client.sync()
    await watcher.sync()
    assert said == [f"text {number}" for number in range(4)]
    client.end()
    watcher.end()
    await client.closed


@pytest_twisted.ensureDeferred
async def test_a_newer_connection_takes_the_seat(start_server: Start) -> None:
    """The older client hears that its place is gone, and does not come back by itself."""
    server = start_server(workers=1)
    made, client = await seated(server)
    newer = await join(server.url, made.room_code, "Sara", reactor=reactor, token=client.token)
    assert await client.closed == wire.TAKEN_OVER
    with pytest.raises(Disconnected):
        await client.say("too late")
    assert newer.state.seat == 0
    newer.end()
    await newer.closed


@pytest_twisted.ensureDeferred
async def test_leaving(start_server: Start) -> None:
    """Who leaves gets his answer, then the end."""
    server = start_server(workers=1)
    _, client = await seated(server)
    await client.leave()
    assert await client.closed == wire.LEFT


@pytest_twisted.ensureDeferred
async def test_waiting_ends_with_the_place(start_server: Start) -> None:
    """Whoever waits for something that will not come any more is told so."""
    server = start_server(workers=1)
    _, client = await seated(server)
    waiting = client.until(lambda state: state.phase == "match_over")
    await deferLater(reactor, 0)
    client.end()
    with pytest.raises(Disconnected):
        await waiting


@pytest.mark.slow
def test_the_example_of_the_documents(start_server: Start, tmp_path: Path) -> None:
    """The program in docs/client.md plays a match as it stands there."""
    server = start_server(workers=1)
    text = (ROOT / "docs" / "client.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    program = tmp_path / "player.py"
    program.write_text(found[1].replace("http://localhost:8765", server.url))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.match(r"(won|lost) \(\d+, \d+\)", done.stdout)
