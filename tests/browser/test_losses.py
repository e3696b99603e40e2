"""What the players' page makes of lost connections, workers and servers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.steps import begin, create, hand_of, play_until, wait_for_turn
from tests.conftest import Server

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow


def _at_play(page: Page) -> list[str]:
    """Begin a match; the player's cards when it is his turn to play one."""
    create(page, "Sara")
    begin(page)
    wait_for_turn(page)
    return hand_of(page)


def _plays_on(page: Page, cards: list[str]) -> None:
    """Check that the player has his cards still, and may play one and another."""
    page.locator(".slot.legal").first.wait_for()
    assert hand_of(page) == cards
    expect(page.locator(".plate.south .name")).to_have_text("Sara")
    play_until([page], lambda: len(hand_of(page)) < len(cards) - 1)


def test_reload(visit: Visit) -> None:
    """After a reload in the middle of a hand the player has his seat and cards again."""
    page = visit()
    cards = _at_play(page)
    page.reload()
    _plays_on(page, cards)


def test_network_loss(visit: Visit, context_of: Callable[..., BrowserContext]) -> None:
    """A player whose network was away is told so, and plays on from where he was."""
    context = context_of()
    page = visit(context=context)
    cards = _at_play(page)
    context.set_offline(True)
    expect(page.locator("#notice-text")).to_have_text("Reconnecting…")
    context.set_offline(False)
    expect(page.locator("#notice")).to_be_hidden()
    _plays_on(page, cards)


def test_card_played_without_network(
    visit: Visit, context_of: Callable[..., BrowserContext]
) -> None:
    """A card played while the network is away is played once it is back, and once only."""
    context = context_of()
    page = visit(context=context)
    cards = _at_play(page)
    context.set_offline(True)
    expect(page.locator("#notice")).to_be_visible()
    page.locator(".slot.legal").first.click()
    expect(page.locator(".slot.sent")).to_have_count(1)
    assert hand_of(page) == cards
    context.set_offline(False)
    expect(page.locator(".slot")).to_have_count(len(cards) - 1)
    _plays_on(page, hand_of(page))


def test_server_restart(visit: Visit, start_server: Callable[..., Server]) -> None:
    """When the server goes and comes back, the page finds its table again by itself."""
    server = start_server()
    page = visit(base=server.url)
    cards = _at_play(page)
    server.stop()
    expect(page.locator("#notice-text")).to_have_text("Reconnecting…")
    server.start()
    expect(page.locator("#notice")).to_be_hidden()
    _plays_on(page, cards)


def test_worker_killed(visit: Visit, start_server: Callable[..., Server]) -> None:
    """When the worker under a table is killed, the player sees his hand again and plays on."""
    server = start_server(workers=1)
    page = visit(base=server.url)
    cards = _at_play(page)
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    _plays_on(page, cards)


def test_second_tab(visit: Visit, context_of: Callable[..., BrowserContext]) -> None:
    """A second tab on the same link may take the seat, and the first may take it back."""
    context = context_of()
    first = visit(context=context)
    code = create(first, "Sara")
    begin(first)
    wait_for_turn(first)
    cards = hand_of(first)
    second = visit(f"/?room_code={code}", context=context)
    second.get_by_role("button", name="Go on as Sara").click()
    second.locator(".slot.legal").first.wait_for()
    assert hand_of(second) == cards
    expect(first.locator("#notice-text")).to_have_text("This seat is open in another window.")
    first.get_by_role("button", name="Play here").click()
    expect(first.locator("#notice")).to_be_hidden()
    expect(second.locator("#notice-text")).to_have_text("This seat is open in another window.")
    _plays_on(first, cards)


def test_two_tabs_are_two_players(visit: Visit, context_of: Callable[..., BrowserContext]) -> None:
    """A second tab of the same browser may be another player, and stays so after a reload."""
    context = context_of()
    first = visit(context=context)
    code = create(first, "Sara")
    second = visit(f"/?room_code={code}", context=context)
    second.fill("#name", "Bita")
    second.get_by_role("button", name="Join as another player").click()
    second.locator("#lobby .panel").wait_for()
    second.reload()
    expect(second.locator(".place.south .name")).to_have_text("Bita")
    expect(first.locator(".place.south .name")).to_have_text("Sara")
