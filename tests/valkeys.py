"""Stores as operators run them: a master, its replica, and Sentinels that watch both."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
from ports import free_ports

from hokm.store.embedded import find_server

MASTER = "tables"
SENTINELS = 3
START_SECONDS = 20.0
_FLAGS = (
    *("--protected-mode", "no", "--save", "", "--appendonly", "no"),
    *("--repl-diskless-sync-delay", "0"),  # 5 s by default, for more replicas to come
)


@dataclass(frozen=True)
class Place:
    """A host.

    Attributes:
        enter: Command that runs what follows it there.
        program: Server, if not the one that hokm brings.
    """

    address: str
    enter: tuple[str, ...] = ()
    program: str | None = None


HERE = Place("127.0.0.1")


class Valkey:
    """One server process, or one Sentinel."""

    def __init__(self, directory: Path, *options: str, place: Place = HERE) -> None:
        [self.port] = free_ports(1)
        self.directory = directory
        self._address = place.address
        program = place.program or find_server()
        self._command = [*place.enter, program, *options, "--bind", place.address]
        self._command += ["--port", str(self.port), "--dir", str(directory)]
        directory.mkdir(parents=True)
        self.start()

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until = time.monotonic() + START_SECONDS
        while self._pong() is None:
            assert self.process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)

    def _pong(self) -> Any:
        try:
            return self.ask("PING")
        except OSError:
            return None

    def ask(self, *command: str) -> Any:
        """Send one command; returns the answer, an error included."""
        reader = hiredis.Reader(encoding="utf-8")
        with socket.create_connection((self._address, self.port), timeout=5) as sock:
            sock.sendall(hiredis.pack_command(command))
            while (answer := reader.gets()) is False:
                data = sock.recv(65536)
                if not data:
                    raise ConnectionError("it closed")
                reader.feed(data)
        return answer

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


class Watched:
    """A master, a replica that has all of it, and three Sentinels."""

    def __init__(
        self, directory: Path, place: Place = HERE, *, down_after_seconds: int = 2
    ) -> None:
        """Start them.

        Args:
            down_after_seconds: How long a server may be silent before another is made master; at
                least twice the second between two pings of a Sentinel.
        """
        self._place = place
        self._down_after_ms = 1000 * down_after_seconds
        self.master = Valkey(directory / "one", *_FLAGS, place=place)
        origin = f"{place.address} {self.master.port}"
        self.replica = Valkey(directory / "two", *_FLAGS, "--replicaof", origin, place=place)
        self.servers = [self.master, self.replica]
        self._until_linked()
        self.sentinels = [self._sentinel(directory / f"s{n}") for n in range(SENTINELS)]
        self._until_known()

    def _sentinel(self, directory: Path) -> Valkey:
        directory.mkdir(parents=True)
        file = directory / "sentinel.conf"
        file.write_text(
            "protected-mode no\n"
            f"sentinel monitor {MASTER} {self._place.address} {self.master.port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}\n"
            f"sentinel failover-timeout {MASTER} 10000\n"
        )
        directory = directory / "run"
        return Valkey(directory, str(file), "--sentinel", place=self._place)

    def _until_linked(self) -> None:
        until = time.monotonic() + START_SECONDS
        while "state=online" not in self.master.ask("INFO", "replication"):
            assert time.monotonic() < until
            time.sleep(0.02)

    def _until_known(self) -> None:
        """Wait until each Sentinel knows the replica and the other Sentinels."""
        until = time.monotonic() + START_SECONDS
        for sentinel in self.sentinels:
            known: dict[str, str] = {}
            while known.get("num-slaves") != "1" or known.get("num-other-sentinels") != "2":
                assert time.monotonic() < until
                time.sleep(0.05)
                answer = sentinel.ask("SENTINEL", "MASTER", MASTER)
                known = dict(zip(answer[::2], answer[1::2], strict=True))

    @property
    def url(self) -> str:
        """Where hokm finds the store."""
        address = self._place.address
        nodes = ",".join(f"{address}:{sentinel.port}" for sentinel in self.sentinels)
        return f"sentinel://{nodes}/{MASTER}"

    def has_switched(self) -> bool:
        """Say whether all Sentinels know the replica as the master."""
        ask = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER
        ports = {int(sentinel.ask(*ask)[1]) for sentinel in self.sentinels}
        return ports == {self.replica.port}

    def take_back(self) -> None:
        """Start the old master as the replica of the new one.

        It has kept nothing. Were it to come back as a master, Sentinels that miss the new one for a
        moment would make it the master again, and the new one lose all to it.
        """
        self.master.start("--replicaof", f"{self._place.address} {self.replica.port}")

    def stop(self) -> None:
        """End all of them."""
        for one in (*self.sentinels, *self.servers):
            one.kill()
