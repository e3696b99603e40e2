"""Several real instances on one real store, and a balancer that knows nothing of rooms."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from hokm.store.embedded import find_server
from tests.conftest import Server

reactor: Any = installed


class End(Protocol):
    """One end of a connection that is passed on."""

    other: End | None = None

    def join(self, other: End) -> None:
        """Be one connection with another end."""
        self.other, other.other = other, self

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.other is not None:
            send(self.other, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass an end on."""
        other, self.other = self.other, None
        if other is not None:
            transport: Any = other.transport
            transport.loseConnection()


def send(end: End, data: bytes) -> None:
    """Write to an end."""
    transport: Any = end.transport
    transport.write(data)


class Balancer:
    """Passes each connection to one of several servers, by chance; to another where one is dead.

    Attributes:
        url: Where it listens.
        servers: Where it passes connections to: host and port.
    """

    def __init__(self, servers: Sequence[int | tuple[str, int]], seed: int = 1) -> None:
        """Listen.

        Args:
            servers: Each a port of this machine, or a host and a port.
        """
        self.servers = [("127.0.0.1", one) if isinstance(one, int) else one for one in servers]
        self._random = random.Random(seed)
        factory = Factory.forProtocol(self._make)
        self._listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port
        self.url = f"http://127.0.0.1:{self.port}"
        self._ends: list[End] = []
        self._ends_of: dict[tuple[str, int], list[End]] = {}
        self._waiting: list[End] = []
        self._held = False

    def _make(self) -> End:
        balancer = self

        class Near(End):
            def connectionMade(self) -> None:
                transport: Any = self.transport
                transport.pauseProducing()
                if balancer._held:
                    balancer._waiting.append(self)
                else:
                    Deferred.fromCoroutine(balancer._connect(self))

        return Near()

    async def _connect(self, near: End) -> None:
        for server in self._random.sample(self.servers, len(self.servers)):
            endpoint = HostnameEndpoint(reactor, *server, timeout=1)
            try:
                far: Any = await endpoint.connect(Factory.forProtocol(End))
            except Exception:
                continue
            self._ends += [near, far]
            self._ends_of.setdefault(server, []).append(far)
            near.join(far)
            transport: Any = near.transport
            transport.resumeProducing()
            return
        transport = near.transport
        transport.abortConnection()

    def drop(self, server: tuple[str, int]) -> None:
        """Find a server dead: cut its connections, and make no more."""
        self.servers.remove(server)
        for end in self._ends_of.pop(server, []):
            transport: Any = end.transport
            transport.abortConnection()

    def hold(self, held: bool) -> None:
        """Let nothing through, and nobody notice: as a network that drops all packets."""
        self._held = held
        for end in self._ends:
            transport: Any = end.transport
            if end.other is None or transport is None or transport.disconnected:
                continue
            if held:
                transport.pauseProducing()
            else:
                transport.resumeProducing()
        if not held:
            waiting, self._waiting = self._waiting, []
            for near in waiting:
                Deferred.fromCoroutine(self._connect(near))

    def cut(self) -> None:
        """End all connections, as a failing network does, and take no more."""
        self._listening.stopListening()
        for end in self._ends:
            transport: Any = end.transport
            if transport is not None:
                transport.abortConnection()


def stop_all(server: Server, signal_: int) -> None:
    """Send a signal to all processes of an instance."""
    for process in family(server):
        process.send_signal(signal_)


class Fleet:
    """A store and instances on it.

    Attributes:
        instances: The servers.
        store_port: Of the store.
    """

    def __init__(self, directory: Path, count: int, *, lease: float = 2.0, **options: Any) -> None:
        self._directory = directory
        [self.store_port] = free_ports(1)
        program = [find_server(), "--port", str(self.store_port), "--dir", str(directory)]
        program += ["--save", "", "--bind", "127.0.0.1"]
        self._store = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while self.ask("PING") != b"+PONG":
            assert time.monotonic() < until
            time.sleep(0.02)
        self.lease = lease
        self.instances: list[Server] = []
        try:
            for number in range(count):
                self.add(number, **options)
        except BaseException:
            self.stop()
            raise

    def add(self, number: int, redis: int | None = None, **options: Any) -> Server:
        """Start one more instance.

        Args:
            redis: Port at which it finds the store; else the store's own.
        """
        server = self.server(self._directory / f"instance{number}", number, redis, **options)
        self.instances.append(server)
        return server

    def server(
        self, directory: Path, number: int, redis: int | None = None, **options: Any
    ) -> Server:
        """Start a server that is to be an instance."""
        return Server(
            directory,
            "--redis",
            f"redis://127.0.0.1:{redis or self.store_port}/0",
            "--instance-id",
            f"i{number}",
            "--lease-seconds",
            str(self.lease),
            **{"workers": 1, **options},
        )

    def ask(self, *words: str) -> Any:
        """Ask the store something; returns a text, a number's digits, or None."""
        try:
            with socket.create_connection(("127.0.0.1", self.store_port), 2) as sock:
                sock.sendall(" ".join(words).encode() + b"\r\n")
                reader = sock.makefile("rb")
                first = reader.readline().strip()
                if first[:1] != b"$":
                    return first
                return None if first == b"$-1" else reader.readline().strip()
        except OSError:
            return None

    def owner(self, room: str) -> tuple[str, int]:
        """Return a room's instance and epoch."""
        key = f"hokm:{{{room}}}:owner"
        instance, epoch = self.ask("HGET", key, "instance"), self.ask("HGET", key, "epoch")
        return (instance or b"").decode(), int(epoch)

    def metric(self, number: int, name: str) -> float:
        """Return one metric of an instance."""
        with urllib.request.urlopen(self.instances[number].admin + "/metrics", timeout=5) as text:
            for line in text.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"there is no {name}")

    def stop(self) -> None:
        """Stop all."""
        for server in self.instances:
            if server.process is not None:
                server.process.terminate()
        for server in self.instances:
            server.stop()
        self._store.kill()
        self._store.wait()


def family(server: Server) -> list[psutil.Process]:
    """Return an instance's processes, the workers first."""
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    return [*parent.children(recursive=True), parent]


def power_off(server: Server) -> None:
    """Kill all processes of an instance at once."""
    processes = family(server)
    stop_all(server, signal.SIGSTOP)
    for process in processes:
        process.kill()
    assert server.process is not None
    server.process.wait()
    server.process = None


def wait(seconds: float) -> Deferred[None]:
    """Wait."""
    return deferLater(reactor, seconds)
