"""A real server and a real browser for the tests of the players' page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.conftest import Server, missing

WAIT_MS = 30_000  # for anything that the page is to show
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


@pytest.fixture(scope="package")
def site(memory: Path) -> Iterator[str]:
    """Run one server for all tests here that need none of their own; its address."""
    server = Server(memory / "site", HOKM_WORKER_FILL_SECONDS="6")
    yield server.url
    server.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium once for all tests."""
    chromium = shutil.which("chromium")
    if chromium is None:
        missing("chromium", "apt install chromium")
    expect.set_options(timeout=WAIT_MS)
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
def visit(
    request: pytest.FixtureRequest, context_of: Callable[..., BrowserContext]
) -> Iterator[Callable[..., Page]]:
    """Open a page of the site; faults of its scripts fail the test.

    `base` is another server's address, `options` are those of the tables that the page makes.
    """
    faults: list[str] = []

    def open_page(
        path: str = "/",
        *,
        context: BrowserContext | None = None,
        base: str | None = None,
        options: dict[str, Any] | None = None,
        **person: Any,
    ) -> Page:
        page = (context or context_of(**person)).new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.route("**/api/rooms", lambda route: _make_quick(route, options or {}))
        page.goto((base or request.getfixturevalue("site")) + path)
        return page

    yield open_page
    assert faults == []


def _make_quick(route: Route, options: dict[str, Any]) -> None:
    body = json.loads(route.request.post_data or "{}")
    route.continue_(
        post_data=json.dumps(body | {"options": {**body["options"], **QUICK, **options}})
    )
