"""Quick match and open tables in a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.steps import create, overflow

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("locale", "size"), [("en", (1280, 800)), ("fa", (360, 740))])
def test_two_strangers_meet(
    visit: Visit, tmp_path: Path, locale: str, size: tuple[int, int]
) -> None:
    """Two people look for a table; with two bots they are at one, and the match goes on."""
    one, two = visit(size=size, locale=locale), visit(size=size, locale=locale)
    for page, name in ((one, "Sara"), (two, "Reza")):
        page.fill("#name", name)
    for page in (one, two):
        page.locator(".quick .button").click()
    for page, name in ((one, "Sara"), (two, "Reza")):
        expect(page.locator(".seat-dot.taken").first).to_be_visible()
        page.screenshot(path=tmp_path / f"{locale}-searching-{name}.png")
        assert overflow(page) == 0
    for page in (one, two):
        page.locator("#seats .plate").first.wait_for()
    assert one.url == two.url
    assert {"Sara", "Reza"} <= set(one.locator(".plate .name").all_inner_texts())
    one.reload()
    one.locator("#seats .plate").first.wait_for()


def test_giving_up(visit: Visit) -> None:
    """Whoever cancels is back at the first page, and nobody meets him."""
    page = visit()
    page.locator(".quick .button").click()
    expect(page.locator(".seat-dot.taken")).to_have_count(1)
    page.locator(".searching .button").click()
    expect(page.locator(".quick .button")).to_be_visible()
    other = visit()
    other.locator(".quick .button").click()
    expect(other.locator(".seat-dot.taken")).to_have_count(1)


def test_a_lobby_that_was_recovered(visit: Visit) -> None:
    """Whoever is told that he has no place asks for it again, and goes on looking."""
    page = visit()
    far: list[WebSocketRoute] = []
    joins: list[dict[str, object]] = []

    def opened(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda text: (joins.append(json.loads(text)), server.send(text)))
        far.append(route)

    page.route_web_socket("**/ws?room_code=LOBBY", opened)
    page.locator(".quick .button").click()
    expect(page.locator(".seat-dot.taken")).to_have_count(1)
    lost = {"type": "error", "id": None, "code": "not_joined", "message": "join first"}
    far[0].send(json.dumps(lost))
    until = time.monotonic() + 30
    while len(joins) < 2:
        assert time.monotonic() < until
        page.wait_for_timeout(10)
    first, again = joins
    assert (again["type"], again["seed"]) == ("join", first["seed"])
    assert len(str(again["token"])) == 64
    expect(page.locator(".seat-dot.taken")).to_have_count(1)
    page.locator(".searching .button").click()


def test_an_open_table(visit: Visit, tmp_path: Path) -> None:
    """A table that its host shows to everybody is on everybody's first page, until it is full."""
    host, guest = visit(), visit()
    host.locator(".options summary").click()
    host.locator("input[name=public]").check()
    code = create(host, "<b>Sara</b>")
    row = guest.locator(f'.tables li[data-code="{code}"]')
    expect(row).to_be_visible()
    expect(row.locator(".who")).to_have_text("<b>Sara</b>")
    guest.screenshot(path=tmp_path / "open-table.png")
    row.locator("button").click()
    guest.locator("button.primary").first.click()
    expect(host.locator(".place .name", has_text="Guest")).to_be_visible()
