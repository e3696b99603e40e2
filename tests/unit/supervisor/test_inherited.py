"""What the environment says of descriptors that were passed."""

from __future__ import annotations

import os
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from hokm.supervisor.inherited import Inherited, inherited, take_over, without_inherited

OURS = {"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "state:player"}


def block(environ: dict[str, str]) -> bytes:
    """Write an environment as ``/proc/PID/environ`` shows it."""
    return b"".join(f"{name}={value}\0".encode() for name, value in environ.items())


def logged(*arguments: Any) -> tuple[list[Inherited], list[Any]]:
    """Return what was inherited, and what was logged meanwhile."""
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        return inherited(*arguments), heard
    finally:
        globalLogPublisher.removeObserver(heard.append)


def test_descriptors_are_numbered_from_three() -> None:
    """Each has the name of its place."""
    environ = block({"HOME": "/", "A": "x=y", **OURS})
    assert inherited(environ, 42) == [Inherited("state", 3), Inherited("player", 4)]


def test_one_descriptor_may_have_no_name() -> None:
    """An empty name is a name."""
    assert inherited(b"LISTEN_FDNAMES=\0LISTEN_PID=42\0LISTEN_FDS=1", 42) == [Inherited("", 3)]


@pytest.mark.parametrize("environ", [{}, {**OURS, "LISTEN_PID": "43"}, {"LISTEN_FDS": "2"}])
def test_what_is_meant_for_another_process_is_passed_over(environ: dict[str, str]) -> None:
    """It is no fault either: a child inherits the variables of its parent."""
    assert logged(block(environ), 42) == ([], [])


@pytest.mark.parametrize(
    "environ",
    [
        {**OURS, "LISTEN_FDS": "3"},
        {**OURS, "LISTEN_FDS": "0"},
        {**OURS, "LISTEN_FDS": "-1"},
        {**OURS, "LISTEN_FDS": "two"},
        {**OURS, "LISTEN_FDS": "9" * 5000},
        {**OURS, "LISTEN_FDNAMES": "player"},
        {"LISTEN_PID": "42"},
        {"LISTEN_PID": "42", "LISTEN_FDNAMES": "state:player"},
        {"LISTEN_PID": "42", "LISTEN_FDS": "2"},
    ],
)
def test_variables_that_contradict_each_other_give_nothing(environ: dict[str, str]) -> None:
    """The operator is told."""
    found, heard = logged(block(environ), 42)
    assert found == []
    assert len(heard) == 1


def test_what_is_taken_over_stays_out_of_children() -> None:
    """What is not open is left out."""
    reading, writing = os.pipe()
    try:
        os.set_inheritable(reading, True)
        os.close(writing)
        taken = take_over([Inherited("player", reading), Inherited("gone", writing)])
        assert taken == [Inherited("player", reading)]
        assert not os.get_inheritable(reading)
    finally:
        os.close(reading)


def test_a_program_in_our_place_inherits_nothing() -> None:
    """The way to the service manager stays, since the process is the same to it."""
    stays = {"HOME": "/", "NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1"}
    assert without_inherited({**stays, **OURS, "LISTEN_PIDFDID": "7"}) == stays
