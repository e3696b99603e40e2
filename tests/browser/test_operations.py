"""What a player sees of all that an operator does, and of workers that die: nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.steps import begin, create, play_until
from tests.browser.test_recovery import WATCH
from tests.conftest import Server

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow

NEVER_OVER = 100  # points; all that is done here is done long before anybody has them


class Match:
    """A match of two people and two bots, on a server of its own.

    Attributes:
        sockets: How many WebSockets the pages have made.
        plays: How many cards the people have played.
    """

    def __init__(self, server: Server, visit: Visit) -> None:
        self.server = server
        self.sockets = self.plays = 0
        host = self._watched(visit(base=server.url, options={"target": NEVER_OVER}))
        self.code = create(host, "Sara")
        guest = self._watched(visit(f"/?room_code={self.code}", base=server.url))
        guest.fill("#name", "Omid")
        guest.get_by_role("button", name="Take a seat").click()
        guest.locator("#lobby .panel").wait_for()
        begin(host)
        self.pages = [host, guest]
        for page in self.pages:
            expect(page.locator(".toast")).to_have_count(0)  # that somebody sat down
            page.evaluate(WATCH)

    def _watched(self, page: Page) -> Page:
        page.on("websocket", self._opened)
        return page

    def _opened(self, socket: WebSocket) -> None:
        self.sockets += 1
        socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        self.plays += '"play"' in str(frame)

    def play_on(self, done: Callable[[], bool] = lambda: True) -> None:
        """Play until *done*, and some more cards after it."""
        play_until(self.pages, done)
        before = self.plays
        play_until(self.pages, lambda: self.plays >= before + 3)

    def job(self, path: str, body: Any = None) -> None:
        """Ask for something and play until it has ended."""
        asked = self.server.post(path, body)
        self.play_on(lambda: self._state(asked["id"]) != "running")
        assert self._state(asked["id"]) == "done"

    def _state(self, job: int) -> str:
        return str(self.server.get(f"/api/jobs/{job}", admin=True)["state"])

    def worker(self) -> Any:
        """Return the worker that has the table."""
        [room] = self.server.get("/api/rooms", admin=True)["rooms"]
        workers = self.server.status()["workers"]
        return next(worker for worker in workers if worker["id"] == room["worker"])

    def has_both(self) -> bool:
        """Say whether both workers take rooms."""
        return [w["state"] for w in self.server.status()["workers"]] == ["ready"] * 2


def test_nothing_is_seen(visit: Visit, start_server: Callable[..., Server]) -> None:
    """Through moves, drains, replacements, upgrades, kills and hangs the match goes on."""
    server = start_server(workers=2)
    match = Match(server, visit)
    match.play_on(match.has_both)
    other = next(w for w in server.status()["workers"] if w["id"] != match.worker()["id"])
    match.job(f"/api/rooms/{match.code}/move", {"worker": other["id"]})
    match.job(f"/api/workers/{other['id']}/drain")
    match.job("/api/scale", {"workers": 2})
    match.job("/api/replace")
    killed = match.worker()["pid"]
    os.kill(killed, signal.SIGKILL)
    match.play_on(lambda: killed not in server.worker_pids() and match.has_both())
    hung = match.worker()["pid"]
    os.kill(hung, signal.SIGSTOP)
    match.play_on(lambda: hung not in server.worker_pids())
    before = server.status()["uptime_s"]
    server.post("/api/upgrade")
    match.play_on(lambda: _uptime(server) < before)
    match.job("/api/replace")
    assert match.sockets == len(match.pages)
    assert [page.evaluate("noticed") for page in match.pages] == [[], []]


def _uptime(server: Server) -> float:
    try:
        return float(server.status()["uptime_s"])
    except OSError:
        return float("inf")
