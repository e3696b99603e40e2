"""Every HTTP path of both sites, as strangers, players and operators meet them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hokm import wire
from tests.conftest import Server
from tests.integration.test_lives import BAD_RELEASE

METRICS = {
    "hokm_active_games",
    "hokm_connected_players",
    "hokm_games_created",
    "hokm_games_completed",
    "hokm_websocket_connections",
    "hokm_response_time_seconds",
    "hokm_error_rate",
    "hokm_cpu_usage",
    "hokm_memory_usage",
    "hokm_player_queue_length",
    "hokm_player_joins",
    "hokm_game_duration_seconds",
    "hokm_scaling_events",
    "hokm_workers",
    "hokm_event_loop_lag_seconds",
    "hokm_handoff_pause_seconds",
    "hokm_commit_seconds",
}


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Server]:
    """Run one server for all tests of this module."""
    running = Server(memory / "sites")
    yield running
    running.stop()


class Answer:
    """What a path answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> Answer:
    """Make one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def test_the_page(server: Server) -> None:
    """The page comes with headers that keep it to itself, and is not sent twice."""
    page = ask(server.port, "/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    again = ask(server.port, "/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    head = ask(server.port, "/", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(page.body))


def test_every_file_that_the_page_names(server: Server) -> None:
    """Scripts, styles and pictures of the page exist, with their types."""
    assert_complete(server.port)


def assert_complete(port: int) -> None:
    """See that all files that a page names exist, and those that its scripts name."""
    found: dict[str, Answer] = {}
    wanted = [""]
    while wanted:
        name = wanted.pop()
        found[name] = answer = ask(port, f"/{name}")
        assert answer.status == 200, name
        assert not answer.headers["Content-Type"].startswith("application/octet-stream"), name
        text = answer.body.decode()
        names = re.findall(r'(?:src="|href="|from ")(?:\./|/)?(\w+\.\w+)"', text)
        wanted += [name for name in names if name not in found]
    assert len(found) > 10


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "GET", 404),
        ("/../hokm/wire.py", "GET", 404),
        ("/%2e%2e/wire.py", "GET", 404),
        ("//etc/passwd", "GET", 404),
        ("/api/rooms", "GET", 405),
        ("/api/rooms", "PUT", 405),
        ("/", "POST", 405),
        ("/health", "POST", 405),
        ("/api/rooms/ZZZZ2222/history", "GET", 404),
        ("/api/rooms/ZZZZ2222/history", "POST", 405),
        ("/api/rooms/!/history", "GET", 404),
        ("/metrics", "GET", 404),
        ("/api/status", "GET", 404),
    ],
)
def test_what_is_not_there(server: Server, path: str, method: str, status: int) -> None:
    """It is said by status and in words; operators' paths are not on the public port."""
    answer = ask(server.port, path, method)
    assert answer.status == status
    assert answer.json["error"]["message"]
    if status == 405:
        assert answer.headers["Allow"]


def test_a_table_is_made(server: Server) -> None:
    """The answer has all that its maker needs; nobody else can read it."""
    answer = ask(server.port, "/api/rooms", "POST", b'{"options": {"target": 5}}')
    assert answer.status == 201
    made = answer.json
    assert wire.room_code(made["room_code"]) == made["room_code"]
    assert made["url"] == f"/?room_code={made['room_code']}"
    assert len(made["host_token"]) == 64 and len(made["commitment"]) == 64
    history = ask(server.port, f"/api/rooms/{made['room_code'].lower()}/history")
    assert history.json == {"room_code": made["room_code"], "hands": []}
    assert ask(server.port, "/api/rooms", "POST").status == 201


@pytest.mark.parametrize("site", ["port", "admin_port"])
def test_a_body_without_an_end(server: Server, site: str) -> None:
    """It is cut off, and nothing of it is kept, whatever it calls itself; others are served."""
    assert server.process is not None
    supervisor = psutil.Process(server.process.pid)
    before = supervisor.memory_info().rss
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a/b"):
        head = f"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        with socket.create_connection(("127.0.0.1", getattr(server, site)), timeout=5) as sock:
            sock.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
            with pytest.raises(ConnectionError):
                for _ in range(2000):
                    sock.sendall(b"a=1&" * 2500)
    assert ask(server.port, "/health").status == 200
    assert supervisor.memory_info().rss - before < 8 << 20


def test_a_form_is_no_table(server: Server) -> None:
    """A body that a form may send is read as what it should be."""
    form = "application/x-www-form-urlencoded"
    answer = ask(server.port, "/api/rooms", "POST", b"public=true", Content_Type=form)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "truncated"),
        (b"[]", 400, "object"),
        (b'{"options": {"target": 0}}', 400, "$.target"),
        (b'{"options": {"target": "x"}}', 400, "$.target"),
        (b'{"options": {"speed": 1}}', 400, "speed"),
        (b'{"name": 1}', 400, "name"),
        (b"\xff", 400, ""),
        (b" " * 5000, 413, "4096"),
    ],
)
def test_a_table_that_cannot_be(server: Server, body: bytes, status: int, word: str) -> None:
    """What is wrong with it is named."""
    answer = ask(server.port, "/api/rooms", "POST", body)
    assert answer.status == status
    assert word in answer.json["error"]["message"]


def test_too_many_tables(start_server: Callable[..., Server]) -> None:
    """An address has its share; who comes through a trusted proxy is known by his own."""
    server = start_server(workers=1, HOKM_WEB_ROOMS_PER_MINUTE="2")
    made = [ask(server.port, "/api/rooms", "POST").status for _ in range(3)]
    assert made == [201, 201, 429]
    refused = ask(server.port, "/api/rooms", "POST")
    assert refused.headers["Retry-After"]
    other = ask(server.port, "/api/rooms", "POST", X_Forwarded_For="203.0.113.7")
    assert other.status == 201


def test_visits(server: Server) -> None:
    """A browser's number is taken, anything else is not; one address tells so many and no more."""
    visit = b'{"guest": "0123456789abcdef0123456789abcdef"}'
    answer = ask(server.port, "/api/visits", "POST", visit, X_Forwarded_For="203.0.113.8")
    assert (answer.status, answer.body) == (204, b"")
    for body in (b"", b"{}", b'{"guest": "me"}', visit.replace(b"}", b', "name": "Sara"}')):
        assert ask(server.port, "/api/visits", "POST", body).status == 400
    assert ask(server.port, "/api/visits", "POST", b" " * 5000).status == 413
    assert ask(server.port, "/api/visits").status == 405
    told = [
        ask(server.port, "/api/visits", "POST", visit, X_Forwarded_For="203.0.113.9").status
        for _ in range(70)
    ]
    assert set(told) == {204, 429}


def test_histories_are_limited(server: Server) -> None:
    """Who guesses at codes is shut out, who asks too much waits; others are served meanwhile."""
    code = ask(server.port, "/api/rooms", "POST").json["room_code"]

    def served(code: str, peer: str, status: int) -> int:
        path = f"/api/rooms/{code}/history"
        for count in range(9000):
            answer = ask(server.port, path, X_Forwarded_For=peer)
            if answer.status == 429:
                assert answer.headers["Retry-After"]
                return count
            assert answer.status == status
        raise AssertionError("there is no limit")

    assert 30 <= served("ZZZZ2222", "203.0.113.10", 404) < 300
    assert served(code, "203.0.113.10", 200) == 0
    assert served(code, "203.0.113.11", 200) >= 1000


def test_one_request_a_connection(server: Server) -> None:
    """A second request on the same connection is not served: it might be another room's."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
        sock.sendall(request + request)
        answer = b""
        while more := sock.recv(65536):
            answer += more
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


def test_operators_paths(server: Server) -> None:
    """Health, readiness, status and metrics answer; the page of the operators, too."""
    for path in ("/health", "/ready"):
        assert ask(server.admin_port, path).json == {"status": "ok"}
    status = ask(server.admin_port, "/api/status").json
    assert [worker["state"] for worker in status["workers"]] == ["ready", "ready"]
    wanted = {"id", "pid", "state", "rooms", "connections", "cpu", "memory", "loop_lag_ms"}
    assert wanted <= set(status["workers"][0])
    assert {"rooms", "connections", "scaling", "store"} <= set(status)
    assert {"target", "reasons", "last"} <= set(status["scaling"])
    page = ask(server.admin_port, "/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert_complete(server.admin_port)
    assert ask(server.admin_port, "/nothing").status == 404
    assert ask(server.admin_port, "/metrics", "POST").status == 405


def test_metrics(server: Server) -> None:
    """Prometheus can read them, and all that the contract names are there."""
    text = ask(server.admin_port, "/metrics").body.decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families >= METRICS


def test_the_operators_token(start_server: Callable[..., Server]) -> None:
    """With a token set, all but the probes ask for it; no part of it is ever logged."""
    token = "operators-secret-token"
    server = start_server(workers=1, HOKM_ADMIN_TOKEN=token)
    for path in ("/health", "/ready"):
        assert ask(server.admin_port, path).status == 200
    for path in ("/metrics", "/api/status"):
        refused = ask(server.admin_port, path)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert ask(server.admin_port, path, Authorization="Bearer wrong").status == 401
        assert ask(server.admin_port, path, Authorization=f"Bearer {token}").status == 200
    assert token not in server.log.read_text()


def test_health_follows_the_workers(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Without a worker that is ready the server says that it is not healthy, and why."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(BAD_RELEASE)
    flag = tmp_path / "bad"
    server = start_server(
        *("--spare-workers", "0"),
        workers=1,
        PYTHONPATH=str(tmp_path / "path"),
        BAD_RELEASE=str(flag),
    )
    pid = server.worker_pids()[0]
    flag.touch()  # else another one may be there before anybody has looked
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while (answer := ask(server.admin_port, "/health")).status == 200:
        assert time.monotonic() < until
    assert (answer.status, answer.json["reasons"]) == (503, ["no worker is ready"])
    assert ask(server.port, "/health").status == 503
    flag.unlink()
    while ask(server.port, "/health").status == 503:
        assert time.monotonic() < until
    assert server.worker_pids() != [pid]
