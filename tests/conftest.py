"""What many tests share: a real server of one's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ports import free_ports

from tests.fakesystemd import FakeManager

START_SECONDS = 30.0
STOP_SECONDS = 20.0
STATES_BYTES = 1 << 30  # free memory for what the servers of all tests keep


class Server:
    """A `twistd hokm` process on free ports, with its own state directory.

    Attributes:
        url: Of the public site.
        log: File with all that it wrote.
    """

    def __init__(
        self,
        state_dir: Path,
        *options: str,
        workers: int | str = 2,
        manager: FakeManager | None = None,
        log: Path | None = None,
        **environ: str,
    ) -> None:
        self._manager = manager
        self.state_dir = state_dir
        self.port, self.admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self.log = log or state_dir.parent / f"{state_dir.name}.log"
        self._options = [
            "--workers",
            str(workers),
            "--listen",
            f"tcp:{self.port}:interface=127.0.0.1",
            "--admin",
            f"tcp:{self.admin_port}:interface=127.0.0.1",
            "--state-dir",
            str(state_dir),
            *options,
        ]
        self._environ = {**os.environ, **environ}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        twistd = Path(sys.executable).with_name("twistd")
        command = [twistd, "-n", "--pidfile=", "hokm", *self._options]
        if self._manager is not None:
            self.process = self._manager.start(command, env=self._environ, log=self.log)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environ,
                )
        until = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Say whether it serves players."""
        try:
            return bool(self.get("/health") == {"status": "ok"})
        except OSError:
            return False

    def get(self, path: str, admin: bool = False) -> Any:
        """Return what a path answers, read as JSON."""
        base = self.admin if admin else self.url
        with urllib.request.urlopen(base + path, timeout=20) as response:
            return json.load(response)

    def post(self, path: str, body: Any = None) -> Any:
        """Have the operators' side do something; returns its answer, read as JSON."""
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin + path, data=data, method="POST")
        with urllib.request.urlopen(request, timeout=15) as response:
            return json.load(response)

    def status(self) -> Any:
        """Return `/api/status`."""
        return self.get("/api/status", admin=True)

    def worker_pids(self) -> list[int]:
        """Return the pids of the living workers."""
        return [worker["pid"] for worker in self.status()["workers"] if worker["pid"]]

    def store_pid(self) -> int:
        """Return the pid of the embedded store."""
        return int((self.state_dir / "store" / "valkey.pid").read_text())

    def kill(self) -> None:
        """Kill the supervisor as the kernel does when memory is out; its children see to it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process = None

    def stop(self) -> int | None:
        """Stop it as systemd does; returns the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return code


def missing(what: str, remedy: str) -> NoReturn:
    """Skip a test that cannot run on this machine; fail it where `HOKM_REQUIRE` is `all`."""
    text = f"{what} is missing ({remedy})"
    if os.environ.get("HOKM_REQUIRE") == "all":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """Give a directory for what servers keep: in memory, where there is enough.

    A disk that other programs keep busy lets a store stand still for seconds at each fsync.
    """
    shared = Path("/dev/shm")
    enough = shared.is_dir() and shutil.disk_usage(shared).free > STATES_BYTES
    directory = Path(tempfile.mkdtemp(prefix="hokm-", dir=shared if enough else None))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)  # a server that was killed may still be ending


@pytest.fixture
def start_server(memory: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []
    states = Path(tempfile.mkdtemp(dir=memory))

    def start(*options: str, **settings: Any) -> Server:
        name = f"state{len(servers)}"
        settings.setdefault("log", tmp_path / f"{name}.log")
        servers.append(Server(states / name, *options, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    shutil.rmtree(states, ignore_errors=True)
