"""What the programs are given on the command line is understood, or said to be wrong."""

from __future__ import annotations

import argparse

import pytest
from disturbance import command


@pytest.mark.parametrize("name", ["3", "worker-3", "hokm-server-3"])
def test_a_worker_is_named_by_its_number(name: str) -> None:
    """The number is enough; in front of it may stand what others call it."""
    assert command.worker(name) == 3


@pytest.mark.parametrize("name", ["", "hokm-server", "3rd", "hokm-server-\u0663"])
def test_what_names_no_worker(name: str) -> None:
    """It ends with no number, and is told what it lacks."""
    with pytest.raises(argparse.ArgumentTypeError, match="worker's number"):
        command.worker(name)
