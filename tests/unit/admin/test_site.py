"""The operators' site with a fake instance, through Twisted's HTTP but without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hokm.admin.route import MAX_BODY
from hokm.admin.site import make_site
from hokm.admin.verbs import MOVE_SECONDS
from hokm.jobs import Refused
from tests.operations import FakeInstance

HOST = "localhost:8764"


class Exchange:
    """A request on a connection of its own, and what is answered."""

    def __init__(self, protocol: Any, transport: StringTransport) -> None:
        self._protocol = protocol
        self._transport = transport

    def hang_up(self) -> None:
        self._protocol.connectionLost(Failure(ConnectionDone()))

    @property
    def answered(self) -> bool:
        return self._transport.value() != b""

    @property
    def status(self) -> int:
        return int(self._transport.value().split(b" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        head = self._transport.value().partition(b"\r\n\r\n")[0].decode()
        lines = [line.partition(": ") for line in head.splitlines()[1:]]
        return {name.lower(): value for name, _, value in lines}

    @property
    def body(self) -> bytes:
        return self._transport.value().partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        assert self.json["error"]["message"]
        return self.status, self.json["error"]["code"]


class World:
    """A site and what is behind it."""

    def __init__(self, token: str | None = None) -> None:
        self.clock = Clock()
        self.instance = FakeInstance(self.clock)
        self.site = make_site(
            instance=self.instance, operations=self.instance, token=token, reactor=self.clock
        )

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Exchange:
        named = {"Host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
        if body:
            named["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        protocol = self.site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return Exchange(protocol, transport)

    def get(self, path: str, **headers: str) -> Exchange:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: bytes = b"", **headers: str) -> Exchange:
        return self.ask("POST", path, body, **headers)


@pytest.fixture
def world() -> World:
    """Make a site without a token."""
    return World()


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """Note what is logged."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/api/workers/3/drain", b"", ("drain", 3)),
        ("/api/workers/3/drain", b"{}", ("drain", 3)),
        ("/api/replace", b"", ("replace",)),
        ("/api/rebalance", b"", ("rebalance",)),
        ("/api/scale", b'{"workers":4}', ("scale", 4)),
        ("/api/upgrade", b"", ("upgrade",)),
    ],
)
def test_a_long_verb(world: World, path: str, body: bytes, asked: tuple[Any, ...]) -> None:
    """It is answered at once with the job, which can be asked for until it ends and after."""
    begun = world.post(path, body)
    assert world.instance.asked == [asked]
    assert begun.status == 202
    assert begun.headers["content-type"] == "application/json"
    assert (begun.json["id"], begun.json["verb"], begun.json["state"]) == (1, asked[0], "running")
    world.clock.advance(2.0)
    assert world.get("/api/jobs/1").json == begun.json | {"seconds": 2.0}
    world.instance.end(1, "no worker got ready")
    ended = world.get("/api/jobs/1").json
    assert (ended["state"], ended["note"]) == ("failed", "no worker got ready")
    assert world.get("/api/jobs").json == [ended]


def test_a_move_is_waited_for(world: World) -> None:
    """Its answer is how it ended; the room may be written in any case."""
    moving = world.post("/api/rooms/table234/move", b'{"worker":2}')
    assert world.instance.asked == [("move", "TABLE234", 2)]
    assert not moving.answered
    world.instance.end(1)
    assert (moving.status, moving.json["state"]) == (200, "done")
    failing = world.post("/api/rooms/TABLE234/move", b'{"worker":2}')
    world.instance.end(2, "the store does not answer")
    assert (failing.status, failing.json["note"]) == (409, "the store does not answer")


def test_a_move_that_takes_too_long(world: World) -> None:
    """It goes on, and the answer says so."""
    moving = world.post("/api/rooms/TABLE234/move", b'{"worker":2}')
    world.clock.advance(MOVE_SECONDS)
    assert (moving.status, moving.json["state"]) == (202, "running")
    world.instance.end(1)
    assert world.get("/api/jobs/1").json["state"] == "done"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/api/scale", b"", "workers"),
        ("/api/scale", b'{"workers":"4"}', "workers"),
        ("/api/scale", b'{"workers":0}', "workers"),
        ("/api/scale", b'{"workers":4,"now":true}', "now"),
        ("/api/scale", b'[{"workers":4}]', "object"),
        ("/api/scale", b"{", "truncated"),
        ("/api/scale", b'{"workers":4,"\xff":1}', ""),
        ("/api/replace", b'{"workers":4}', "workers"),
        ("/api/rooms/TABLE234/move", b'{"worker":null}', "worker"),
    ],
)
def test_a_bad_body(world: World, path: str, body: bytes, word: str) -> None:
    """What is wrong with it is named, and nothing is done."""
    answer = world.post(path, body)
    assert answer.error == (400, "bad_request")
    assert word in answer.json["error"]["message"]
    assert world.instance.asked == []


def test_a_body_that_is_too_big(world: World) -> None:
    """It is not read."""
    assert world.post("/api/replace", b" " * MAX_BODY + b"{}").error == (413, "too_big")
    assert world.instance.asked == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("no_such_worker", 404),
        ("no_such_room", 404),
        ("busy", 409),
        ("last_worker", 409),
        ("bad_request", 400),
        ("unavailable", 503),
        ("something_new", 409),
    ],
)
def test_a_refusal(world: World, code: str, status: int) -> None:
    """The server's word and text reach the operator."""
    world.instance.refusal = Refused(code, "not now")
    for answer in (
        world.post("/api/workers/3/drain"),
        world.post("/api/rooms/TABLE234/move", b'{"worker":2}'),
    ):
        assert answer.status == status
        assert answer.json == {"error": {"code": code, "message": "not now"}}


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/api/jobs/1", (404, "no_such_job")),
        ("GET", "/api/jobs/one", (404, "not_found")),
        ("POST", "/api/workers/one/drain", (404, "not_found")),
        ("POST", "/api/rooms/!/move", (400, "bad_request")),
        ("POST", "/api/nothing", (404, "not_found")),
        ("GET", "/api/replace", (405, "method_not_allowed")),
        ("PUT", "/api/workers/3/drain", (405, "method_not_allowed")),
        ("POST", "/api/jobs", (405, "method_not_allowed")),
        ("POST", "/", (405, "method_not_allowed")),
    ],
)
def test_what_is_not_there(world: World, method: str, path: str, error: tuple[int, str]) -> None:
    """It is said by status and code; a wrong method learns the right one."""
    answer = world.ask(method, path)
    assert answer.error == error
    if answer.status == 405:
        right = "GET" if "jobs" in path or path == "/" else "POST"
        assert answer.headers["allow"] == right


def test_a_code_that_no_room_has(world: World) -> None:
    """It is not even asked for."""
    assert world.post("/api/rooms/!/move", b'{"worker":2}').error == (404, "no_such_room")
    assert world.instance.asked == []


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8764", "a.localhost.evil."])
def test_a_name_that_may_be_anybodys(world: World, name: str) -> None:
    """A page that is there could else read all and do all (DNS rebinding); a token ends that."""
    for path in ("/api/status", "/api/rooms"):
        assert world.get(path, Host=name).error == (403, "foreign_name")
    assert world.post("/api/replace", Host=name, Origin=f"http://{name}").status == 403
    assert world.instance.asked == []
    for path in ("/health", "/ready", "/metrics", "/"):
        assert world.get(path, Host=name).status == 200
    token = "0123456789abcdef"
    guarded = World(token)
    assert guarded.get("/api/status", Host=name, Authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1:8764", "[::1]:8764", "10.0.0.11", "localhost", "a.localhost:8764", "hokm-server:1"],
)
def test_names_that_are_our_own(world: World, name: str) -> None:
    """Addresses, what is this machine's, and what no name server of the world has."""
    assert world.get("/api/status", Host=name).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": f"http://{HOST}", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_a_page_of_another_site(world: World, headers: dict[str, str]) -> None:
    """It cannot have anything done."""
    for path, body in (("/api/replace", b""), ("/api/scale", b'{"workers":4}')):
        assert world.post(path, body, **headers).error == (403, "foreign_site")
    assert world.instance.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Origin": f"http://{HOST}", "Sec_Fetch_Site": "same-origin"},
        {"Origin": f"https://{HOST}"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_curl_and_our_own_page(world: World, headers: dict[str, str]) -> None:
    """They may; so may our page behind a proxy that ends TLS."""
    assert world.post("/api/replace", **headers).status == 202


def test_the_token() -> None:
    """Verbs and jobs ask for it, before they say anything else."""
    world = World("operators-secret-token")
    for path in ("/api/replace", "/api/workers/3/drain", "/api/nothing"):
        answer = world.post(path)
        assert answer.error == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert world.get("/api/jobs").error == (401, "unauthorized")
    assert world.instance.asked == []
    right = {"Authorization": "Bearer operators-secret-token"}
    assert world.post("/api/replace", **right).status == 202
    assert world.get("/api/jobs", **right).status == 200
    assert world.get("/health").status == 200


def failures(heard: list[Any]) -> list[Any]:
    return [event["log_failure"].type for event in heard if "log_failure" in event]


def test_a_fault_is_answered(heard: list[Any]) -> None:
    """It is logged, and its text stays here."""
    world = World()

    class Broken(FakeInstance):
        def metrics_text(self) -> bytes:
            raise ZeroDivisionError("secret")

    broken = Broken(world.clock)
    world.site = make_site(instance=broken, operations=broken, token=None, reactor=world.clock)
    answer = world.get("/metrics")
    assert answer.error == (500, "internal")
    assert b"secret" not in answer.body
    assert failures(heard) == [ZeroDivisionError]


def test_who_does_not_wait_for_the_answer(world: World, heard: list[Any]) -> None:
    """The move goes on without him."""
    moving = world.post("/api/rooms/TABLE234/move", b'{"worker":2}')
    moving.hang_up()
    world.instance.end(1)
    assert not moving.answered
    assert failures(heard) == []
    assert world.get("/api/jobs/1").json["state"] == "done"


def test_head(world: World) -> None:
    """It is GET without the body."""
    for path in ("/", "/health", "/metrics", "/api/jobs"):
        get, head = world.get(path), world.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", ("rooms", "", None)),
        ("?code=BLE2", ("rooms", "BLE2", None)),
        ("?worker=2", ("rooms", "", 2)),
        ("?code=t%C3%A9&worker=22", ("rooms", "té", 22)),
    ],
)
def test_rooms(world: World, query: str, asked: tuple[Any, ...]) -> None:
    """They are found by a part of the code and by their worker."""
    answer = world.get("/api/rooms" + query)
    assert world.instance.asked == [asked]
    assert answer.json == {
        "rooms": [{"code": "TABLE234", "worker": 1, "connections": 4, "moving": False}],
        "total": 7,
    }


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("worker=two", "worker"),
        ("worker=", "worker"),
        ("name=x", "name"),
        ("code=" + 33 * "A", "32"),
    ],
)
def test_a_bad_query(world: World, query: str, word: str) -> None:
    """What is wrong with it is named."""
    answer = world.get("/api/rooms?" + query)
    assert answer.error == (400, "bad_request")
    assert word in answer.json["error"]["message"]
    assert world.instance.asked == []


def test_a_query_that_nobody_asks_for(world: World) -> None:
    """It is passed over."""
    assert world.get("/api/status?at=now").status == 200
    assert world.get("/health?x").status == 200


def test_trends(world: World) -> None:
    """They are those of each worker, by its number."""
    values = {"cpu": [0.1, 0.2], "memory": [1, 2], "loop_lag_ms": [0.4, 0.8]}
    workers = {"1": values | {"connections": [40, 48]}}
    assert world.get("/api/trends").json == {"every_s": 1.0, "workers": workers}


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "wrong", "Bearer tokén", ""])
def test_a_wrong_token(given: str, heard: list[Any]) -> None:
    """It is refused, whatever bytes it has."""
    world = World("operators-secret-tökén")
    answer = world.get("/api/status", Authorization=given)
    assert answer.error == (401, "unauthorized")
    right = {"Authorization": "Bearer operators-secret-tökén"}
    assert world.get("/api/status", **right).status == 200
    assert failures(heard) == []


def test_a_token_that_is_no_text(heard: list[Any]) -> None:
    """Bytes that are no UTF-8 are no token either."""
    world = World("operators-secret-token")
    protocol = world.site.buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(
        b"GET /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n"
    )
    assert Exchange(protocol, transport).error == (401, "unauthorized")
    assert failures(heard) == []
