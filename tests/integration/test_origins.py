"""Players' addresses as proxies tell them in front of the request, on a real server."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hokm import origin
from tests.conftest import Server
from tests.rawsocket import RawSocket

LIMITS = {"HOKM_WEB_ROOMS_PER_MINUTE": "2", "HOKM_WORKER_WRONG_JOINS_PER_MINUTE": "2"}


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Server]:
    """Run one server with low limits for all tests of this module."""
    running = Server(memory / "origins", workers=2, **LIMITS)
    yield running
    running.stop()


def create(server: Server, before: bytes, *headers: str) -> tuple[int, bytes]:
    """Ask for a table; returns the status and the body."""
    lines = ["POST /api/rooms HTTP/1.1", "Host: x", "Content-Length: 2", *headers, "", "{}"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(before + "\r\n".join(lines).encode())
        answer = b""
        while more := sock.recv(65536):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_tables_are_limited_by_the_players_address(server: Server) -> None:
    """In either version; behind a header, X-Forwarded-For counts where that names a proxy."""
    one = b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n"
    assert [create(server, one)[0] for _ in range(3)] == [201, 201, 429]
    assert create(server, origin.write("192.0.2.1"))[0] == 429
    assert create(server, one, "X-Forwarded-For: 192.0.2.9")[0] == 429
    assert create(server, origin.write("192.0.2.2"))[0] == 201
    chain = origin.write("127.0.0.1")
    assert create(server, chain, "X-Forwarded-For: 192.0.2.1")[0] == 429
    assert create(server, chain, "X-Forwarded-For: 192.0.2.3")[0] == 201


def test_a_health_check_with_a_header(server: Server) -> None:
    """As HAProxy's check-send-proxy makes it."""
    local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(local + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def wrong_joins(server: Server, room: str, address: str) -> list[str]:
    """Try three tokens that are none; returns the answers' codes."""
    codes = []
    for _ in range(3):
        guest = RawSocket(server.port, room, before=origin.write(address))
        guest.send({"type": "join", "id": 1, "name": "Ali", "token": "x" * 22})
        codes.append(guest.answer(1)["code"])
        guest.close()
    return codes


def test_a_worker_limits_by_it_too_and_its_death_closes_no_socket(server: Server) -> None:
    """The header is no part of the streams whose state is judged then."""
    status, body = create(server, origin.write("192.0.2.50"))
    assert status == 201
    room = body.decode().split('"room_code":"')[1].split('"')[0]
    assert len(set(wrong_joins(server, room, "192.0.2.51"))) == 2
    assert wrong_joins(server, room, "192.0.2.51")[0] == "rate_limited"
    player = RawSocket(server.port, room, before=origin.write("192.0.2.52"))
    player.send({"type": "join", "id": 1, "name": "Bita"})
    player.until("welcome")
    player.sock.settimeout(30)  # the worker that waits for this may just be starting
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    assert player.until("state")["type"] == "state"
    player.send({"type": "sync", "id": 2})
    assert player.answer(2)["type"] == "ok"
    until = time.monotonic() + 30
    while server.status()["handoff"]["recovered"] < 1:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert server.status()["handoff"]["distrusted"] == 0
    assert wrong_joins(server, room, "192.0.2.53")[0] != "rate_limited"
    player.close()


def test_an_upgrade_in_the_middle_of_a_request(server: Server) -> None:
    """What was told in front of it is remembered by the supervisor's next life."""
    told = origin.write("192.0.2.60")
    head = b"POST /api/rooms HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    assert server.process is not None
    code = Path(f"/proc/{server.process.pid}/environ")
    before = code.read_bytes()
    waiting: list[socket.socket] = []

    def begin() -> None:
        waiting.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        waiting[-1].sendall(told + head)
        time.sleep(0.1)

    for _ in range(2):
        begin()
    server.post("/api/upgrade")
    until = time.monotonic() + 30
    while code.read_bytes() == before:  # it changes with the execution
        assert time.monotonic() < until
        begin()
    while not server.is_ready():
        assert time.monotonic() < until
        time.sleep(0.05)
    # The latest may still have been in the kernel's queue; the one before it was accepted.
    waiting[-2].sendall(b"\r\n{}")
    assert waiting[-2].recv(1000).split()[1] == b"201"
    assert [create(server, told)[0] for _ in range(2)] == [201, 429]
    for sock in waiting:
        sock.close()
    assert create(server, b"")[0] == 201
