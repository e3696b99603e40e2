"""A server of one's own on free ports, with limits that no client of a run can meet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ports import free_ports

STOP_SECONDS: Final = 20.0
ENVIRON: Final = {
    "HOKM_WORKER_MESSAGES_PER_SECOND": "2000",
    "HOKM_WORKER_BURST": "2000",
    "HOKM_WORKER_WRONG_JOINS_PER_MINUTE": "10000",
    "HOKM_WEB_ROOMS_PER_MINUTE": "100000",
    "HOKM_WEB_ROOMS_PER_MINUTE_IN_ALL": "100000",
}


class Server:
    """A `twistd hokm` process.

    Attributes:
        url: Of the public site.
        admin: Of the operators' site.
        log: File with all that it wrote; outlives the server.
    """

    def __init__(
        self,
        workers: int | str,
        *options: str,
        program: Sequence[str] | None = None,
        **environ: str,
    ) -> None:
        """Start it.

        Args:
            workers: As `--workers` takes it.
            options: More options of `twistd hokm`.
            program: What is run with them, in place of `twistd hokm`.
            environ: More of the environment.
        """
        self._dir = tempfile.TemporaryDirectory(prefix="hokm-")
        self._state = Path(self._dir.name) / "state"
        descriptor, name = tempfile.mkstemp(prefix="hokm-", suffix=".log")
        self.log = Path(name)
        port, admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.admin = f"http://127.0.0.1:{admin_port}"
        twistd = (str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "hokm")
        with os.fdopen(descriptor, "wb") as log:
            self._process = subprocess.Popen(
                [
                    *(program or twistd),
                    f"--workers={workers}",
                    f"--listen=tcp:{port}:interface=127.0.0.1",
                    f"--admin=tcp:{admin_port}:interface=127.0.0.1",
                    f"--state-dir={self._state}",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **ENVIRON, **environ},
            )

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def store_pid(self) -> int:
        """Return the pid of the embedded store.

        Raises:
            OSError: It has not written it yet.
        """
        return int((self._state / "store" / "valkey.pid").read_text())

    def stop(self) -> None:
        """Stop it as systemd does, and forget its state."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._dir.cleanup()
