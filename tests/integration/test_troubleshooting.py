# mypy: disable-untyped-decorators=False
"""Each command of docs/operations/troubleshooting.md that can run here answers as is said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import threads

from tests.conftest import missing
from tests.integration.test_matches import FAST, Table
from tests.integration.test_scaling import ready, until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text()
TOOLS = {"curl": "curl", "redis-cli": "redis-tools", "ss": "iproute2", "pgrep": "procps"}
SECONDS = 90


def commands() -> list[tuple[str, str]]:
    """Return each command of the page, and what its answer must hold."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            command, _, expected = line.partition("# →")
            found.append((command.strip(), expected.strip()))
    return found


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_every_command_works(start_server: Callable[..., Any]) -> None:
    """Against a server with one table: it ends well, and what is pointed at is there."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            missing(tool, f"apt install {package}")
    server = start_server(workers="1-2", **FAST)
    table = Table(server.url, seed=1)
    await table.sit_down()
    # So that one can be drained.
    await threads.deferToThread(server.post, "/api/scale", {"workers": 2})
    await until(server, lambda status: len(ready(status)) == 2)
    listed = commands()
    assert len(listed) > 25
    await threads.deferToThread(check_all, server, table.code, listed)
    assert [client.resumes for client in table.clients] == [0] * 4
    table.end()


def check_all(server: Any, room: str, listed: list[tuple[str, str]]) -> None:
    """Run commands, with this server's addresses in the place of the default ones."""
    store = server.status()["store"]["address"]
    places = {
        "localhost:8765": f"127.0.0.1:{server.port}",
        "localhost:8764": f"127.0.0.1:{server.admin_port}",
        ":8765": f":{server.port}",
        "/var/lib/hokm/store/valkey.sock": store.removeprefix("unix://"),
        "/var/lib/hokm": str(server.state_dir),
        "ROOM": room,
    }
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOKM_ADMIN_URL": server.admin,
    }
    wrong = []
    for command, expected in listed:
        line = command
        for default, here in places.items():
            line = line.replace(default, here)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode or expected not in done.stdout:
            wrong.append((line, expected, done.returncode, done.stdout[-500:] + done.stderr[-500:]))
    assert wrong == []
