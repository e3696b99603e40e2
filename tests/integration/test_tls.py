"""TLS that the server ends itself: players behind the gate lose no more than others do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_twisted
from ports import free_ports
from twisted.internet import threads

from tests.certificates import Authority, serial_of
from tests.conftest import Server
from tests.integration.test_lives import job, upgrade
from tests.integration.test_matches import FAST, Table, disturb, wait

SECONDS = 20.0
PER_PEER = 100  # hokm.gate.door


class Secure:
    """A server with TLS.

    Attributes:
        url: Of its site over TLS.
    """

    def __init__(self, server: Server, port: int, authority: Authority, files: list[Path]) -> None:
        self.server = server
        self.port = port
        self.url = f"https://localhost:{port}"
        self.authority = authority
        self.files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    def connect(self) -> ssl.SSLSocket:
        """Shake hands."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        return self.authority.context().wrap_socket(raw, server_hostname="localhost")

    def gates(self) -> list[psutil.Process]:
        """Return the gates' processes."""
        assert self.server.process is not None
        gates = []
        for child in psutil.Process(self.server.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if "hokm.gate" in child.cmdline():
                    gates.append(child)
        return gates


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, memory: Path) -> Iterator[Secure]:
    """Run a server with TLS for all tests of this module; clients trust its certificate."""
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory)
    files = [directory / "certificate.pem", directory / "key.pem"]
    authority.write(*files)
    [port] = free_ports(1)
    server = Server(
        memory / "tls",
        "--tls-certificate",
        str(files[0]),
        "--tls-key",
        str(files[1]),
        "--listen-tls",
        f"tcp:{port}:interface=127.0.0.1",
        workers=2,
        **FAST,
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(authority.path))
        yield Secure(server, port, authority, files)
    server.stop()


async def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not await threads.deferToThread(condition):
        assert time.monotonic() < end
        await wait(0.05)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_sockets_survive(secure: Secure) -> None:
    """A worker's death, moves, a new supervisor, new workers, a new gate, another certificate."""
    seen: list[int] = []

    async def fault(number: int) -> None:
        await until(lambda: len(secure.worker_pids()) == 2)
        match number:
            case 0:
                os.kill(secure.worker_pids()[0], signal.SIGKILL)
            case 1:
                [first, _] = [worker["id"] for worker in secure.status()["workers"]]
                drained = await job(secure.server, f"/api/workers/{first}/drain")
                assert drained["state"] == "done"
                assert (await job(secure.server, "/api/scale", {"workers": 2}))["state"] == "done"
            case 2:
                [gate] = secure.gates()
                await upgrade(secure.server)
                assert secure.gates() == [gate]
            case 3:
                [old] = secure.gates()
                assert (await job(secure.server, "/api/replace"))["state"] == "done"
                assert len(secure.gates()) == 2 and old in secure.gates()
            case 4:
                serial = await threads.deferToThread(secure.authority.write, *secure.files)
                seen.append(serial)
                os.kill(secure.process.pid, signal.SIGHUP)
                await until(lambda: serial_of(secure.connect()) == serial)

    tables, pauses = await disturb(secure, 5, fault, rest_seconds=1.2)
    print(f"5 faults behind TLS: longest until play went on {max(pauses):.2f} s")
    assert all(client.resumes == 0 for table in tables for client in table.clients)
    assert secure.status()["handoff"]["distrusted"] == 0
    assert seen
    # The gate that was replaced ends with the last connection that it had.
    await until(lambda: len(secure.gates()) == 1)


@pytest_twisted.ensureDeferred
async def test_a_gate_dies(secure: Secure) -> None:
    """Its players resume by token, through the next one; those without TLS notice nothing."""
    plain, behind = Table(secure.server.url, 1), Table(secure.url, 2)
    for table in (plain, behind):
        await table.sit_down()
    [gate] = secure.gates()
    gate.kill()
    for table in (plain, behind):
        for client in table.clients:
            await client.sync()
    assert [client.resumes for client in behind.clients] == [1] * 4
    assert [client.resumes for client in plain.clients] == [0] * 4
    assert len(secure.gates()) == 1
    for table in (plain, behind):
        table.end()


def test_what_is_spoken(secure: Secure) -> None:
    """TLS 1.2 at least, HTTP/1.1 by name; plain text on this port hears nothing."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = secure.authority.context()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        raw = socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS)
        with context.wrap_socket(raw, server_hostname="localhost") as sock:
            assert sock.selected_alpn_protocol() == "http/1.1"
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    old = secure.authority.context()
    with warnings.catch_warnings(action="ignore"):  # they are old indeed
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    raw = socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS)
    with pytest.raises(ssl.SSLError):
        old.wrap_socket(raw, server_hostname="localhost")
    raw = socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS)
    raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP" not in raw.recv(1000)


def test_files_that_cannot_be_used(secure: Secure) -> None:
    """A bad certificate leaves the one before it in use, and says so."""
    serial = serial_of(secure.connect())
    good = secure.files[0].read_bytes()
    secure.files[0].write_text("nonsense")
    os.kill(secure.process.pid, signal.SIGHUP)
    end = time.monotonic() + SECONDS
    while "the certificate cannot be read" not in secure.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert serial_of(secure.connect()) == serial
    assert len(secure.gates()) == 1
    secure.files[0].write_bytes(good)


def test_half_open_handshakes_harm_nobody(secure: Secure) -> None:
    """They displace one another, and end at the deadline; players come in meanwhile."""
    [gate] = secure.gates()
    silent = [socket.create_connection(("127.0.0.1", secure.port)) for _ in range(3 * PER_PEER)]
    hello = b"\x16\x03\x01\x02\x00\x01"  # the beginning of a handshake
    for sock in silent:
        try:
            sock.sendall(hello)
        except ConnectionError:
            continue  # displaced already
    began = time.monotonic()
    with secure.connect() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began < SECONDS
    before = gate.cpu_times()
    end = time.monotonic() + SECONDS
    while (held := gate.net_connections()) and len(held) > 3:  # its port, perhaps one that ends
        assert len(held) <= PER_PEER + 5
        assert time.monotonic() < end
        time.sleep(0.1)
    after = gate.cpu_times()
    assert after.user + after.system - before.user - before.system < 1.0
    for sock in silent:
        sock.close()
