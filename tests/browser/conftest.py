"""A real server and a real browser for the tests of the players' page."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # pytest itself puts no folder there; the tests share `steps`
START_SECONDS = 30.0
WAIT_MS = 15_000  # for anything that the page is to show
BROWSER_OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The page offers no such table: bots that do not think, one point, a pause that is hardly one.
QUICK = {"target": 1, "bot_seconds": 0, "pause_seconds": 1}
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server for all tests; its address."""
    ports = _free_ports(2)
    state = tmp_path_factory.mktemp("state")
    log = (state / "server.log").open("wb")
    server = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("twistd")),
            *("-n", "--pidfile=", "hokm", "--workers", "2"),
            *("--listen", f"tcp:{ports[0]}:interface=127.0.0.1"),
            *("--admin", f"tcp:{ports[1]}:interface=127.0.0.1"),
            *("--state-dir", str(state / "hokm")),
        ],
        cwd=ROOT,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{ports[0]}"
    try:
        _wait_until_healthy(address, server, Path(log.name))
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    pytest.fail(f"the server is not healthy:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once for all tests."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=BROWSER_OPTIONS)
        yield started
        started.close()


@pytest.fixture
def context_of(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make browser contexts (each like a person's own browser), closed after the test."""
    made: list[BrowserContext] = []

    def make(*, size: tuple[int, int] = (1280, 800), locale: str = "en") -> BrowserContext:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, has_touch=width < 500
        )
        context.set_default_timeout(WAIT_MS)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture
def visit(site: str, context_of: Callable[..., BrowserContext]) -> Iterator[Visit]:
    """Open the site in a page; faults of its scripts fail the test."""
    faults: list[str] = []

    def open_page(
        path: str = "/", *, context: BrowserContext | None = None, **browser_options: Any
    ) -> Page:
        page = (context or context_of(**browser_options)).new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.route("**/api/rooms", _make_quick)
        page.goto(site + path)
        return page

    yield open_page
    assert faults == []


def _make_quick(route: Route) -> None:
    body = json.loads(route.request.post_data or "{}")
    route.continue_(post_data=json.dumps({"options": {**body["options"], **QUICK}}))
