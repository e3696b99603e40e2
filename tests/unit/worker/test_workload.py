"""Which rooms are busy, from how many records they have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from hokm.worker.workload import TOLD, Workload


def test_rates() -> None:
    """Per second, half of it from the look before; a room that has just come has none yet."""
    clock = Clock()
    busy: Any = SimpleNamespace(records=100)
    tables: dict[str, Any] = {"BUSY": busy}
    workload = Workload(tables, clock)
    workload.look()  # at once: no time has passed
    clock.advance(1.0)
    workload.look()
    assert (workload.records_s, workload.busiest) == (0.0, {"BUSY": 0.0})
    for expected in (10.0, 15.0, 17.5):
        busy.records += 40
        clock.advance(2.0)
        workload.look()
        assert workload.busiest == {"BUSY": pytest.approx(expected)}
    tables["COME"] = SimpleNamespace(records=5000)
    clock.advance(1.0)
    workload.look()
    assert workload.busiest["COME"] == 0.0
    del tables["BUSY"]
    clock.advance(1.0)
    workload.look()
    assert (workload.records_s, set(workload.busiest)) == (0.0, {"COME"})


def test_only_the_busiest_are_told_of() -> None:
    """The sum is that of all."""
    clock = Clock()
    tables: dict[str, Any] = {f"R{n}": SimpleNamespace(records=0) for n in range(TOLD + 50)}
    workload = Workload(tables, clock)
    clock.advance(1.0)
    workload.look()
    for n in range(TOLD + 50):
        tables[f"R{n}"].records += n
    clock.advance(1.0)
    workload.look()
    assert set(workload.busiest) == {f"R{n}" for n in range(50, TOLD + 50)}
    assert workload.records_s == sum(range(TOLD + 50)) / 2
