"""A machine of one's own: a Debian tree booted by systemd-nspawn, with a real systemd as pid 1.

It shares this machine's kernel, and has a network of its own with nothing but loopback.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.namespaces import network

BOOT_SECONDS = 60.0
COMMAND_SECONDS = 60.0
OFF_SECONDS = 60.0


class Machine:
    """One that runs.

    Attributes:
        tree: Its root directory.
        init: The pid of its systemd, here.
    """

    def __init__(self, tree: Path, name: str, log: Path) -> None:
        """Boot it.

        Args:
            log: Takes what its console says.
        """
        self.tree = tree
        how = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        with log.open("wb") as out:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", *how, "--boot", f"--directory={tree}", f"--machine={name}"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._until = time.monotonic() + BOOT_SECONDS
        try:
            self.init = self._find_init()
            while self.ask("systemctl", "is-system-running") not in ("running", "degraded"):
                self._wait(log)
        except BaseException:
            self.close()
            raise

    def _find_init(self) -> int:
        nspawn = psutil.Process(self._nspawn.pid)
        while True:
            for child in nspawn.children():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{child.pid}/exe").readlink().name == "systemd":
                        return child.pid
            self._wait()

    def _wait(self, log: Path | None = None) -> None:
        text = log.read_text(errors="replace") if log else ""
        assert self._nspawn.poll() is None, text
        assert time.monotonic() < self._until, text
        time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Switch it off, orderly where that can be done."""
        if self._nspawn.poll() is None and hasattr(self, "init"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.ask("systemctl", "poweroff")
                self._nspawn.wait(OFF_SECONDS)
        if self._nspawn.poll() is None:
            self._nspawn.kill()
            self._nspawn.wait()

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Have this thread make its sockets in the machine's network, as if it ran there."""
        with network(Path(f"/proc/{self.init}/ns/net")):
            yield

    def command(self, *command: str | Path) -> list[str | Path]:
        """Return the command line, for here, of a command that runs there."""
        return ["nsenter", f"--target={self.init}", "--all", *command]

    def ask(self, *command: str | Path, timeout: float = COMMAND_SECONDS) -> str:
        """Run a command there; returns what it wrote to stdout, whatever its exit code is."""
        return subprocess.run(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        ).stdout.strip()

    def run(self, *command: str | Path, timeout: float = COMMAND_SECONDS) -> str:
        """Run a command there that must succeed; returns what it wrote."""
        done = subprocess.run(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()
