"""HAProxy and nginx as `etc/` has them, in front of three instances that share a store.

HOKM_ROOMS says at how many tables is sat.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.balancers import Balancer, HAProxy, HAProxyTellingInFront, Nginx
from tests.certificates import Authority
from tests.conftest import Server
from tests.integration.test_matches import FAST
from tests.rawsocket import RawSocket
from tests.valkeys import Watched

SECONDS = 40.0
ROOMS = int(os.environ.get("HOKM_ROOMS", "30"))
LEASE_SECONDS = 5
PATIENCE = {"HOKM_WORKER_PONG_SECONDS": "600"}  # guests here read only when they ask


class Fleet:
    """Three instances, a store with replica and Sentinels, a certificate for who stands in front.

    Attributes:
        addresses: Of the instances.
        pem: File with the certificate and its key.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.pem = self.authority.bundle(directory)
        self.stores = Watched(directory / "stores", down_after_seconds=20)  # its master stays

        def start(number: int) -> Server:
            return Server(
                directory / f"state{number}",
                "--redis",
                self.stores.url,
                "--spare-workers",
                "0",
                workers=1,
                **FAST,
                **PATIENCE,
                HOKM_WORKER_WRONG_JOINS_PER_MINUTE="2",
                HOKM_LEASE_SECONDS=str(LEASE_SECONDS),
            )

        with ThreadPoolExecutor() as at_once:
            self.instances = list(at_once.map(start, range(3)))
        self.addresses = [f"127.0.0.1:{instance.port}" for instance in self.instances]

    def stop(self) -> None:
        """End everything."""
        with ThreadPoolExecutor() as at_once:
            list(at_once.map(Server.stop, self.instances))
        self.stores.stop()

    def owners(self, guests: list[Guest]) -> list[Server]:
        """Return the instance that has each guest's table."""
        ids = {server.status()["instance"]["id"]: server for server in self.instances}
        keys = [f"hokm:{{{guest.code}}}:owner" for guest in guests]
        return [ids[self.stores.master.ask("HGET", key, "instance")] for key in keys]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run three instances for all tests of this module."""
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.stop()


@pytest.fixture(scope="module", params=[HAProxy, Nginx], ids=["haproxy", "nginx"])
def balancer(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Balancer]:
    """Run a proxy in front of them."""
    kind: type[Balancer] = request.param
    made = kind(fleet.directory / kind.name, fleet.addresses, fleet.pem)
    yield made
    made.stop()


def create(port: int) -> str:
    """Make a table; returns its code."""
    url = f"http://127.0.0.1:{port}/api/rooms"
    with urllib.request.urlopen(url, data=b"{}", timeout=SECONDS) as answer:
        code: str = json.load(answer)["room_code"]
    return code


class Guest:
    """A player at a table.

    Attributes:
        seat: Where he sits.
    """

    def __init__(self, port: int, code: str, token: str | None = None, **options: Any) -> None:
        self.code = code
        self.socket = RawSocket(port, code, **options)
        join = {"type": "join", "id": 1, "name": "Sara"}
        self.socket.send(join if token is None else {**join, "token": token})
        welcome = self.socket.until("welcome", "error")
        assert welcome["type"] == "welcome", welcome
        self.seat, self.token = welcome["seat"], welcome["token"]
        self._id = welcome["last_id"] + 1

    def companions(self) -> int:
        """Return how many are connected at the table, by the server's word on this socket."""
        self._id += 1
        self.socket.send({"type": "sync", "id": self._id})
        seats = self.socket.until("state")["state"]["seats"]
        return sum(seat is not None and seat["connected"] for seat in seats)


@contextlib.contextmanager
def company(balancer: Balancer, rooms: int = ROOMS, seats: int = 4) -> Iterator[list[Guest]]:
    """Seat some at each of some tables."""
    guests = []
    for _ in range(rooms):
        code = create(balancer.port)
        guests += [Guest(balancer.port, code) for _ in range(seats)]
    yield guests
    for guest in guests:
        guest.socket.close()


def test_the_files_are_sound(fleet: Fleet) -> None:
    """HAProxy takes its file in all variants, without a warning."""
    environ = {"HOKM_SOCKET": str(fleet.directory / "socket"), "PATH": "/usr/sbin:/usr/bin"}
    variants: list[dict[str, str]] = [
        {},
        {"HOKM_PROXY_PROTOCOL": "1"},
        {"HOKM_DNS": "localhost", "HOKM_PEM": str(fleet.pem)},
    ]
    for variant in variants:
        done = subprocess.run(
            ["haproxy", "-c", "-f", "etc/haproxy/haproxy.cfg"],
            cwd=Path(__file__).parents[2],
            env=environ | variant,
            capture_output=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0 and b"WARNING" not in done.stderr, done.stderr


def test_no_room_is_split_by_drain_or_reload(fleet: Fleet, balancer: Balancer) -> None:
    """All of a table meet; who sits stays connected whatever the operator does."""
    with company(balancer, seats=3) as guests:
        assert [guest.companions() for guest in guests] == [3] * len(guests)
        assert set(fleet.owners(guests)) == set(fleet.instances)
        balancer.drain(0)
        # Who comes to its tables now lands elsewhere, and is passed on.
        guests += [Guest(balancer.port, code) for code in {guest.code for guest in guests}]
        with company(balancer, 10) as late:
            assert [guest.companions() for guest in late] == [4] * len(late)
            assert fleet.instances[0] not in fleet.owners(late)
        balancer.undrain(0)
        stop, errors, connects = threading.Event(), [], []

        def keep_coming() -> None:
            while not stop.is_set():
                try:
                    connects.append(create(balancer.port))
                except (OSError, ValueError) as error:
                    errors.append(error)

        coming = threading.Thread(target=keep_coming)
        coming.start()
        try:
            balancer.reload()
        finally:
            stop.set()
            coming.join()
        assert connects and not errors
        assert [guest.companions() for guest in guests] == [4] * len(guests)


def test_codes_in_lower_case(fleet: Fleet, balancer: Balancer) -> None:
    """Lead to the same table: by HAProxy to the same instance, by nginx after a hop perhaps.

    While an instance is too busy for its health checks HAProxy leads elsewhere: that is no answer.
    """
    end = time.monotonic() + SECONDS
    while True:
        before, relays = checked(balancer), relayed(fleet)
        for code in [create(balancer.port) for _ in range(15)]:
            guests = [Guest(balancer.port, name) for name in (code, code.lower(), code.title())]
            assert [guest.companions() for guest in guests] == [3, 3, 3]
            for guest in guests:
                guest.socket.close()
        relays = relayed(fleet) - relays
        if isinstance(balancer, Nginx):
            assert relays > 0
            return
        if before == checked(balancer) and {status for status, _ in before} == {"UP"}:
            assert relays == 0
            return
        assert time.monotonic() < end, before


def relayed(fleet: Fleet) -> int:
    """Return how many connections were passed on so far."""
    return sum(instance.status()["instance"]["relays"] for instance in fleet.instances)


def checked(balancer: Balancer) -> list[tuple[str, str]]:
    """Return each instance's state for HAProxy, and how often it was found down."""
    if not isinstance(balancer, HAProxy):
        return []
    table = balancer.tell("show stat hokm 4 -1").removeprefix("# ")
    return [(row["status"], row["chkdown"]) for row in csv.DictReader(table.splitlines())]


def test_tls(fleet: Fleet, balancer: Balancer) -> None:
    """Players by TLS and without sit at one table."""
    code = create(balancer.port)
    tls = fleet.authority.context()
    secure = Guest(balancer.tls_port, code, host="localhost", tls=tls)
    plain = Guest(balancer.port, code)
    assert secure.companions() == plain.companions() == 2
    secure.socket.close()
    plain.socket.close()


def test_growing_without_a_reload(fleet: Fleet, balancer: Balancer) -> None:
    """As docs/operations/proxies.md has it; then the same backwards."""
    if not isinstance(balancer, HAProxy):
        return
    port = fleet.instances[0].port
    balancer.tell(f"add server hokm/i4 127.0.0.1:{port} check inter 1s fall 2 rise 1")
    balancer.tell("enable health hokm/i4; enable server hokm/i4")
    end = time.monotonic() + SECONDS
    while balancer.tell("show stat hokm 4 -1").count(",L7OK,") < 4:
        assert time.monotonic() < end, balancer.tell("show stat hokm 4 -1")
        time.sleep(0.1)
    balancer.tell("set server hokm/i4 state maint")
    while "deleted" not in balancer.tell("del server hokm/i4"):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_figures(balancer: Balancer) -> None:
    """`curl http://localhost:8404/stats`, as the guide has it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{balancer.stats_port}/stats") as answer:
        text = answer.read().decode()
    assert ("i1" in text and "hokm" in text) or "Active connections" in text


def wrong_joins(port: int, code: str, source: str) -> list[str]:
    """Try three wrong tokens from an address; returns the answers' codes."""
    codes = []
    for _ in range(3):
        guest = RawSocket(port, code, source=source)
        guest.send({"type": "join", "id": 1, "name": "Ali", "token": "x" * 22})
        codes.append(guest.answer(1)["code"])
        guest.close()
    return codes


def test_limits_are_by_the_players_address(fleet: Fleet, balancer: Balancer) -> None:
    """By X-Forwarded-For."""
    code, net = create(balancer.port), 1 if isinstance(balancer, Nginx) else 2
    assert wrong_joins(balancer.port, code, f"127.0.{net}.1")[2] == "rate_limited"
    assert "rate_limited" not in wrong_joins(balancer.port, code, f"127.0.{net}.2")[:2]


def test_limits_by_proxy_v2(fleet: Fleet) -> None:
    """HAProxy in its other variant; its health checks carry a header, too."""
    proxy = HAProxyTellingInFront(fleet.directory / "v2", fleet.addresses, fleet.pem)
    try:
        code = create(proxy.port)
        assert wrong_joins(proxy.port, code, "127.0.3.1")[2] == "rate_limited"
        assert "rate_limited" not in wrong_joins(proxy.port, code, "127.0.3.2")[:2]
        end = time.monotonic() + SECONDS
        while proxy.tell("show stat hokm 4 -1").count(",L7OK,") < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        proxy.stop()


def test_an_instance_dies(fleet: Fleet, balancer: Balancer) -> None:
    """Its players come again, through the same address, to the same seats; no other notices."""
    with company(balancer, 15) as guests:
        owners = fleet.owners(guests)
        victim = max(fleet.instances, key=owners.count)
        assert victim.process is not None
        processes = psutil.Process(victim.process.pid).children(recursive=True)
        victim.kill()
        try:
            assert not psutil.wait_procs(processes, SECONDS)[1]
            lost = [guest for guest in guests if not lives(guest)]
            kept = [guest for guest in guests if guest not in lost]
            assert lost and kept
            began = time.monotonic()
            back = [come_again(balancer.port, guest) for guest in lost]
            took = time.monotonic() - began
            print(f"{balancer.name}: {len(lost)} players back after {took:.2f} s")
            assert [guest.seat for guest in back] == [guest.seat for guest in lost]
            assert {guest.companions() for guest in (*kept, *back)} == {4}
        finally:
            victim.start()
            balancer.wait()
        for guest in back:
            guest.socket.close()


def lives(guest: Guest) -> bool:
    """Say whether a player's socket is open."""
    try:
        return guest.companions() > 0
    except (ConnectionError, TypeError):  # without a close frame, and with one
        return False


def come_again(port: int, guest: Guest) -> Guest:
    """Resume by token, as clients do until it works."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return Guest(port, guest.code, guest.token)
        except (AssertionError, OSError, ValueError, IndexError, TypeError):
            assert time.monotonic() < end
            time.sleep(0.1)
