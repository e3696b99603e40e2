"""The plot is a document that shows what was measured."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from benchmark.panels import panels
from benchmark.plot import draw, nice_ticks
from benchmark.scale import Result, Sample, Spot, as_text, growth, spots

SVG = "{http://www.w3.org/2000/svg}"


def result(workers: int, rooms: int, *cpu: float) -> Result:
    """Return a spot's result, one sample for each cost."""
    samples = [Sample(us, 1e6 / us, 0.5, us / 10, 0.25, 5.0) for us in cpu]
    return Result(Spot(workers, rooms), tuple(samples))


@pytest.mark.parametrize("greatest", [0.003, 0.7, 1.0, 3.0, 99.0, 100.0, 101.0, 427.3, 8000.0])
def test_ticks_are_few_and_reach_the_greatest(greatest: float) -> None:
    """From 0 to the first step at or above the greatest value."""
    ticks = nice_ticks(greatest)
    assert ticks[0] == 0
    assert ticks[-2] < greatest <= ticks[-1] * (1 + 1e-9)
    assert 3 <= len(ticks) <= 7


def test_every_value_is_drawn_within_its_panel() -> None:
    """Cost and two times, over rooms and over workers: a mark for each, none outside."""
    results = [result(1, 10, 90.0, 120.0), result(1, 2000, 100.0, 130.0)]
    results += [result(workers, 400, 100.0 + workers) for workers in (1, 2, 3, 4)]
    root = ElementTree.fromstring(draw(panels(results), columns=2))
    marks = root.findall(f".//{SVG}circle")
    assert len(marks) == 3 * (3 + 4)
    width, height = (float(root.get(name, 0)) for name in ("width", "height"))
    assert all(0 < float(mark.get("cx", -1)) < width / 2 for mark in marks)
    assert all(0 < float(mark.get("cy", -1)) < height / 2 for mark in marks)
    words = [text.text for text in root.findall(f".//{SVG}text")]
    assert {"CPU per play (µs)", "workers", "8,000", "p99"} <= set(words)


def test_without_results_for_workers_there_are_no_panels_of_them() -> None:
    """A short run draws what it has."""
    assert len(panels([result(1, 10, 90.0), result(1, 25, 95.0)])) == 2


def test_growth_is_taken_within_a_round() -> None:
    """1.5 and 1.1, whatever the machine did between the rounds."""
    spread = growth([result(1, 10, 100.0, 200.0), result(1, 2000, 150.0, 220.0)])
    assert spread is not None
    assert (spread.median, spread.min, spread.max) == pytest.approx((1.3, 1.1, 1.5))


def test_all_spots_are_there() -> None:
    """From 10 to 2,000 rooms of one worker, up to 8,000 connections, and 1 to 4 workers."""
    rooms = [spot.rooms for spot in spots() if spot.workers == 1]
    assert (min(rooms), max(rooms)) == (10, 2000)
    assert max(spot.connections for spot in spots()) == 8000
    assert {spot.workers for spot in spots()} == {1, 2, 3, 4}


def test_the_table_has_a_line_for_each_spot() -> None:
    """With the share of a core at leisure, in per cent."""
    lines = as_text([result(1, 10, 90.0), result(1, 2000, 99.0)]).splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["1", "10", "40"], ["1", "2000", "8000"]]
    assert lines[2].endswith(" 25.0")
