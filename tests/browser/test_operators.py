"""The operators' page in a real browser against a real server that is played at."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from hokm.jobs import JobStatus
from hokm.supervisor.status import DecisionStatus, MemberStatus
from tests.browser.steps import overflow
from tests.conftest import Server
from tests.integration.test_scaling import configuration, read_anew

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow

SLOW_MS = 30_000  # until processes have started, on a machine that has other things to do, too
EVIL = "<b id=evil>x</b>"
JOB = JobStatus(1, "replace", "2 workers", "running", 1, 2, "a successor starts", 0.5)
MEMBER = MemberStatus("x", "10.0.0.1:8765", "9.8.7", "active", 2, 12, 48, "2026-01-02T03:04:05Z")
DECISION = DecisionStatus("2026-01-02T03:04:05+00:00", 1, 2, False, False, ("cpu is high",))

# Seat four people at a table of their own; `lost` counts the sockets that close.
SEAT = """async (name) => {
  globalThis.sockets ??= [];
  globalThis.lost ??= 0;
  const body = JSON.stringify({ options: {} });
  const made = await (await fetch("/api/rooms", { method: "POST", body })).json();
  for (let n = 0; n < 4; n += 1) {
    const socket = new WebSocket(`ws://${location.host}/ws?room_code=${made.room_code}`);
    const seated = new Promise((resolve) => { socket.onmessage = resolve; });
    socket.onopen = () => socket.send(JSON.stringify({ type: "join", id: 1, name: `${name}${n}` }));
    socket.onclose = () => { globalThis.lost += 1; };
    globalThis.sockets.push(socket);
    await seated;
  }
  return made.room_code;
}"""


def seat(visit: Visit, server: Server, tables: int) -> tuple[Page, list[str]]:
    """Let people sit at tables; the page that holds their sockets, and the tables' codes."""
    page = visit(base=server.url)
    return page, [page.evaluate(SEAT, EVIL) for _ in range(tables)]


def states(page: Page) -> Locator:
    """Return the states of the workers, as shown."""
    return page.locator("#workers tbody .badge")


def answer(page: Page, action: str) -> None:
    """Confirm what the page asks."""
    page.locator("#dialog").get_by_role("button", name=action).click()
    expect(page.locator("#dialog")).to_be_hidden()


def expect_done(page: Page, what: str) -> None:
    """Wait until the page says that the reader's own wish is done."""
    strip = page.locator("#strip")
    expect(strip.locator("strong")).to_have_text(what)
    expect(strip.locator(".badge")).to_have_text("Done", timeout=SLOW_MS)


def test_a_scale_up_and_a_drain(
    visit: Visit, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Workers come while one looks, with the reason; one is drained; no player loses a socket."""
    config = configuration(tmp_path, ("crowded", "connections_per_worker", "above", 50))
    server = start_server("--config", config, workers="1-2")
    page = visit(base=server.admin)
    page.evaluate("globalThis.same = true")
    expect(states(page)).to_have_text(["ready"])
    expect(page.locator("#rules tbody .badge")).to_have_text("quiet")
    players, codes = seat(visit, server, 2)
    page.bring_to_front()
    expect(page.locator("#tiles")).to_contain_text("8 connections")
    read_anew(server, tmp_path, ("crowded", "connections_per_worker", "above", 5))
    expect(states(page)).to_have_text(["ready", "ready"], timeout=SLOW_MS)
    decision = page.locator("#decisions li").first
    expect(decision.locator("strong")).to_have_text("1 → 2 workers")
    expect(decision).to_contain_text("crowded: connections_per_worker 8 above 5")
    expect(page.locator("#rooms li .code")).to_have_count(2)
    assert set(page.locator("#rooms li .code").all_inner_texts()) == set(codes)
    page.screenshot(path=tmp_path / "operators.png", full_page=True)

    page.get_by_role("button", name="Drain worker 2…").click()
    expect(page.locator("#dialog")).to_contain_text("gets no new rooms")
    expect(page.locator("#dialog")).to_contain_text("No player’s connection is closed.")
    answer(page, "Drain worker 2")
    expect_done(page, "drain worker 2")
    expect(states(page)).to_have_text(["ready"], timeout=SLOW_MS)
    expect(page.locator("#rooms li .badge")).to_have_text(["worker 1", "worker 1"])
    assert page.evaluate("globalThis.same") is True  # it was not loaded anew
    assert players.evaluate("[sockets.length, lost]") == [8, 0]
    assert page.locator("#evil").count() == 0


def test_the_other_verbs(visit: Visit, start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Scale by keys alone, move a room that was found by its code, rebalance, replace."""
    server = start_server("--config", configuration(tmp_path), workers=1)  # no room moves by itself
    players, codes = seat(visit, server, 2)
    page = visit(base=server.admin)
    page.get_by_role("button", name="Drain worker 1…").click()
    page.locator("#dialog").get_by_role("button", name="Drain worker 1").click()
    expect(page.locator("#dialog [role=alert]")).to_contain_text("there is no other worker")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()

    page.get_by_role("button", name="Scale…").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0")
    expect(page.locator("#dialog")).to_contain_text("A whole number from 1 to 256.")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_visible()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2")
    expect(page.locator("#dialog")).to_contain_text("1 worker more")
    page.keyboard.press("Enter")
    expect_done(page, "scale to 2")
    expect(page.get_by_role("button", name="Scale…")).to_be_focused()

    page.get_by_label("Part of a room’s code").fill(codes[0][:5].lower())
    found = page.locator("#rooms li")
    expect(found.locator(".code")).to_have_text([codes[0]])
    found.get_by_role("button").click()
    answer(page, f"Move {codes[0]}")
    expect_done(page, f"move {codes[0]} to worker 2")
    expect(found.locator(".badge")).to_have_text("worker 2")
    page.get_by_label("Part of a room’s code").fill("")
    page.get_by_label("On which worker").select_option("2")
    expect(found.locator(".code")).to_have_text([codes[0]])
    expect(page.locator("#handoffs dd").first).to_have_text("1")

    for button, action, what in (
        ("Rebalance…", "Rebalance", "rebalance rooms"),
        ("Replace…", "Replace all", "replace 2 workers"),
    ):
        page.get_by_role("button", name=button).click()
        answer(page, action)
        expect_done(page, what)
    assert players.evaluate("[sockets.length, lost]") == [8, 0]
    page.get_by_role("button", name="Put away").click()
    expect(page.locator("#strip")).to_be_hidden()


def test_the_server_is_away_for_a_moment(visit: Visit, start_server: Callable[..., Server]) -> None:
    """The page says so, and goes on by itself: after a restart, and when it executes itself."""
    server = start_server(workers=1)
    page = visit(base=server.admin)
    page.evaluate("globalThis.same = true")
    link = page.locator("#link [role=status]")
    expect(link).to_have_text("Live")
    server.stop()
    expect(link).to_have_text("Reconnecting…")
    page.get_by_role("button", name="Replace…").click()
    page.locator("#dialog").get_by_role("button", name="Replace all").click()
    expect(page.locator("#dialog [role=alert]")).to_contain_text("The server does not answer.")
    page.keyboard.press("Escape")
    server.start()
    expect(link).to_have_text("Live")
    expect(states(page)).to_have_text(["ready"], timeout=SLOW_MS)
    lived = server.status()["uptime_s"]
    server.post("/api/upgrade")
    page.wait_for_function(
        """lived => fetch("/api/status").then((answer) => answer.json())
            .then((status) => status.uptime_s < lived, () => false)""",
        arg=lived,
        timeout=SLOW_MS,
    )
    expect(link).to_have_text("Live")
    assert page.evaluate("globalThis.same") is True


def test_the_token(visit: Visit, start_server: Callable[..., Server]) -> None:
    """Nothing is shown without it; a wrong one is told; it stays in its tab until one logs out."""
    token = "operators-secret-tökén"
    page = visit(base=start_server(workers=1, HOKM_ADMIN_TOKEN=token).admin)
    field, error = page.get_by_label("Token"), page.locator("#login-error")
    expect(field).to_be_focused()
    expect(error).to_have_text("")
    expect(page.locator("#main")).to_be_hidden()
    field.fill("another-secret-token")
    page.keyboard.press("Enter")
    expect(error).to_have_text("That is not the token of this server.")
    field.fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(states(page)).to_have_text(["ready"])
    page.reload()
    expect(states(page)).to_have_text(["ready"])
    assert token not in page.content() and token not in page.url
    page.get_by_role("button", name="Scale…").click()
    page.locator("#count").fill("2")
    answer(page, "Scale")
    expect_done(page, "scale to 2")
    page.get_by_role("button", name="Log out").click()
    expect(field).to_be_visible()
    page.reload()
    expect(field).to_be_visible()
    expect(page.locator("#main")).to_be_hidden()


def hostile(value: Any) -> Any:
    """Put markup into every text that a server tells."""
    match value:
        case dict():
            return {name: hostile(one) for name, one in value.items()}
        case list() | tuple():
            return [hostile(one) for one in value]
        case str():
            return f"{value}<img src=x onerror=globalThis.owned=1>{EVIL}"
    return value


def tell_hostile(route: Route) -> None:
    """Let the server's answer hold markup wherever it holds text."""
    answer = route.fetch()
    told = answer.json()
    if "handoff" in told:
        told["handoff"]["aborts"] = {hostile("timeout"): 2}
        told["unhealthy"] = ["no worker is ready"]
        told["fleet"] = [msgspec.to_builtins(MEMBER)]
        told["instance"] |= {"lease_s": 10.0, "lease_age_s": 1.0}
        told["jobs"] = [msgspec.to_builtins(JOB)]
        told["scaling"]["decisions"] = [msgspec.to_builtins(DECISION)]
    route.fulfill(response=answer, json=hostile(told))


def test_markup_and_a_phone(
    visit: Visit, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """What the server tells is text, whatever it holds; nothing is wider than a phone."""
    server = start_server(workers=2)
    _, codes = seat(visit, server, 1)
    page = visit(base=server.admin, size=(360, 740))
    expect(states(page)).to_have_text(["ready", "ready"], timeout=SLOW_MS)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=tmp_path / f"phone-{scheme}.png", full_page=True)
        assert overflow(page) == 0
    page.get_by_role("button", name=f"Move room {codes[0]}…").click()
    expect(page.locator("#dialog")).to_be_visible()
    assert overflow(page) == 0
    page.keyboard.press("Escape")

    page.route(re.compile("/api/(status|rooms)"), tell_hostile)
    for part in (
        "#instance",
        "#alarms",
        "#tiles",
        "#workers",
        "#rooms",
        "#jobs",
        "#rules",
        "#decisions",
        "#fleet",
        "#handoffs",
    ):
        expect(page.locator(part)).to_contain_text(EVIL)
    assert page.locator("#evil, main img").count() == 0
    assert page.evaluate("globalThis.owned") is None
    assert overflow(page) == 0
