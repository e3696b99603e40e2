"""A WebSocket on real sockets, whose server's end goes from owner to owner in this process."""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
import struct
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from typing import Any, Self

from msgspec.msgpack import decode, encode
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater

from hokm.connection import Connection, Record, Site, Unrestorable, adopt, text_frame
from hokm.control.ledger import SENT, SENT_FROM, TAKEN, Ledger
from hokm.control.stream import Counts, Trust, counts, trust
from tests.rawsocket import frame

reactor: Any = installed
HEAD = (
    b"GET /ws?room_code=ABCD HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8765\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: hokm.v1\r\n\r\n"
)
SWITCHING = b"HTTP/1.1 101 "
SMALL_BUFFER = 4096  # bytes; the kernel doubles it

_ledger = functools.cache(Ledger.make)
_numbers = itertools.count()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the reactor turn until *condition* holds; fail after *seconds*."""
    for _ in range(int(seconds / 0.002)):
        if condition():
            return
        await deferLater(reactor, 0.002)
    raise AssertionError("did not happen in time")


def descriptors() -> int:
    """Count this process's open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))


def make_site(**settings: Any) -> Site:
    """Make a site as a worker has it."""
    return Site(**{"reactor": reactor, "subprotocol": "hokm.v1", "max_message": 4096, **settings})


class Recorder:
    """A player who notes what he hears."""

    def __init__(self) -> None:
        self.opened = 0
        self.texts: list[bytes] = []
        self.pongs: list[bytes] = []
        self.closed: list[tuple[int | None, bool]] = []

    def on_open(self) -> None:
        self.opened += 1

    def on_text(self, payload: bytes) -> None:
        self.texts.append(payload)

    def on_binary(self, payload: bytes) -> None:
        raise AssertionError("nobody sends binary messages here")

    def on_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def on_closed(self, code: int | None, clean: bool) -> None:
        self.closed.append((code, clean))


class Client:
    """The player's end: sends what it is told, and reads only when it is asked.

    Attributes:
        data: All that it has read.
        ended: How its stream ended: "", "FIN" or "RST".
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.data = b""
        self.ended = ""

    def send(self, data: bytes) -> None:
        """Send bytes; there is always room for them here."""
        assert self.sock.send(data) == len(data)

    def read(self) -> bytes:
        """Read what is there, and return all that has come so far."""
        with contextlib.suppress(BlockingIOError):
            try:
                while more := self.sock.recv(65536):
                    self.data += more
                self.ended = self.ended or "FIN"
            except ConnectionResetError:
                self.ended = "RST"
        return self.data

    @property
    def answers(self) -> int:
        """How many handshakes were answered."""
        return self.read().count(SWITCHING)

    def frames(self) -> list[tuple[int, bytes]]:
        """Return all frames that have come, as first byte and payload; a part is left out."""
        _, _, data = self.read().partition(b"\r\n\r\n")
        found = []
        while len(data) >= 2:
            size, head = data[1], 2
            assert not size & 0x80, "servers do not mask"
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[2:head], "big")
            if len(data) < head + size:
                break
            found.append((data[0], data[head : head + size]))
            data = data[head + size :]
        return found

    def texts(self) -> list[bytes]:
        """Return the text messages that have come."""
        return [payload for first, payload in self.frames() if first == 0x81]

    def leave(self, *, reset: bool = False) -> None:
        """Close, by FIN or by RST."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Movable:
    """A connection with all who know it; leaving its context closes it.

    Attributes:
        client: The player's end.
        copy: The supervisor's copy of the server's end.
        ledger, number, line: Its ledger, which all share, and its line there.
        connection: Its owner's side of it; owners change.
        players: One of each owner, the latest last.
    """

    def __init__(
        self, *, small: bool = False, local: bool = False, site: Site | None = None
    ) -> None:
        """Connect, and let a first owner adopt the server's end.

        Args:
            small: Whether the kernel is to buffer little on the way to the client.
            local: Whether it is a socketpair, as a gate hands it on.
        """
        self.copy, theirs = socket.socketpair() if local else connect(small)
        if small:
            self.copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        self.client = Client(theirs)
        self.ledger = _ledger()
        self.number = next(_numbers)
        self.line = self.ledger.line(self.number)
        self.players: list[Recorder] = []
        self.connection = self.adopt(site, frozen=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything."""
        self.connection.let_go()
        self.copy.close()
        self.client.sock.close()

    async def open(self, head: bytes = HEAD) -> None:
        """Shake hands."""
        self.client.send(head)
        await until(lambda: self.client.answers)

    def adopt(self, site: Site | None = None, *, frozen: bool = True) -> Connection:
        """Let one more owner adopt the socket."""

        def make_player(_: Connection) -> Recorder:
            self.players.append(Recorder())
            return self.players[-1]

        site = make_site() if site is None else site
        return adopt(self.copy.dup(), site, self.line, make_player, frozen=frozen)

    # --- a planned move -------------------------------------------------------------------

    def move(self, site: Site | None = None, **ages: float) -> Record:
        """Let another owner go on with it; returns what travelled."""
        record = self.pack(**ages)
        self.go_on(self.unpack(record, site))
        return record

    def pack(self, **ages: float) -> Record:
        """Freeze it, and export it as it travels: by way of bytes."""
        assert self.connection.freeze()
        return decode(encode(self.connection.export(**ages)), type=Record)

    def unpack(self, record: Record, site: Site | None = None) -> Connection:
        """Let another owner restore it, still frozen.

        Raises:
            Unrestorable: It cannot; it has let go.
        """
        new = self.adopt(site)
        try:
            new.restore(record)
        except Unrestorable:
            new.let_go()
            raise
        return new

    def go_on(self, new: Connection) -> None:
        """Let the old owner let go, and the new one thaw."""
        self.connection.let_go()
        self.connection = new
        new.thaw()

    # --- a kill ---------------------------------------------------------------------------

    def kill(self) -> Trust:
        """Close the owner's descriptor as a kill does, and judge as `supervisor.recovery` does."""
        self.connection.let_go()
        return self.judge()

    def judge(self) -> Trust:
        """See how far the connection can be trusted, and bring its line up to date."""
        kernel = counts(self.copy)
        found = trust(kernel, self.line, len(HEAD))
        if found in (Trust.UNREAD, Trust.UNANSWERED):
            self.ledger.clear(self.number)
        elif kernel is not None:
            self.line[SENT_FROM] = self.line[SENT] = kernel.written
        return found

    def recover(self) -> None:
        """Let another owner go on after a kill."""
        self.connection = self.adopt()
        self.connection.recover(HEAD)
        self.connection.thaw()

    # --- what has happened ----------------------------------------------------------------

    @property
    def texts(self) -> list[bytes]:
        """What all owners were told."""
        return [text for player in self.players for text in player.texts]

    @property
    def pongs(self) -> list[bytes]:
        """The pongs that all owners heard."""
        return [pong for player in self.players for pong in player.pongs]

    @property
    def taken(self) -> int:
        """Bytes of the head and of whole messages, as the ledger says."""
        return self.line[TAKEN]

    async def has_read(self, size: int) -> None:
        """Wait until the owners have read *size* bytes, the head included."""
        if self.copy.family == socket.AF_UNIX:  # nobody counts; what was sent is there at once
            await until(lambda: not ioctl(self.copy, FIONREAD, bytes(4)).strip(b"\0"))
        else:
            await until(lambda: _present(counts(self.copy)).read == size)

    async def flows(self) -> None:
        """Check that a message goes each way, once."""
        heard, told = list(self.texts), self.client.texts()
        self.client.send(frame(0x81, b"in"))
        self.connection.send(text_frame(b"out"))
        await until(lambda: self.client.texts() != told and self.texts != heard)
        assert self.texts == [*heard, b"in"]
        assert self.client.texts() == [*told, b"out"]
        assert not self.client.ended


def connect(small: bool = False) -> tuple[socket.socket, socket.socket]:
    """Return a server's and a client's end of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        if small:  # before the connection: its window is agreed on then
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        return server, client.dup()


def _present(kernel: Counts | None) -> Counts:
    assert kernel is not None
    return kernel
