"""What `hokmctl top` draws: from what a server tells to lines of a terminal."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from twisted.internet.task import Clock

from hokm.ctl.top import BLOCKS, LETTERS, TREND, Look, draw, spark
from tests.operations import FakeInstance

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def told(change: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """Return what a server tells, as hokmctl reads it: status and trends."""
    instance = FakeInstance(Clock())
    instance.drain(3)
    status = msgspec.to_builtins(instance.status()) | (change or {})
    return status, msgspec.to_builtins(instance.trends(), str_keys=True)


def test_all_of_it() -> None:
    """Figures, workers with their trends, jobs, rules, decisions."""
    lines = draw(*told(), Look())
    assert lines[:2] == ["hokm 9.8.7 on here, up 1:06:40", ""]
    assert lines[2:6] == [
        "players  44, 48 connections; 12 rooms, 11 matches in play",
        "new      4.25 rooms a minute; queue 0",
        "machine  CPU - %, memory - %",
        "store    up, embedded, unix:/store",
    ]
    assert lines[6].startswith("handoff  7 moves, pause ms: p50 3.1")
    assert lines[9].split() == ["1", "4242", "ready", "12", "48", "23%", "81", "0.4", "▂", "▁"]
    assert lines[10].split()[:3] == ["22", "-", "dead"]
    assert lines[12] == "[........................] drain 3: 0 of 3"
    assert lines[14].startswith("lease    held, 10 s, renewed 1.2 s ago; active; 3 connections")
    assert lines[17].split()[:3] == ["there", "leaving", "3"]
    assert lines[19] == "2 workers wanted, 1 to 4 allowed: cpu above 70 %"
    assert lines[21].split()[:3] == ["hot", "cpu", "84.2"]
    assert lines[-2:] == [
        "2026-01-02T03:05:05+00:00  2 workers: overloaded",
        "2026-01-02T03:04:05+00:00  1 to 2 workers: hot: cpu 84 %",
    ]


def test_no_fleet() -> None:
    """Nothing is said of one."""
    assert not any("lease" in line for line in draw(*told({"fleet": ()}), Look()))


def test_what_is_wrong_comes_first() -> None:
    """The server's trouble, and the connection's."""
    status, trends = told({"unhealthy": ("the store does not answer",)})
    status["scaling"] |= {"overloaded": True, "more_instances": True}
    lines = draw(status, trends, Look(), "reconnecting for 3 s")
    assert lines[1:5] == [
        "reconnecting for 3 s",
        "players cannot be served: the store does not answer",
        "overloaded: new tables are refused",
        "another instance is wanted",
    ]


@pytest.mark.parametrize("width", [0, 1, 20, 79, 80, 200])
@pytest.mark.parametrize("height", [0, 1, 2, 10, 24, 60])
@pytest.mark.parametrize("colour", [True, False])
def test_it_fits(width: int, height: int, colour: bool) -> None:
    """No line is wider than the terminal, and there are no more than it has."""
    whole = draw(*told(), Look())
    lines = draw(*told(), Look(width, height, colour))
    plain = [ESCAPE.sub("", line) for line in lines]
    assert max(map(len, plain), default=0) <= width
    assert len(plain) == min(max(height, 1), len(whole))
    if height < len(whole):
        left = len(whole) - max(height - 1, 0)
        assert plain[-1] == f"{left} more lines: the window is too low"[:width]
    assert colour or plain == lines


def test_colours() -> None:
    """Only where they are wanted; they change nothing but the colour."""
    plain, coloured = (draw(*told(), Look(colour=colour)) for colour in (False, True))
    assert [ESCAPE.sub("", line) for line in coloured] == plain
    assert any(line.startswith("\x1b[31;1m    22") for line in coloured)


def test_nothing_steers_the_terminal() -> None:
    """Whatever the texts hold, only our own colours are written."""
    evil = "\x1b[2J\x9b1m\r\n\x07"
    status, trends = told({"unhealthy": (evil,)})
    status["instance"]["id"] = evil
    for colour in (False, True):
        text = "".join(ESCAPE.sub("", line) for line in draw(status, trends, Look(colour=colour)))
        assert text.isprintable()
        assert "?[2J?1m???" in text


def test_a_worker_without_trends() -> None:
    """One that has just come is shown all the same."""
    status, _ = told()
    assert draw(status, {"every_s": 1.0, "workers": {}}, Look())[9].split()[:2] == ["1", "4242"]


@pytest.mark.parametrize(
    ("values", "least", "drawn"),
    [
        ([], 1.0, ""),
        ([0.0], 1.0, "▁"),
        ([1.0], 1.0, "█"),
        ([5 * [0.0], 5 * [0.5], 5 * [1.0]], 1.0, "▁▅█"),
        ([[0.0], 5 * [4.0]], 1.0, "▁█"),
        ([[9.0, 0.0, 0.0, 0.0, 0.0]], 18.0, "▅"),
        (120 * [1.0] + 5 * [0.0], 1.0, (TREND - 1) * "█" + "▁"),
    ],
)
def test_a_spark(values: list[Any], least: float, drawn: str) -> None:
    """Each block is the highest of five seconds; the newest is at the right."""
    flat = [v for one in values for v in (one if isinstance(one, list) else [one])]
    assert spark(flat, least) == drawn.rjust(TREND)
    assert spark(flat, least, LETTERS) == drawn.rjust(TREND).translate(
        str.maketrans(BLOCKS, LETTERS)
    )
