"""What gates are told, without their processes."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from hokm.control import gate as g
from hokm.metrics import Metrics
from hokm.supervisor.child import Launch
from hokm.supervisor.gates import Gate, Gates


def test_a_gate_that_starts_hears_of_a_new_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told the old one at its start."""
    told: list[Any] = []
    monkeypatch.setattr(Gate, "start", lambda gate, launch, first, fds: told.append(first))
    monkeypatch.setattr(Gate, "tell", lambda gate, message, fds=(): told.append(message))
    old, new = g.Pem(certificate=b"old", key=b"k"), g.Pem(certificate=b"new", key=b"k")
    begin = g.Begin(home=("", 0), secret=b"s", pem=old, log_format="text", log_level="info")
    gates = Gates(
        reactor=Clock(), launch=Launch((), {}), begin=begin, listening=None, metrics=Metrics()
    )
    gates._start()
    gates.renew(new)
    assert told == [begin, g.Renew(pem=new)]
