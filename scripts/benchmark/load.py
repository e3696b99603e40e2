"""The load: rooms of four raw sockets; whoever is told what he may play plays the first of it."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import time
import urllib.request
from typing import Any

OPTIONS = {
    "target": 100,
    "pause_seconds": 0,
    "turn_seconds": 600,
    "grace_seconds": 600,
}
HEAD = (
    "GET /ws?room_code={code} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """Return a client's frame; its mask is zero, which is legal and costs the sender nothing."""
    size = len(text)
    if size < 126:
        return bytes((0x81, 0x80 | size, 0, 0, 0, 0)) + text
    return bytes((0x81, 0xFE)) + size.to_bytes(2, "big") + bytes(4) + text


class Seat:
    """One player's socket."""

    def __init__(self, port: int, code: str, token: str | None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token
        self.id = 0
        self.plays = 0
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(HEAD.format(code=code, port=port, key=key).encode())
        while b"\r\n\r\n" not in self.data:
            self.data += self.sock.recv(65536)
        self.data = self.data.partition(b"\r\n\r\n")[2]

    def say(self, type: str, **fields: Any) -> None:
        """Send a command."""
        self.id += 1
        self.sock.sendall(masked(json.dumps({"type": type, "id": self.id, **fields}).encode()))

    def wait_for(self, word: bytes) -> None:
        """Read until *word* comes."""
        while word not in self.data:
            self.data += self.sock.recv(65536)

    def take(self) -> None:
        """Read what is there, and play if it is this seat's turn."""
        data = self.data + self.sock.recv(262144)
        start = 0
        while True:
            size, head = 0, 2
            if len(data) - start < 2:
                break
            size = data[start + 1]
            if size == 126:
                size, head = int.from_bytes(data[start + 2 : start + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[start + 2 : start + 10], "big"), 10
            end = start + head + size
            if len(data) < end:
                break
            if data[start] == 0x81:
                self.hear(data[start + head : end])
            start = end
        self.data = data[start:]

    def hear(self, text: bytes) -> None:
        """Take one message."""
        if b'"card_played"' in text:
            self.plays += 1
        if b'"legal":' in text.replace(b" ", b""):
            message = json.loads(text)
            if not message.get("legal"):
                return
            if message.get("action") == "choose_trump":
                self.say("choose_trump", suit=message["legal"][0])
            else:
                self.say("play", card=message["legal"][0])


class Load:
    """Rooms that play on and on."""

    def __init__(self, port: int, rooms: int, *, hokm: bool) -> None:
        self.seats: list[Seat] = []
        for number in range(rooms):
            if hokm:
                self.sit_down(port)
            else:
                self.seats += [Seat(port, f"R{number}", None) for _ in range(4)]
        self.poll = select.epoll()
        self.of = {seat.sock.fileno(): seat for seat in self.seats}
        for fileno in self.of:
            self.poll.register(fileno, select.EPOLLIN)

    def sit_down(self, port: int) -> None:
        """Make a table and start its match."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/rooms",
            json.dumps({"options": OPTIONS}).encode(),
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            made = json.load(response)
        table = []
        for number in range(4):
            seat = Seat(port, made["room_code"], made["host_token"] if number == 0 else None)
            fields = {"token": seat.token} if seat.token else {}
            seat.say("join", name=f"p{number}", **fields)
            seat.wait_for(b'"ok"')
            table.append(seat)
        table[0].say("start")
        self.seats += table

    def run(self, seconds: float) -> int:
        """Play for so long; returns the number of plays."""
        before = sum(seat.plays for seat in self.seats[::4])
        until = time.monotonic() + seconds
        for seat in self.seats:
            if seat.data:
                self.react(seat)
        while time.monotonic() < until:
            for fileno, _ in self.poll.poll(0.1):
                self.of[fileno].take()
        return sum(seat.plays for seat in self.seats[::4]) - before

    def react(self, seat: Seat) -> None:
        """Take what came during the preparations."""
        seat.sock.setblocking(False)
        try:
            seat.take()
        except BlockingIOError:
            data, seat.data = seat.data, b""
            seat.data = data
        finally:
            seat.sock.setblocking(True)

    def close(self) -> None:
        """Close all sockets."""
        for seat in self.seats:
            seat.sock.close()
        self.poll.close()
