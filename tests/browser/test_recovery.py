"""A server that recovers its table while the page's connection stays open: nobody is to notice."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.steps import STEP_MS, begin, create, hand_of, play_until, wait_for_turn

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow

WAIT_SECONDS = 30.0
LONGEST_RECOVERY_MS = 6000  # 5 s until a hung worker is given up, 1 s until its tables are back
OWN_ID = 10**9  # of the commands that are not the page's
# Notes all that a player could notice, however short it is shown.
WATCH = """() => {
  window.noticed = [];
  const look = () => document.querySelectorAll(
    ".toast, #notice:not([hidden]), #connection:not([data-status=open])"
  ).forEach((node) => noticed.push(node.textContent));
  const all = { attributes: true, childList: true, subtree: true };
  new MutationObserver(look).observe(document.body, all);
}"""


class Between:
    """Stands between the page and the server, and loses what a dying worker loses.

    Attributes:
        sent: The page's commands.
        deaf: Whether they are lost.
        mute: Whether all that the server says is lost, up to the state of a recovery.
        sockets: How many connections the page has made.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.sent: list[dict[str, Any]] = []
        self.deaf = False
        self.mute = False
        self.sockets = 0
        self._page: WebSocketRoute
        self._server: WebSocketRoute
        self._changes: dict[str, Any] = {}
        context.route_web_socket(re.compile(r"/ws\?"), self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets += 1
        self._page, self._server = socket, socket.connect_to_server()
        self._page.on_message(self._to_server)
        self._server.on_message(self._to_page)

    def _to_server(self, text: str | bytes) -> None:
        self.sent.append(json.loads(text))
        if not self.deaf:
            self._server.send(text)

    def _to_page(self, text: str | bytes) -> None:
        message = json.loads(text)
        if message.get("id") == OWN_ID or (self.mute and message["type"] != "state"):
            return
        self.mute = False
        changes, self._changes = self._changes, {}
        self.tell(**{**message, **changes})

    def recover(self, *, deaf: bool = False, **changes: Any) -> None:
        """Be the worker that took the table over: what goes on begins with the true state.

        Args:
            deaf: Whether the page's commands are lost still.
            changes: Fields of the message with the state.
        """
        self.deaf = deaf
        self.mute = True
        self._changes = changes
        self._server.send(json.dumps({"type": "sync", "id": OWN_ID}))

    def tell(self, **message: Any) -> None:
        """Say something to the page."""
        self._page.send(json.dumps(message))

    def ids(self, kind: str) -> list[int]:
        """Return the ids of the page's commands of a kind."""
        return [command["id"] for command in self.sent if command["type"] == kind]


@pytest.fixture
def context(context_of: Callable[..., BrowserContext]) -> BrowserContext:
    """Open a browser of its own for the test."""
    return context_of()


@pytest.fixture
def between(context: BrowserContext) -> Between:
    """Stand between its pages and the server."""
    return Between(context)


@pytest.fixture
def page(visit: Visit, context: BrowserContext, between: Between) -> Page:
    """Bring a player to his first turn, watched from then on."""
    page = visit(context=context)
    create(page, "Sara")
    begin(page)
    wait_for_turn(page)
    page.evaluate(WATCH)
    return page


def _until(page: Page, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        page.wait_for_timeout(STEP_MS)


def _play(page: Page) -> None:
    """Play a card that the server does not hear of, or the page of its answer."""
    page.locator(".slot.legal").first.click()
    expect(page.locator(".slot.sent")).to_have_count(1)


def _goes_on(page: Page, between: Between, cards: int) -> None:
    """Check that the card is played, that another one can be, and that nothing was noticed."""
    expect(page.locator(".slot")).to_have_count(cards - 1)
    play_until([page], lambda: len(hand_of(page)) < cards - 1)
    assert page.evaluate("noticed") == []
    assert between.sockets == 1


def test_a_play_whose_answer_is_lost(page: Page, between: Between) -> None:
    """It is done, and not sent again."""
    cards = len(hand_of(page))
    between.mute = True
    _play(page)
    between.recover()
    _goes_on(page, between, cards)
    ids = between.ids("play")
    assert len(set(ids)) == len(ids)


def test_a_play_that_is_lost(page: Page, between: Between) -> None:
    """It is sent again as it was; until it is done the player cannot choose another card."""
    cards = len(hand_of(page))
    between.deaf = True
    _play(page)
    (play,) = between.ids("play")
    between.recover(deaf=True)
    _until(page, lambda: between.ids("play") == [play, play])
    expect(page.locator(".slot.sent")).to_have_count(1)
    expect(page.locator(".slot.legal")).to_have_count(0)
    between.recover()
    _goes_on(page, between, cards)
    ids = between.ids("play")
    assert ids[:3] == [play, play, play]
    assert len(set(ids[2:])) == len(ids[2:])


def test_a_play_refused_the_second_time(page: Page, between: Between) -> None:
    """That is no news, but the card can be played again; so is each further answer ignored."""
    cards = len(hand_of(page))
    between.deaf = True
    _play(page)
    (play,) = between.ids("play")
    between.recover(deaf=True)
    _until(page, lambda: between.ids("play") == [play, play])
    between.deaf = False
    for _ in range(2):
        between.tell(type="error", id=play, code="not_your_turn", message="")
    page.locator(".slot.legal").first.click()
    _goes_on(page, between, cards)


def test_a_join_that_is_lost(visit: Visit, context: BrowserContext, between: Between) -> None:
    """It is sent again as it was when the server knows of no place, or the welcome is lost."""
    between.deaf = True
    page = visit(context=context)
    page.fill("#name", "Sara")
    page.locator(".create .button").first.click()
    for times in (1, 2):
        _until(page, lambda times=times: len(between.sent) == times)
        between.tell(type="error", id=None, code="not_joined", message="")
    _until(page, lambda: len(between.sent) == 3)
    between.deaf = False
    between.tell(type="state", last_id=1, state={})
    page.locator("#lobby .panel").wait_for()
    joins = [command for command in between.sent if command["type"] == "join"]
    assert joins == [joins[0]] * 4
    assert between.sockets == 1


def test_a_place_that_is_gone(page: Page, between: Between) -> None:
    """The page joins again by its newest token and loses no play; two welcomes are no matter."""
    cards = len(hand_of(page))
    between.deaf = True
    _play(page)
    (play,) = between.ids("play")
    for token in ("a" * 64, "b" * 64):
        between.tell(type="error", id=None, code="not_joined", message="")
        _until(page, lambda: between.sent[-1]["type"] == "join")
        between.recover(deaf=True, type="welcome", token=token, room_code="AB23", seat=0)
        _until(page, lambda: between.sent[-1]["id"] == play)
    assert between.sent[-2]["token"] == "a" * 64
    between.recover(type="welcome", token="c" * 64, room_code="AB23", seat=0)
    _goes_on(page, between, cards)


def test_a_worker_that_hangs(page: Page, between: Between) -> None:
    """The page waits longer than the server takes to find it out, but not for ever."""
    cards = len(hand_of(page))
    page.clock.install()
    between.deaf = True
    _play(page)
    page.clock.run_for(LONGEST_RECOVERY_MS)
    between.recover()
    _goes_on(page, between, cards)
    wait_for_turn(page)
    between.deaf = between.mute = True
    _play(page)
    page.clock.run_for(2 * LONGEST_RECOVERY_MS)
    _until(page, lambda: between.sockets > 1)
    between.deaf = between.mute = False
