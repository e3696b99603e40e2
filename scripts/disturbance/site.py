"""The server under test, over HTTP: its public site and its operators'."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, convert
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from hokm import wire

TIMEOUT_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1
OPTIONS: Final = {  # long matches in which nobody waits, and no clock or bot plays for anybody
    "target": 100,
    "pause_seconds": 0,
    "bot_seconds": 0,
    "turn_seconds": 600,
    "grace_seconds": 600,
}


class Unexpected(Exception):
    """The server answered what it should not have; the text says what."""


class Worker(Struct):
    """A worker as `GET /api/status` tells of it."""

    id: int
    pid: int | None
    state: str
    rooms: int = 0
    connections: int = 0


class Site:
    """A server's two addresses. Whatever is asked may raise OSError when it cannot be reached.

    Attributes:
        address: Host and port of the public site.
    """

    def __init__(self, *, url: str, admin: str, reactor: Any) -> None:
        """Make a site; the operators' token, if one is needed, is in `HOKM_ADMIN_TOKEN`.

        Raises:
            ValueError: A URL is not plain HTTP.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url} is not http://HOST:PORT")
        self.address = (parts.hostname, parts.port or 80)
        self._url = url.rstrip("/")
        self._admin = admin.rstrip("/")
        self._reactor = reactor
        self._token = os.environ.get("HOKM_ADMIN_TOKEN")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await deferLater(self._reactor, seconds)

    async def create_room(self) -> wire.RoomCreated:
        """Make a table.

        Raises:
            Unexpected: The server made none.
        """
        status, made = await self._ask("POST", f"{self._url}/api/rooms", {"options": OPTIONS})
        if status != 201:
            raise Unexpected(f"POST /api/rooms answered {status}: {made}")
        return convert(made, wire.RoomCreated)

    async def history(self, room: str) -> wire.History:
        """Return a table's finished hands.

        Raises:
            Unexpected: The server knows none.
        """
        status, found = await self._ask("GET", f"{self._url}/api/rooms/{room}/history")
        if status != 200:
            raise Unexpected(f"the history of {room} answered {status}: {found}")
        return convert(found, wire.History)

    async def status(self) -> Any:
        """Return `GET /api/status`."""
        return (await self.operate("GET", "/api/status"))[1]

    async def workers(self) -> list[Worker]:
        """Return the workers that have a process."""
        found = convert((await self.status())["workers"], list[Worker])
        return [worker for worker in found if worker.pid is not None]

    async def is_ready(self) -> bool:
        """Say whether the server serves players; False where it cannot be reached."""
        try:
            return (await self._ask("GET", f"{self._url}/health"))[0] == 200
        except OSError:
            return False

    async def operate(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the operators' site; returns the HTTP status and what was answered, read as JSON."""
        return await self._ask(method, self._admin + path, body)

    async def _ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if self._token is not None and url.startswith(self._admin):
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        found: tuple[int, Any] = await deferToThread(_fetch, request)
        return found


def _fetch(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, _read(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _read(error.read())


def _read(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")
