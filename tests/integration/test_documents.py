"""What is written about the protocol is what crosses the wire."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest_twisted
from twisted.internet import reactor

from hokm import wire
from hokm.client import create_room, join
from hokm.client.bot import Player
from hokm.wire import values

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "docs" / "protocol"


def test_documents_follow_the_code() -> None:
    """Schemas, tables and settings are what the code makes of them today."""
    done = subprocess.run(
        [ROOT / "scripts" / "docs", "--check"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_asyncapi_is_whole() -> None:
    """Every reference of the AsyncAPI document leads somewhere."""
    document = json.loads((PROTOCOL / "asyncapi.json").read_text())

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)


def test_every_word_is_explained() -> None:
    """Each message, error code and close code of the code stands in the tables."""
    text = (PROTOCOL / "messages.md").read_text()
    for code in wire.ERRORS:
        assert f"| `{code}` |" in text
    closes = [value for name, value in vars(values).items() if _is_close_code(name)]
    assert len(closes) == 8
    for number in closes:
        assert f"| `{number}` |" in text


def _is_close_code(name: str) -> bool:
    return values.__annotations__.get(name) == "Final[CloseCode]"


@pytest_twisted.ensureDeferred
async def test_a_match_fits_the_schemas(start_server: Callable[..., Any]) -> None:
    """All messages of a match, both ways, fit the schemas under docs/protocol."""
    server = start_server(workers=1, HOKM_WORKER_MESSAGES_PER_SECOND="1000")
    made = await create_room(
        server.url, {"target": 2, "bot_seconds": 0, "pause_seconds": 0}, reactor=reactor
    )
    heard: list[Any] = []
    client = await join(
        server.url,
        made.room_code,
        "Parvin",
        reactor=reactor,
        token=made.host_token,
        on_event=heard.append,
        random=random.Random(1),
    )
    await client.say("سلام")
    await client.start(fill=True)
    await Player(client, random=random.Random(1)).play_match()
    await client.sync()
    client.end()

    schema = json.loads((PROTOCOL / "schemas" / "server.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for message in heard:
        validator.validate(json.loads(wire.encode(message)))
    kinds = {str(type(message).__struct_config__.tag) for message in heard}
    assert {
        "welcome",
        "said",
        "bot_joined",
        "match_started",
        "hakem_drawn",
        "hand_started",
    } <= kinds
    assert {"cards_dealt", "turn", "trump_chosen", "card_played", "trick_won"} <= kinds
    assert {"hand_over", "match_over"} <= kinds

    history = server.get(f"/api/rooms/{made.room_code}/history")
    jsonschema.validate(history, json.loads((PROTOCOL / "schemas" / "history.json").read_text()))
    jsonschema.validate(
        json.loads(msgspec.json.encode(made)),
        json.loads((PROTOCOL / "schemas" / "room_created.json").read_text()),
    )


def test_schemas_refuse_what_the_server_refuses() -> None:
    """The client's schema and the server's reader agree on good and bad commands."""
    schema = json.loads((PROTOCOL / "schemas" / "client.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for text in (
        '{"type":"play","id":3,"card":"AS"}',
        '{"type":"join","id":1,"name":"A","role":"spectator"}',
        '{"type":"play","id":0,"card":"AS"}',
        '{"type":"play","id":3}',
        '{"type":"play","id":3,"card":"AS","extra":1}',
        '{"type":"fly","id":3}',
        '{"type":"join","id":1,"name":""}',
        '{"type":"join","id":1,"name":"A","seed":"xyz"}',
        '{"type":"sit","id":1,"seat":4}',
        "[]",
    ):
        try:
            wire.decode(text.encode())
            accepted = True
        except wire.BadMessage:
            accepted = False
        assert validator.is_valid(json.loads(text)) == accepted, text
