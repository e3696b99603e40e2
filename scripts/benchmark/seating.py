"""The players' places: what each one asks for to come into his room."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from benchmark.server import Server

Place: TypeAlias = tuple[str, str | None]  # path of the request, token of the room's host

# Long matches, in which no clock plays for anybody and no pause spoils the count.
OPTIONS: Final = {"target": 100, "pause_seconds": 0, "turn_seconds": 600, "grace_seconds": 600}


def places(server: Server, rooms: int) -> Iterator[Place]:
    """Make *rooms* rooms and yield four places for each, one room after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for number in range(rooms):
            code = f"R{number}"
            match server.dialect:
                case "hokm":
                    made = _post(connection, "/api/rooms", {"options": OPTIONS})
                    path = f"/ws?room_code={made['room_code']}"
                    yield from [(path, made["host_token"]), *[(path, None)] * 3]
                case "colyseus":
                    for _ in range(4):
                        wish = {"room_code": code}
                        made = _post(connection, "/matchmake/joinOrCreate/table", wish)
                        path = f"/{made['processId']}/{made['roomId']}"
                        yield f"{path}?sessionId={made['sessionId']}", None
                case "socketio":
                    path = f"/socket.io/?EIO=4&transport=websocket&room_code={code}"
                    yield from [(path, None)] * 4
                case "json":
                    yield from [(f"/ws?room_code={code}", None)] * 4
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, body: object) -> dict[str, Any]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status not in (200, 201):
        raise OSError(f"POST {path} is answered {response.status}: {text[:200]!r}")
    made: dict[str, Any] = json.loads(text)
    return made
