"""The players' page in a real browser against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, Request, expect

from hokm import wire
from tests.browser.steps import (
    STEP_MS,
    begin,
    create,
    hand_of,
    overflow,
    play_match,
    wait_for_turn,
)
from tests.browser.test_recovery import WATCH
from tests.tables import PureTable

Visit = Callable[..., Page]
# All that moves has come to rest, but for clocks and what moves for ever.
AT_REST = """Promise.allSettled(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime < 2000).map((one) => one.finished))"""
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("locale", "size", "rematch"),
    [
        ("en", (1280, 800), "Rematch"),
        ("en", (360, 740), "Rematch"),
        ("fa", (1280, 800), "بازی دوباره"),
        ("fa", (360, 740), "بازی دوباره"),
    ],
)
def test_whole_match_with_bots(
    visit: Visit, tmp_path: Path, locale: str, size: tuple[int, int], rematch: str
) -> None:
    """A person creates a table, plays a match with bots and then a rematch; no screen overflows."""
    page = visit(size=size, locale=locale)
    expect(page.locator("html")).to_have_attribute("dir", "rtl" if locale == "fa" else "ltr")

    def look(name: str) -> None:
        page.evaluate(AT_REST)
        page.screenshot(path=tmp_path / f"{locale}-{name}.png")
        assert overflow(page) == 0, name

    look("home")
    page.locator("#tool-rules").click()
    look("rules")
    page.keyboard.press("Escape")
    create(page, "Sara")
    look("lobby")
    begin(page)
    wait_for_turn(page)
    look("turn")
    page.locator("#tool-chat").click()
    look("chat")
    page.locator("#tool-chat").click(force=True)
    play_match([page])
    look("result")
    expect(page.locator("details.fair.holds")).to_have_count(1)
    page.get_by_role("button", name=rematch).click()
    expect(page.locator("#sheet")).to_be_hidden()
    wait_for_turn(page)
    assert page.locator(".pips .on").count() == 0


def test_each_finds_his_seed(visit: Visit) -> None:
    """The check of a deal finds the player's own share of it, also where the draw has moved him."""
    page = visit()
    check = """async ([proof, seat, seed]) =>
        (await import("/fairness.js")).check(proof, {promised: "", seat, seed})"""
    moved = set()
    for number in range(3):
        table = PureTable(number, first_hakem="ace_partner")
        for seat in range(4):
            table.join(seed=f"{seat}" * 32)
        table.do(0, wire.Start)
        while len(table.hands) < 2:
            table.tick()
        for hand in table.hands:
            proof = msgspec.to_builtins(hand.proof)
            for seat in range(4):
                seed = table.room.seat(seat).seed
                assert all(page.evaluate(check, [proof, seat, seed]).values())
                assert not page.evaluate(check, [proof, seat, "f" * 32])["seed"]
                moved.add(seed != f"{seat}" * 32)
    assert moved == {True, False}


PRIVATE = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"


def test_a_browser_is_counted(visit: Visit) -> None:
    """By a number that it keeps, once it sits at a table; not if it asks to be left alone."""
    told: list[str] = []

    def hear(request: Request) -> None:
        if request.url.endswith("/api/visits"):
            told.append(json.loads(request.post_data or "")["guest"])

    page = visit()
    page.on("request", hear)
    with page.expect_response("**/api/visits") as response:
        create(page, "Sara")
    assert response.value.status == 204
    with page.expect_response("**/api/visits"):
        page.reload()
    kept = json.loads(page.evaluate("localStorage.getItem('hokm.guest')"))
    assert told == [kept, kept]
    page.add_init_script(PRIVATE)
    page.reload()
    page.locator("#lobby .panel").wait_for()
    assert len(told) == 2


# Play on until the trump is to be named; says whether it is.
PLAY_TO_CALL = """() => {
  document.querySelector(".slot.legal")?.click();
  return Boolean(document.querySelector(".suit-button"));
}"""
NAME_ALL = 'document.querySelectorAll(".suit-button").forEach((button) => button.click())'


def test_a_trump_named_in_haste(visit: Visit) -> None:
    """Who taps several suits at once has named the first, and is told of no error."""
    page = visit(options={"target": 100, "pause_seconds": 0})
    create(page, "Sara")
    begin(page)
    page.wait_for_function(PLAY_TO_CALL, polling=20, timeout=240_000)
    page.evaluate(NAME_ALL)
    page.locator(".slot.legal").first.wait_for()
    assert page.locator(".toast").count() == 0


def test_a_match_to_seven(visit: Visit) -> None:
    """A match by the default rules is played to its end against three bots, on a phone."""
    page = visit(size=(360, 740), locale="fa", options={"target": 7})
    create(page, "سارا")
    begin(page)
    play_match([page])
    assert overflow(page) == 0
    assert page.locator(".pips .on").count() >= 7


def test_play_with_three_bots(visit: Visit) -> None:
    """One click on the first page leads to a running match."""
    page = visit()
    page.get_by_role("button", name="Play with three bots").click()
    wait_for_turn(page)
    assert len(hand_of(page)) in (12, 13)
    expect(page.locator(".plate.south .name")).to_have_text("Guest")


def test_keyboard_alone(visit: Visit) -> None:
    """Everything from the first page to the end of a trick is done by keys."""
    # The announcer keeps the last six lines: bots that take no time push the player's own out.
    page = visit(options={"bot_seconds": 0.5})
    page.get_by_role("button", name="Play with three bots").focus()
    page.keyboard.press("Enter")
    page.locator(".suit-button, .slot.legal").first.wait_for()
    if page.locator(".suit-button").count():
        expect(page.locator(".suit-button").first).to_be_focused()
        page.keyboard.press("Enter")
    page.locator(".slot.legal").first.wait_for()
    _tab_to(page, "#hand")
    page.keyboard.press("Home")
    for _ in range(13):
        if page.evaluate("document.activeElement.classList.contains('legal')"):
            break
        page.keyboard.press("ArrowRight")
    held = len(hand_of(page))
    page.keyboard.press("Enter")
    expect(page.locator(".slot")).to_have_count(held - 1)
    assert page.evaluate("document.activeElement.classList.contains('slot')")
    expect(page.locator("#announcer")).to_contain_text("Guest: ")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.querySelector('{selector}').contains(document.activeElement)"):
            return
    pytest.fail(f"{selector} cannot be reached by the Tab key")


def test_four_people(visit: Visit) -> None:
    """Four people meet by the link, sit, are ready, and all see the same end of the match."""
    host = visit()
    code = create(host, "Ali")
    pages = [host]
    for name in ("Bita", "Cima", "Dara"):
        page = visit(f"/?room_code={code.lower()}")
        page.fill("#name", name)
        page.get_by_role("button", name="Take a seat").click()
        page.locator("#lobby .panel").wait_for()
        page.locator("[data-action=ready]").click()
        pages.append(page)
    expect(host.locator(".state.is-ready")).to_have_count(3)
    expect(pages[1].locator(".plate.east .name")).to_have_text("Cima")
    expect(pages[1].locator(".plate.west .name")).to_have_text("Ali")
    begin(host)
    play_match(pages)
    titles = [page.locator("#sheet h2").inner_text() for page in pages]
    assert titles[0] == titles[2] != titles[1] == titles[3]


def test_spectator_sees_no_cards(visit: Visit) -> None:
    """Somebody who watches is shown card backs, and is not even sent what players hold."""
    host = visit()
    code = create(host, "Sara")
    watcher = visit(f"/?room_code={code}")
    frames: list[str] = []
    watcher.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    watcher.get_by_role("button", name="Watch").click()
    expect(watcher.locator("#connection")).to_have_text("You are watching")
    begin(host)
    wait_for_turn(host)
    watcher.locator(".plate.south .fan .card").first.wait_for()
    assert watcher.locator(".slot").count() == 0
    until = time.monotonic() + 30
    told: list[dict[str, Any]] = []
    while not any(message["type"] == "turn" and message["action"] == "play" for message in told):
        assert time.monotonic() < until, told
        watcher.wait_for_timeout(STEP_MS)
        told = [json.loads(frame) for frame in frames]
    dealt = [message["cards"] for message in told if message["type"] == "cards_dealt"]
    assert dealt == [[], []]
    hands = [message["state"]["hand"] for message in told if "state" in message]
    assert hands == [[]]
    assert not any("legal" in message for message in told)


def test_chat_is_text(visit: Visit) -> None:
    """What somebody writes is shown as text, whatever it looks like, and counted until read."""
    host = visit()
    code = create(host, "Sara")
    guest = visit(f"/?room_code={code}")
    guest.fill("#name", "<b>Bita</b>")
    guest.get_by_role("button", name="Take a seat").click()
    guest.locator("#lobby .panel").wait_for()
    guest.locator("#tool-chat").click()
    text = "<img src=x onerror=alert(1)>"
    guest.get_by_label("Message").fill(text)
    guest.keyboard.press("Enter")
    expect(host.locator("#unread")).to_have_text("1")
    host.locator("#tool-chat").click()
    expect(host.locator("#chat .lines span")).to_have_text(text)
    expect(host.locator("#chat .lines b")).to_have_text("<b>Bita</b>")
    assert host.locator("#chat .lines img").count() == 0
    expect(host.locator("#unread")).to_be_hidden()


def test_seats_and_bots(visit: Visit) -> None:
    """The host sits elsewhere, adds bots of both kinds and removes one; one too many is refused."""
    page = visit()
    create(page, "Sara")
    page.locator("[data-action=sit-2]").click()
    expect(page.locator(".place.south")).to_have_attribute("data-seat", "2")
    page.locator("[data-action=bot-3]").click()
    page.locator("[data-action=easy-0]").click()
    expect(page.locator(".place.east .tag")).to_have_text("Bot")
    expect(page.locator(".place.north .tag")).to_have_text("Easy bot")
    twice = "button => { button.click(); button.click(); }"
    page.evaluate(WATCH)
    page.locator("[data-action=bot-1]").evaluate(twice)
    page.wait_for_function("() => noticed.includes('All seats are taken')")
    page.locator("[data-action=kick-0]").click()
    expect(page.locator("[data-action=sit-0]")).to_be_visible()


def test_wrong_code_leads_home(visit: Visit) -> None:
    """A code without a table is said to have none, on the first page."""
    page = visit("/?room_code=ZZZZ2222")
    page.get_by_role("button", name="Take a seat").click()
    expect(page.locator(".problem")).to_have_text("There is no table with this code.")
    expect(page.get_by_role("button", name="Create a table")).to_be_visible()


def test_language_and_deck_are_remembered(visit: Visit) -> None:
    """Language and deck colours change at once and are the same after a reload."""
    page = visit()
    page.locator("#tool-language").click()
    expect(page.locator("h1")).to_have_text("حکم")
    page.locator("#tool-deck").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "fa")
    expect(page.locator("body")).to_have_class("four-colours")
    expect(page.locator("#tool-deck")).to_have_attribute("aria-pressed", "true")


def test_leaving_gives_the_seat_to_a_bot(visit: Visit) -> None:
    """Who leaves in the middle of a match comes home, and a bot takes his seat."""
    host = visit()
    code = create(host, "Sara")
    guest = visit(f"/?room_code={code}")
    guest.fill("#name", "Bita")
    guest.get_by_role("button", name="Take a seat").click()
    guest.locator("#lobby .panel").wait_for()
    begin(host)
    guest.locator("#tool-leave").click()
    guest.locator("#sheet").get_by_role("button", name="Leave").click()
    expect(guest.get_by_role("button", name="Create a table")).to_be_visible()
    expect(host.locator(".plate.east .tag")).to_have_text("bot")
