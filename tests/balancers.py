"""HAProxy and nginx as `etc/` has them, in front of instances of one's own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from ports import free_ports

from tests.conftest import missing

ETC = Path(__file__).parents[1] / "etc"
SECONDS = 10.0


class Balancer(ABC):
    """A proxy in front of instances.

    Attributes:
        port, tls_port, stats_port: Where it listens, on 127.0.0.1.
        errors: File with what it wrote.
    """

    name: str

    def __init__(
        self, directory: Path, instances: Sequence[str], pem: Path, *, at_random: bool = False
    ) -> None:
        """Start it.

        Args:
            directory: Its own.
            instances: Addresses of three, as 127.0.0.1:8765.
            pem: File with a certificate and its key.
            at_random: Whether it is to know nothing of rooms, against what is shipped.
        """
        if shutil.which(self.name) is None:
            missing(self.name, f"apt install {self.name}")
        directory.mkdir()
        self.directory = directory
        self.instances = instances
        self.at_random = at_random
        self.pem = pem
        self.port, self.tls_port, self.stats_port = free_ports(3)
        self.errors = directory / "errors"
        self.command, self.environ = self.prepare()
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        self.wait()

    @abstractmethod
    def prepare(self) -> tuple[list[str], dict[str, str]]:
        """Write what it needs; returns its command and environment."""

    def wait(self) -> None:
        """Wait until a request comes through."""
        end = time.monotonic() + SECONDS
        while not self.serves():
            assert time.monotonic() < end, self.errors.read_text()[-2000:]
            time.sleep(0.05)

    def serves(self) -> bool:
        """Say whether a request comes through."""
        request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as sock:
                sock.sendall(request)
                return sock.recv(100).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False

    def children(self) -> set[int]:
        """Return the pids of its workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(map(int, path.read_text().split()))

    def reload(self) -> None:
        """Have it read its files anew, and wait until a new worker serves."""
        before = self.children()
        self.process.send_signal(self.reload_signal)
        end = time.monotonic() + SECONDS
        while not self.children() - before or any(map(self.accepts, before)):
            assert time.monotonic() < end, self.errors.read_text()[-2000:]
            time.sleep(0.02)
        self.wait()

    reload_signal: signal.Signals

    def accepts(self, worker: int) -> bool:
        """Say whether a worker from before a reload may still be given newcomers."""
        return False

    @abstractmethod
    def drain(self, instance: int) -> None:
        """Let nobody new come to an instance."""

    @abstractmethod
    def undrain(self, instance: int) -> None:
        """Let an instance be used again."""

    def stop(self) -> None:
        """End it, with all of its processes."""
        workers = self.children()
        self.process.kill()
        self.process.wait(SECONDS)
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class HAProxy(Balancer):
    """HAProxy with `etc/haproxy/haproxy.cfg`."""

    name = "haproxy"
    reload_signal = signal.SIGUSR2
    extra: dict[str, str] = {}  # noqa: RUF012 - of a class of its own, and never changed

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        """Say everything by variables: the file is as it is shipped, unless chance is wanted."""
        file, hashed = ETC / "haproxy" / "haproxy.cfg", "balance hash url_param(room_code),upper"
        if self.at_random:
            text = file.read_text()
            assert hashed in text
            file = self.directory / "haproxy.cfg"
            file.write_text(text.replace(hashed, "balance random"))
        environ = {
            **os.environ,
            **{f"HOKM_{number}": address for number, address in enumerate(self.instances, 1)},
            "HOKM_LISTEN": f"127.0.0.1:{self.port}",
            "HOKM_LISTEN_TLS": f"127.0.0.1:{self.tls_port}",
            "HOKM_STATS": f"127.0.0.1:{self.stats_port}",
            "HOKM_SOCKET": str(self.directory / "socket"),
            "HOKM_PEM": str(self.pem),
            "HOKM_USER": pwd.getpwuid(os.getuid()).pw_name,
            **self.extra,
        }
        return ["haproxy", "-W", "-f", str(file)], environ

    def tell(self, command: str) -> str:
        """Give a command to the socket; returns the answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(str(self.directory / "socket"))
            sock.sendall(command.encode() + b"\n")
            answer = b""
            while more := sock.recv(65536):
                answer += more
        return answer.decode().strip()

    def drain(self, instance: int) -> None:
        """By the runtime API: nothing is reloaded."""
        assert not self.tell(f"set server hokm/i{instance + 1} state drain")

    def undrain(self, instance: int) -> None:
        """By the runtime API."""
        assert not self.tell(f"set server hokm/i{instance + 1} state ready")


class HAProxyTellingInFront(HAProxy):
    """The same, which tells players' addresses by PROXY v2."""

    extra = {"HOKM_PROXY_PROTOCOL": "1"}  # noqa: RUF012 - see above


class Nginx(Balancer):
    """nginx with `etc/nginx/`."""

    name = "nginx"
    reload_signal = signal.SIGHUP

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        """Copy the files, with our own addresses and paths in them."""
        changes = {
            "listen 8765": f"listen 127.0.0.1:{self.port}",
            "listen 8766": f"listen 127.0.0.1:{self.tls_port}",
            "127.0.0.1:8404": f"127.0.0.1:{self.stats_port}",
            "/run/nginx.pid": str(self.directory / "pid"),
            "/etc/hokm/tls/fullchain.pem": str(self.pem),
            "/etc/hokm/tls/privkey.pem": str(self.pem),
        }
        for number, address in enumerate(self.instances, 1):
            changes[f"10.0.0.1{number}:8765"] = address
        if self.at_random:
            changes["hash $key consistent"] = "random"
        for path in (ETC / "nginx").iterdir():
            text = path.read_text()
            for old, new in changes.items():
                text = text.replace(old, new)
            (self.directory / path.name).write_text(text)
        for old in changes:
            assert any(old in path.read_text() for path in (ETC / "nginx").iterdir()), old
        command = ["nginx", "-p", str(self.directory), "-c", "nginx.conf", "-g", "daemon off;"]
        return command, dict(os.environ)

    def accepts(self, worker: int) -> bool:
        """Not once it calls itself so."""
        try:
            return b"shutting down" not in Path(f"/proc/{worker}/cmdline").read_bytes()
        except FileNotFoundError:
            return False

    def _mark(self, instance: int, *, down: bool) -> None:
        path = self.directory / "instances.conf"
        lines = path.read_text().splitlines()
        address = self.instances[instance] + " "
        [at] = [number for number, line in enumerate(lines) if address in line]
        lines[at] = lines[at].removesuffix(";").removesuffix(" down") + (" down;" if down else ";")
        path.write_text("\n".join(lines) + "\n")
        self.reload()

    def drain(self, instance: int) -> None:
        """By its files and a reload."""
        self._mark(instance, down=True)

    def undrain(self, instance: int) -> None:
        """By its files and a reload."""
        self._mark(instance, down=False)
