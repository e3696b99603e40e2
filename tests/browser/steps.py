"""What a person does at the page, in the tests' words."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page

MATCH_SECONDS = 60.0
STEP_MS = 60  # between two looks at pages that play

# One look: call a trump, play the first legal card, or nothing when it is somebody else's turn.
ACT = """() => {
  const button = document.querySelector(".suit-button, .slot.legal");
  if (button) button.click();
  return Boolean(button);
}"""

# What a match that goes on changes: its phase, how many cards one has, and points.
PROGRESS = """() => [
  document.querySelector("#room").dataset.phase,
  document.querySelectorAll(".slot").length,
  document.querySelectorAll(".pips .on").length,
]"""


def create(page: Page, name: str) -> str:
    """Make a table and take a seat at it; its code."""
    page.fill("#name", name)
    page.locator(".create .button").first.click()
    page.locator("#lobby .panel").wait_for()
    return page.locator("#lobby strong.code").inner_text()


def begin(page: Page) -> None:
    """Let the host start the match, with bots on all free seats."""
    page.locator("[data-action=start]").click()
    page.locator(".plate.on-turn").first.wait_for()


def play_until(pages: list[Page], done: Callable[[], bool]) -> None:
    """Let all players do what they may, until *done* says so.

    Raises:
        AssertionError: It never said so.
    """
    deadline = time.monotonic() + MATCH_SECONDS
    while not done():
        shown = [page.locator("#room").get_attribute("data-phase") for page in pages]
        assert time.monotonic() < deadline, f"what is waited for does not come; shown: {shown}"
        for page in pages:
            page.evaluate(ACT)
        pages[0].wait_for_timeout(STEP_MS)


def play_match(pages: list[Page]) -> None:
    """Play until every page shows the result of the match, however long it is: it goes on."""

    def is_done() -> bool:
        return all(is_over(page) for page in pages)

    while not is_done():
        before = pages[0].evaluate(PROGRESS)
        play_until(pages, lambda old=before: pages[0].evaluate(PROGRESS) != old or is_done())


def is_over(page: Page) -> bool:
    """Say whether the page shows the result of the match."""
    over = page.locator("#room").get_attribute("data-phase") == "match_over"
    return over and page.locator("#sheet.result").is_visible()


def hand_of(page: Page) -> list[str]:
    """Return the cards that the page shows as the player's own."""
    cards = page.eval_on_selector_all(".slot", "nodes => nodes.map(node => node.dataset.card)")
    return [str(card) for card in cards]


def wait_for_turn(page: Page) -> None:
    """Name a trump if it is the player's to name, and wait until he may play a card."""
    page.locator(".suit-button, .slot.legal").first.wait_for()
    suit = page.locator(".suit-button")
    if suit.count():
        suit.first.click()
    page.locator(".slot.legal").first.wait_for()


def overflow(page: Page) -> int:
    """Return how many pixels the page is wider than its window; 0 where it fits."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
