"""Three instances under a real systemd, which restarts them one after the other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import threads
from twisted.internet.defer import Deferred, gatherResults

from hokm.store.embedded import find_server
from hokm.tasks import run
from tests import debian
from tests.integration.test_fleet import played_on
from tests.integration.test_lives import check_kept
from tests.integration.test_matches import FAST, Table, check_so_far
from tests.integration.test_service import Service, booted

STORE_PORT = 6379
UNIT = Path("etc/systemd/system")


class Member(Service):
    """One of the services: the unit as it is shipped, under another name and with other ports."""

    def __init__(self, service: Service, number: int) -> None:
        self.machine = service.machine
        self.number = number
        self.name = f"hokm-{number}"
        self.port, self.admin_port = 8800 + number, 8700 + number
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"

    def install(self) -> None:
        """Write its unit and its settings."""
        tree = self.machine.tree
        unit = (tree / UNIT / "hokm.service").read_text()
        unit = unit.replace("/etc/hokm/hokm.env", f"/etc/hokm/{self.name}.env")
        unit = unit.replace("StateDirectory=hokm\n", f"StateDirectory={self.name}\n")
        (tree / UNIT / f"{self.name}.service").write_text(unit)
        settings = FAST | {
            "HOKM_LISTEN": f"tcp:{self.port}",
            "HOKM_ADMIN": f"tcp:{self.admin_port}:interface=127.0.0.1",
            "HOKM_REDIS": f"redis://127.0.0.1:{STORE_PORT}",
            "HOKM_INSTANCE_ID": self.name,
            "HOKM_WORKERS": "1",
            "HOKM_LEASE_SECONDS": "60",  # which a slow restart does not outlast
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (tree / "etc/hokm" / f"{self.name}.env").write_text(text)

    def systemctl(self, *arguments: str) -> None:
        """Have systemd do something to it, and wait until that is done."""
        self.machine.run("systemctl", *arguments, f"{self.name}.service")

    def journal(self) -> str:
        """Return what it and systemd said of it."""
        unit = f"--unit={self.name}"
        return self.machine.run("journalctl", unit, "--no-pager", "--output=cat")


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Member]]:
    """Run three services and a store for them."""
    tree = debian.with_hokm(tmp_path / "debian")
    with booted(tree) as service:
        store = subprocess.Popen(
            [find_server(), "--port", str(STORE_PORT), "--bind", "127.0.0.1", "--save", ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            service.systemctl("stop")
            made = [Member(service, number) for number in (1, 2, 3)]
            for member in made:
                member.install()
            service.machine.run("systemctl", "daemon-reload")
            for member in made:
                member.systemctl("start")
            yield made
            for member in made:
                member.systemctl("stop")
        finally:
            store.kill()
            store.wait()
    shutil.rmtree(tree)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_rolling_restart(members: list[Member]) -> None:
    """Each is restarted under play, then all of them: no socket closes, and no play is lost."""
    for member in members:
        await member.until_ready()
    tables = [Table(member.url, n, think_seconds=0.02) for n, member in enumerate(members * 3)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table that plays on")
    await played_on(tables, 60)
    for member in members:
        pid = member.machine.run("systemctl", "show", "--value", "--property=MainPID", member.name)
        await threads.deferToThread(member.systemctl, "restart")
        await played_on(tables, 60)
        assert member.machine.run(
            "systemctl", "show", "--value", "--property=MainPID", member.name
        ) not in (pid, "0")
    check_kept(tables)
    for table in tables:
        await table.pause()
        check_so_far(members[0], table)
        table.end()
