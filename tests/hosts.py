"""Hosts of their own for instances: network namespaces on one switch, each with a cable to pull.

Nothing changes in the machine's own namespace: this process enters the switch's, and leaves it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conftest import START_SECONDS, STOP_SECONDS, missing
from tests.namespaces import network
from tests.valkeys import Place

NETWORK = "10.77.0"
STORE = 9  # the host's number


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def require_hosts() -> None:
    """Skip the test where there can be no namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        missing("network namespaces", "root, and apt-get install iproute2")
    done = subprocess.run(["ip", "netns", "add", "hokm-probe"], capture_output=True, check=False)
    if done.returncode:
        missing("network namespaces", done.stderr.decode().strip())
    _ip("netns", "del", "hokm-probe")


class Hosts:
    """A switch and hosts, of which number *n* has the address 10.77.0.n; the switch has 254."""

    def __init__(self, *numbers: int) -> None:
        self._prefix = f"hokm{os.getpid()}"
        self.numbers = (*numbers, STORE)
        self._switch = f"{self._prefix}sw"
        self._make(self._switch)
        _ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._switch, "addr", "add", f"{NETWORK}.254/24", "dev", "br0")
        _ip("-n", self._switch, "link", "set", "br0", "up")
        for number in self.numbers:
            name = self.name(number)
            self._make(name)
            _ip("-n", self._switch, "link", "add", f"p{number}", "type", "veth", "peer", "v0")
            _ip("-n", self._switch, "link", "set", "v0", "netns", name)
            _ip("-n", self._switch, "link", "set", f"p{number}", "master", "br0", "up")
            _ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", "v0")
            _ip("-n", name, "link", "set", "v0", "up")

    def _make(self, name: str) -> None:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def name(self, number: int) -> str:
        """Return a host's namespace."""
        return f"{self._prefix}h{number}"

    def place(self, number: int) -> Place:
        """Return a host, for what is to run there."""
        enter = ("ip", "netns", "exec", self.name(number))
        return Place(f"{NETWORK}.{number}", enter)

    def cable(self, number: int, *, plugged: bool) -> None:
        """Pull a host's cable, or put it back."""
        _ip("-n", self._switch, "link", "set", f"p{number}", "up" if plugged else "down")

    @contextmanager
    def at_the_switch(self) -> Iterator[None]:
        """Be at the switch with all sockets that are made meanwhile."""
        with network(Path(f"/run/netns/{self._switch}")):
            yield

    def remove(self) -> None:
        """Take all of it away."""
        for number in self.numbers:
            subprocess.run(["ip", "netns", "del", self.name(number)], check=False)
        subprocess.run(["ip", "netns", "del", self._switch], check=False)


class Host:
    """An instance on a host, which finds out by itself where the others reach it.

    Attributes:
        network: Where its host is.
        id: Of the instance.
        address: Of its public port.
    """

    def __init__(
        self, hosts: Hosts, number: int, directory: Path, store: str, **environ: str
    ) -> None:
        place = hosts.place(number)
        self.network = hosts
        self.id = f"i{number}"
        self.number = number
        self.address = (place.address, 8765)
        self.log = directory / f"host{number}.log"
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [*place.enter, twistd, "-n", "--pidfile=", "hokm"]
        command += ["--workers=1", "--admin=tcp:8764:interface=0.0.0.0", "--lease-seconds=3"]
        command += [f"--redis={store}", f"--instance-id={self.id}"]
        command += [f"--state-dir={directory / self.id}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environ},
            )

    def until_ready(self) -> None:
        """Wait until it serves players."""
        until = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Say whether it serves players."""
        with suppress(OSError):
            return bool(self.get("/health") == {"status": "ok"})
        return False

    def get(self, path: str, *, admin: bool = False) -> Any:
        """Return what a path answers, read as JSON."""
        port = 8764 if admin else 8765
        url = f"http://{self.address[0]}:{port}{path}"
        with urllib.request.urlopen(url, timeout=15) as response:
            return json.load(response)

    def status(self) -> Any:
        """Return `/api/status`."""
        return self.get("/api/status", admin=True)

    def stop(self) -> None:
        """Stop it, or wait until it has."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
