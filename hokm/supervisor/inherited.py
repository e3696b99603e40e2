"""Descriptors that the service manager passed at the start: from socket units and from its store.

What sd_listen_fds_with_names(3) says, for a program whose libraries may have been there first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

_log = Logger()

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_VARIABLES: Final = frozenset({"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"})


@dataclass(frozen=True, slots=True)
class Inherited:
    """A descriptor that was there when the program started, and the name it came under."""

    name: str
    fd: int


def inherited(block: bytes, pid: int) -> list[Inherited]:
    """Return the descriptors that the service manager passed: from sockets and from its store.

    Args:
        block: ``/proc/self/environ``, which keeps the environment as it was at the last exec.
            Importing ``twisted.internet.endpoints`` deletes the variables from ``os.environ``.
        pid: Of this process; what is meant for another one is passed over.

    Returns:
        In no order that means anything. Nothing when the variables contradict each other,
        which is logged.
    """
    entries = (entry.partition(b"=") for entry in block.split(b"\0"))
    told = {os.fsdecode(name): os.fsdecode(value) for name, _, value in entries}
    if told.get("LISTEN_PID") != str(pid):
        return []
    names = told.get("LISTEN_FDNAMES", "").split(":")  # systemd names each since version 227
    if told.get("LISTEN_FDS") != str(len(names)):
        _log.error(
            "LISTEN_FDS is {fds}, LISTEN_FDNAMES has {names}: no descriptor is taken over",
            fds=told.get("LISTEN_FDS"),
            names=len(names),
        )
        return []
    return [Inherited(name, fd) for fd, name in enumerate(names, _FIRST)]


def take_over(found: Iterable[Inherited]) -> list[Inherited]:
    """Keep descriptors out of the processes that this one starts.

    Returns:
        Those that are open; the others are logged.
    """
    taken = []
    for one in found:
        try:
            os.set_inheritable(one.fd, False)
        except OSError as error:
            _log.error("descriptor {fd}, {name}: {error}", fd=one.fd, name=one.name, error=error)
        else:
            taken.append(one)
    return taken


def without_inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that takes this process's place by exec.

    Its pid is the same, so that it would take whatever has the numbers by then for descriptors
    of the service manager. How to reach that one, and the watchdog, stay.
    """
    return {name: value for name, value in environ.items() if name not in _VARIABLES}
