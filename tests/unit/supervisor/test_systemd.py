"""How the service manager and its watchdog are found."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from hokm.supervisor.systemd import ServiceManager


def find(**environ: str) -> ServiceManager | None:
    return ServiceManager.find(environ, 42, Clock())


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "notify"])
def test_without_an_address_there_is_no_service_manager(address: str) -> None:
    """Neither an empty address nor one of a kind that we cannot reach is one."""
    assert find() is None
    assert find(NOTIFY_SOCKET=address) is None


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "-1", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "soon", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "²", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_PID": "42"}, None),
    ],
)
def test_the_watchdog_is_ours_or_none(environ: dict[str, str], seconds: float | None) -> None:
    """Its time counts where it is one, and where it is not meant for another process."""
    manager = find(NOTIFY_SOCKET="/run/systemd/notify", **environ)
    assert manager is not None
    assert manager.watchdog_seconds == seconds
