"""The load where there is no C compiler: python -m … hokm|json PORT.

It takes the lines that load/main.c takes. It is slower than that, so that its rates and times are
no figures of the server; what a play costs the server is.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time
from collections import deque
from typing import Any, Final

from disturbance import frames
from msgspec import json

HEAD: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NOBODY: Final = "-"  # in place of the token of a room's host
PATIENCE: Final = 60.0  # seconds for one room to be seated, or to begin
LAST_PLAYS: Final = 5.0  # seconds for plays under way when a run ends


class Seat:
    """One player's connection."""

    def __init__(self, load: PythonLoad, room: Room, number: int, path: str, token: str) -> None:
        """Be about to connect."""
        self.number = number
        self.seated = False
        self.seq = -1
        self.id = 0
        self.answered = 0
        self.path = path
        self._load = load
        self._room = room
        self._host = {} if token == NOBODY else {"token": token}
        self._frames = frames.Reader()

    def connect(self) -> None:
        """Connect, shake hands, and join."""
        self.sock = socket.create_connection(("127.0.0.1", self._load.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(HEAD.format(path=self.path).encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                raise OSError("the connection ended in its handshake")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise OSError(f"handshake refused: {head[:40]!r}")
        if self._load.dialect == "hokm":
            self.command("join", name=f"p{self.number}", **self._host)
        self._take(rest)

    def command(self, type: str, **fields: object) -> None:
        """Send a command."""
        self.id += 1
        text = json.encode({"type": type, "id": self.id, **fields})
        self.sock.sendall(frames.frame(frames.TEXT, text, random.getrandbits(32)))

    def play(self, card: str) -> None:
        """Play a card."""
        if self._load.dialect == "hokm":
            self.command("play", card=card)
        else:
            self.command("play", seq=self.seq, seat=self.number, card=card)

    def take(self) -> None:
        """Take what has come, and play if it is this room's time to."""
        data = self.sock.recv(262144)
        if not data:
            raise OSError("the connection ended")
        self._take(data)
        self._room.try_to_play()

    def _take(self, data: bytes) -> None:
        for opcode, payload in self._frames.feed(data):
            if opcode == frames.TEXT:
                self._hear(json.decode(payload))
            elif opcode == frames.PING:
                self.sock.sendall(frames.frame(frames.PONG, payload, random.getrandbits(32)))

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ok":
                self._answer(message["id"])
                self.seated = True
            case "error":
                raise OSError(f"refused: {message}")
            case "welcome":
                self.seq = message["state"]["seq"]
                return
            case "dealt":
                self.seq, self.number, self.seated = message["seq"], message["seat"], True
            case "notice":
                return
            case _:
                self._event(message)
        if legal := message.get("legal"):
            if message.get("action") == "choose_trump":
                self.command("choose_trump", suit=legal[0])
            else:
                self._room.turn = (self, legal[0])

    def _event(self, message: dict[str, Any]) -> None:
        if message["seq"] != self.seq + 1:
            raise OSError(f"event {message['seq']} after {self.seq}")
        self.seq += 1
        if message["type"] == "card_played":
            if "id" in message and message["seat"] == self.number:
                self._answer(message["id"])
            self._room.receive()
        elif message["type"] == "match_over" and self.number == 0:
            self.command("start")

    def _answer(self, id: int) -> None:
        if id != self.answered + 1:
            raise OSError(f"answer to {id}, where {self.answered} are answered")
        self.answered = id


class Room:
    """Four seats, and at most one play under way."""

    def __init__(self, load: PythonLoad) -> None:
        """Be empty."""
        self.seats: list[Seat] = []
        self.turn: tuple[Seat, str] | None = None
        self.due: deque[float] = deque()
        self._load = load
        self._since: float | None = None
        self._missing = 0  # copies of the play under way that have not come

    @property
    def busy(self) -> bool:
        """Whether a play is due or under way."""
        return self._since is not None or bool(self.due)

    def receive(self) -> None:
        """Count one copy of a play."""
        self._missing -= 1
        if self._missing < 0:
            raise OSError("a play that nobody made")
        if self._missing == 0 and self._since is not None:
            self._load.times.append(time.monotonic() - self._since)
            self._since = None

    def try_to_play(self) -> None:
        """Play, if somebody is to, all have seen the last play and its player has his answer."""
        if self.turn is None or self._missing:
            return
        seat, card = self.turn
        if seat.answered != seat.id:
            return
        if self.due:
            self._since = self.due.popleft()
        elif self._load.closed:
            self._since = time.monotonic()
        else:
            return
        self.turn = None
        self._missing = 4
        seat.play(card)


class PythonLoad:
    """All rooms, and the lines that say what they do."""

    def __init__(self, dialect: str, port: int) -> None:
        """Have no rooms yet."""
        self.dialect = dialect
        self.port = port
        self.closed = False
        self.times: list[float] = []
        self._rooms: list[Room] = []
        self._opened = 0
        self._seats: dict[int, Seat] = {}
        self._poll = select.epoll()

    def run(self) -> None:
        """Obey the lines of the standard input until its end."""
        self._poll.register(0, select.EPOLLIN)
        rest = b""
        while True:
            if not self._turn(3600.0):
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._obey(line.decode().split())

    def _obey(self, words: list[str]) -> None:
        if words[0] == "seat":
            if not self._rooms or len(self._rooms[-1].seats) == 4:
                self._rooms.append(Room(self))
            room = self._rooms[-1]
            room.seats.append(Seat(self, room, len(room.seats), *words[1:]))
            return
        answer: dict[str, object] = {"errors": 0, "first_error": ""}
        try:
            self.times.clear()
            began = time.monotonic()
            match words:
                case ["open"]:
                    answer["seated"] = self._open()
                case ["start"]:
                    self._start()
                case ["closed", seconds]:
                    self._closed(float(seconds))
                case ["paced", rate, seconds]:
                    self._paced(float(rate), float(seconds))
            answer |= {"plays": len(self.times), "seconds": time.monotonic() - began}
            self.times.sort()
            for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
                rank = min(int(share * len(self.times)), len(self.times) - 1)
                answer[name] = 1e3 * self.times[rank] if self.times else 0.0
        except (OSError, frames.BadFrame) as error:
            answer = {"errors": 1, "first_error": str(error)}
        sys.stdout.write(json.encode(answer).decode() + "\n")
        sys.stdout.flush()

    def _turn(self, seconds: float) -> bool:
        """Handle what happens for so long at most; says whether there is input."""
        told = False
        for fileno, _ in self._poll.poll(max(0.0, seconds)):
            if fileno == 0:
                told = True
            else:
                self._seats[fileno].take()
        return told

    def _open(self) -> int:
        new, self._opened = self._rooms[self._opened :], len(self._rooms)
        for room in new:
            for seat in room.seats:
                seat.connect()
                self._seats[seat.sock.fileno()] = seat
                self._poll.register(seat.sock.fileno(), select.EPOLLIN)
            self._wait(lambda room=room: all(seat.seated for seat in room.seats), "seated")
        return 4 * len(new)

    def _start(self) -> None:
        for room in self._rooms:
            if self.dialect == "hokm":
                room.seats[0].command("start")
            self._wait(lambda room=room: room.turn is not None, "begun")

    def _wait(self, done: Any, what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > until:
                raise OSError(f"a room is not {what} in {PATIENCE:.0f} s")
            self._turn(0.1)

    def _closed(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.closed = True
        for room in self._rooms:
            room.try_to_play()
        while (left := until - time.monotonic()) > 0:
            self._turn(left)
        self.closed = False
        self._finish()

    def _paced(self, rate: float, seconds: float) -> None:
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            while (left := due - time.monotonic()) > 0:
                self._turn(left)
            room = self._rooms[number % len(self._rooms)]
            room.due.append(due)
            room.try_to_play()
        self._finish()

    def _finish(self) -> None:
        """End a run; a play that is due and was not made has taken at least until now."""
        if self._still_busy():
            for room in self._rooms:
                self.times += [time.monotonic() - due for due in room.due]
                room.due.clear()
        if self._still_busy():
            raise OSError(f"plays were not answered in {2 * LAST_PLAYS:.0f} s")

    def _still_busy(self) -> bool:
        until = time.monotonic() + LAST_PLAYS
        while any(room.busy for room in self._rooms):
            if time.monotonic() > until:
                return True
            self._turn(0.01)
        return False


if __name__ == "__main__":
    PythonLoad(sys.argv[1], int(sys.argv[2])).run()
