"""The same seed gives the same faults."""

from __future__ import annotations

import pytest
from disturbance.schedule import WEIGHTS, make_schedule, read_kinds


def test_the_seed_decides() -> None:
    """Same seed, same schedule; another seed, another; the length only cuts it off."""
    kinds = list(WEIGHTS)
    first = make_schedule(seed=1, seconds=600.0, every=3.0, kinds=kinds)
    assert first == make_schedule(seed=1, seconds=600.0, every=3.0, kinds=kinds)
    assert first != make_schedule(seed=2, seconds=600.0, every=3.0, kinds=kinds)
    short = make_schedule(seed=1, seconds=60.0, every=3.0, kinds=kinds)
    assert short == first[: len(short)]
    assert 100 < len(first) < 400
    assert {action.kind for action in first} == set(kinds)


def test_kinds_are_read() -> None:
    """All, none, a list; what is no fault is named."""
    assert read_kinds("all") == list(WEIGHTS)
    assert read_kinds("none") == []
    assert make_schedule(seed=1, seconds=60.0, every=3.0, kinds=[]) == []
    assert read_kinds("kill,move") == ["kill", "move"]
    with pytest.raises(ValueError, match="flood is no fault"):
        read_kinds("kill,flood")
