"""Bad input on the wire: each is answered by name, and the others at the table notice nothing."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Server
from tests.rawsocket import RawSocket, frame

SUITS = "SHDC"


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Server]:
    """Run one server for all tests of this module."""
    running = Server(
        memory / "wire",
        HOKM_WEB_ROOMS_PER_MINUTE="1000",
        HOKM_WORKER_WRONG_JOINS_PER_MINUTE="1000",
    )
    yield running
    running.stop()


def make_room(server: Server, **options: Any) -> dict[str, Any]:
    """Make a table with quick bots; returns what the server says of it."""
    wanted = {"bot_seconds": 0, "pause_seconds": 0, **options}
    request = urllib.request.Request(
        f"{server.url}/api/rooms", data=json.dumps({"options": wanted}).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        made: dict[str, Any] = json.load(response)
        return made


class Person:
    """Somebody at a table, who counts his own ids."""

    def __init__(self, server: Server, room: str, **join: Any) -> None:
        self.socket = RawSocket(server.port, room)
        self.id = 0
        self.welcome: dict[str, Any] = {}
        self.answer = self.ask("join", **{"name": "Sara", **join})

    def ask(self, kind: str, **fields: Any) -> Any:
        """Send a command; returns its answer, or the code that the server closes with."""
        self.id += 1
        return self.send({"type": kind, "id": self.id, **fields}, self.id)

    def send(self, message: Any, id: int | None) -> Any:
        """Send anything; returns the answer with *id*."""
        self.socket.send(message)
        while True:
            answer = self.socket.until("ok", "error", "welcome")
            if isinstance(answer, dict) and answer["type"] == "welcome":
                self.welcome = answer
                self.id = max(self.id, answer["last_id"])
            elif not isinstance(answer, dict) or answer["id"] == id:
                return answer

    def turn(self) -> dict[str, Any]:
        """Wait for the person's own turn."""
        while True:
            message = self.socket.until("turn")
            if message["seat"] == self.welcome["seat"]:
                return dict(message)


@pytest.fixture
def room(server: Server) -> dict[str, Any]:
    """Make a table."""
    return make_room(server)


@pytest.fixture
def host(server: Server, room: dict[str, Any]) -> Iterator[Person]:
    """Seat the table's maker."""
    person = Person(server, room["room_code"], token=room["host_token"])
    assert person.answer == {"type": "ok", "id": 1}
    yield person
    person.socket.close()


def error(answer: Any) -> str:
    """Return the code of an error."""
    assert answer["type"] == "error", answer
    return str(answer["code"])


@pytest.mark.parametrize(
    ("text", "id", "word"),
    [
        ("{", None, "truncated"),
        ("[]", None, "object"),
        ('{"type":"fly","id":2}', 2, "fly"),
        ('{"type":"say","id":2,"text":"x","loud":true}', 2, "loud"),
        ('{"type":"say","id":2,"text":7}', 2, "$.text"),
        ('{"type":"say","id":2}', 2, "text"),
        ('{"type":"say","id":0,"text":"x"}', None, "$.id"),
        ('{"type":"say","id":1e400,"text":"x"}', None, ""),
        ("\u0000", None, ""),
    ],
)
def test_what_does_not_fit(host: Person, text: str, id: int | None, word: str) -> None:
    """It is refused with the name of what is wrong, and the next command is done."""
    answer = host.send(text, id)
    assert error(answer) == "bad_message"
    assert word in answer["message"]
    assert host.ask("say", text="still here")["type"] == "ok"


def test_too_big(host: Person) -> None:
    """A message that is too long closes the connection with 1009."""
    host.socket.send({"type": "say", "id": 2, "text": "x" * 5000})
    assert host.socket.until() == 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x82, b"{}"), 1003),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x81, b"{}", masked=False), 1002),
        (frame(0xC1, b"{}"), 1002),
        (frame(0x83, b"{}"), 1002),
        (frame(0x89, b"x" * 126), 1002),
        (frame(0x80, b"{}"), 1002),
        (frame(0x09, b"{}"), 1002),
        (b"\x81\xfe\0\x02mask{}", 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x88, b"\x03\xe8\xff"), 1007),
        (frame(0x01, b"x" * 4096) + frame(0x80, b"x"), 1009),
        (frame(0x01, b"") + frame(0x00, b"") * 6000, 1009),
    ],
)
def test_frames_that_are_none(host: Person, data: bytes, code: int) -> None:
    """What no client may send closes the connection by its name."""
    host.socket.sock.sendall(data)
    assert host.socket.until() == code


def test_cut_anywhere(host: Person) -> None:
    """A message that comes in two pieces, cut at any byte, is one message."""
    for cut in range(1, 36):  # as many as one may send at once
        ready = {"type": "ready", "id": cut + 1, "ready": bool(cut % 2)}
        data = frame(0x81, json.dumps(ready).encode())
        assert cut < len(data)
        host.socket.sock.sendall(data[:cut])
        host.socket.sock.sendall(data[cut:])
        assert host.socket.answer(cut + 1) == {"type": "ok", "id": cut + 1}


def test_fragments_with_a_ping_between(host: Person) -> None:
    """A message in fragments is put together; a ping between them is answered at once."""
    text = '{"type":"say","id":2,"text":"سلام"}'.encode()
    sock = host.socket.sock
    sock.sendall(frame(0x01, text[:9]) + frame(0x89, b"are you there"))
    while (found := host.socket.receive_frame())[0] != 0xA:
        pass
    assert found[1] == b"are you there"
    sock.sendall(frame(0x00, text[9:20]) + frame(0x80, text[20:]))
    assert host.socket.until("said")["text"] == "سلام"
    assert host.socket.answer(2)["type"] == "ok"


def test_many_messages_at_once(host: Person) -> None:
    """What comes in one packet is done in its order, fast frames and slow ones mixed."""
    data = b""
    for id in range(2, 8):
        message = json.dumps({"type": "ready", "id": id, "ready": bool(id % 2)}).encode()
        if id % 3:
            data += frame(0x81, message)
        else:
            data += frame(0x01, message[:7]) + frame(0x80, message[7:])
    host.socket.sock.sendall(data)
    assert [host.socket.until("ok", "error")["id"] for _ in range(6)] == [2, 3, 4, 5, 6, 7]


def test_a_close_is_answered(host: Person) -> None:
    """The server answers a close frame with one, and closes."""
    host.socket.sock.sendall(frame(0x88, (1000).to_bytes(2, "big")))
    assert host.socket.receive() == 1000
    assert host.socket.sock.recv(1) == b""


def test_a_reader_who_does_not_read(memory: Path) -> None:
    """Who does not read what he asks for is dropped in bounded memory; others go on."""
    # However fast he asks, it is not that which he is dropped for.
    unlimited = {"HOKM_WORKER_MESSAGES_PER_SECOND": "10000", "HOKM_WORKER_BURST": "1000000"}
    server = Server(memory / "reader", workers=1, **unlimited)
    try:
        room = make_room(server)
        host = Person(server, room["room_code"], token=room["host_token"])
        lazy = RawSocket(server.port, room["room_code"])
        lazy.sock.settimeout(0.2)
        lazy.send({"type": "join", "id": 1, "name": "Lazy", "role": "spectator"})
        worker = psutil.Process(server.worker_pids()[0])
        before = worker.memory_info().rss
        ask = frame(0x81, b'{"type":"sync","id":2}') * 20
        until = time.monotonic() + 60
        while server_connections(server) != 2:  # workers tell once a second
            assert time.monotonic() < until
        while server_connections(server) != 1:
            assert time.monotonic() < until
            with contextlib.suppress(OSError):
                lazy.sock.sendall(ask)
        assert worker.memory_info().rss - before < 30 * 2**20
        assert host.ask("say", text="still here")["type"] == "ok"
    finally:
        server.stop()


def server_connections(server: Server) -> int:
    """Return how many WebSockets are open, as the workers said last."""
    return int(server.status()["connections"])


def test_too_fast(host: Person) -> None:
    """Who sends too much is told so, then closed with 1008."""
    for number in range(400):
        host.socket.send({"type": "ready", "id": number + 2, "ready": bool(number % 2)})
    codes = []
    while isinstance(answer := host.socket.until("error"), dict):
        codes.append(answer["code"])
    assert set(codes) == {"rate_limited"}
    assert answer == 1008


def test_before_join(server: Server, room: dict[str, Any]) -> None:
    """The first message must be a join."""
    socket = RawSocket(server.port, room["room_code"])
    socket.send({"type": "say", "id": 1, "text": "hello"})
    assert error(socket.answer(1)) == "not_joined"
    socket.send({"type": "join", "id": 2, "name": "Sara"})
    assert socket.answer(2)["type"] == "ok"


def test_no_join_in_time(memory: Path) -> None:
    """Who does not join in time is closed with 1008."""
    server = Server(memory / "joins", HOKM_WORKER_JOIN_SECONDS="0.2")
    try:
        assert RawSocket(server.port, make_room(server)["room_code"]).receive() == 1008
    finally:
        server.stop()


def test_out_of_turn_and_foreign_cards(server: Server, host: Person, room: dict[str, Any]) -> None:
    """Only whose turn it is plays, only what he holds and may play; the table goes on."""
    guest = Person(server, room["room_code"], seat=2)
    assert host.ask("start", fill=True)["type"] == "ok"
    people = {0: host, 2: guest}
    state = guest.send({"type": "sync", "id": 2}, 2)
    guest.id = 2
    assert state["type"] == "ok"
    for _ in range(200):
        host.ask("sync")
        shown = _state(server, room["room_code"])
        turn = shown["turn"]
        if turn is None or turn["seat"] not in people:
            continue
        mine, other = people[turn["seat"]], people[(turn["seat"] + 2) % 4]
        if turn["action"] == "choose_trump":
            assert error(other.ask("choose_trump", suit="S")) == "not_hakem"
            assert error(mine.ask("choose_trump", suit="Z")) == "bad_suit"
            assert error(mine.ask("play", card="AS")) == "wrong_phase"
            assert mine.ask("choose_trump", suit="S")["type"] == "ok"
        else:
            assert error(other.ask("play", card="AS")) == "not_your_turn"
            assert error(mine.ask("play", card="1Z")) == "bad_card"
            assert error(mine.ask("play", card=_foreign(mine))) == "not_in_hand"
            break
    else:
        pytest.fail("nobody's turn came")


def _state(server: Server, room: str) -> Any:
    watcher = RawSocket(server.port, room)
    watcher.send({"type": "join", "id": 1, "name": "W", "role": "spectator"})
    welcome = watcher.until("welcome")
    watcher.close()
    return welcome["state"]


def _foreign(person: Person) -> str:
    """Return a card that a person does not hold."""
    person.id += 1
    person.socket.send({"type": "sync", "id": person.id})
    hand = person.socket.until("state")["state"]["hand"]
    person.socket.answer(person.id)
    return next(rank + suit for suit in SUITS for rank in "A2K" if rank + suit not in hand)


def test_unknown_room(server: Server) -> None:
    """A code without a table: an error that says so, then 1008."""
    person = Person(server, "ZZZZ2222")
    assert error(person.answer) == "no_such_room"
    assert person.socket.until() == 1008


@pytest.mark.parametrize("code", [None, "", "A", "0O1I", "A" * 40, "%00%00%00%00"])
def test_no_room_code(server: Server, code: str | None) -> None:
    """A URL without a code that can be one is no WebSocket here."""
    assert RawSocket(server.port, code).status == 404


def test_full_table(server: Server, host: Person, room: dict[str, Any]) -> None:
    """Nobody finds a fifth seat, or one in the middle of a match; he may still watch."""
    assert host.ask("start", fill=True)["type"] == "ok"
    late = Person(server, room["room_code"])
    assert error(late.answer) == "room_full"
    assert late.ask("join", name="Late", role="spectator")["type"] == "ok"
    assert error(late.ask("say", text="hello")) == "not_seated"


def test_tokens(server: Server, host: Person, room: dict[str, Any]) -> None:
    """A wrong token opens nothing; a right one takes the seat over; an old one is void."""
    wrong = Person(server, room["room_code"], token="0" * 64)
    assert error(wrong.answer) == "bad_token"
    first = host.welcome["token"]
    second = Person(server, room["room_code"], token=first)
    assert second.answer["type"] == "ok"
    assert second.welcome["seat"] == 0 and second.welcome["token"] != first
    assert host.socket.until() == 4001
    second.ask("say", text="here")  # and answers the ping that asks whether the token came
    third = Person(server, room["room_code"], token=second.welcome["token"])
    assert third.answer["type"] == "ok"
    assert second.socket.until() == 4001
    assert error(Person(server, room["room_code"], token=first).answer) == "bad_token"


def test_ids(host: Person) -> None:
    """A repeated command is answered and not done again; one that was jumped over is stale."""
    assert host.send({"type": "add_bot", "id": 4, "seat": 1}, 4)["type"] == "ok"
    assert host.send({"type": "add_bot", "id": 4, "seat": 2}, 4)["type"] == "ok"
    assert error(host.send({"type": "add_bot", "id": 3, "seat": 2}, 3)) == "stale_id"
    host.socket.send({"type": "sync", "id": 5})
    seats = host.socket.until("state")["state"]["seats"]
    assert [seat and seat["kind"] for seat in seats] == ["human", "bot", None, None]


def test_compression_is_refused(server: Server, room: dict[str, Any]) -> None:
    """Offers of extensions are passed over, our subprotocol is taken."""
    socket = RawSocket(
        server.port,
        room["room_code"],
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol: other, hokm.v1",
    )
    assert socket.status == 101
    assert "permessage-deflate" not in socket.head
    assert "Sec-WebSocket-Protocol: hokm.v1" in socket.head


def test_a_full_worker(memory: Path) -> None:
    """A worker has so many connections and no more; the others are told, and counted."""
    server = Server(memory / "full", workers=1, HOKM_WORKER_MAX_CONNECTIONS="2")
    try:
        room = make_room(server)["room_code"]
        sockets = [RawSocket(server.port, room) for _ in range(3)]
        assert [socket.status for socket in sockets] == [101, 101, 503]
        sockets[0].close()
        until = time.monotonic() + 5
        while RawSocket(server.port, room).status != 101:
            assert time.monotonic() < until
        with urllib.request.urlopen(f"{server.admin}/metrics", timeout=5) as response:
            metrics = response.read().decode()
        assert 'hokm_connections_refused_total{reason="worker_full"}' in metrics
    finally:
        server.stop()


def test_foreign_origin(memory: Path) -> None:
    """Where origins are named, a page of another one cannot connect."""
    server = Server(memory / "origin", HOKM_WORKER_ALLOWED_ORIGINS="https://cards.example.org")
    try:
        code = make_room(server)["room_code"]
        assert RawSocket(server.port, code, "Origin: https://evil.example").status == 400
        assert RawSocket(server.port, code, "Origin: https://cards.example.org").status == 101
    finally:
        server.stop()
