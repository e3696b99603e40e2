"""Echo servers on hokm's own connections: what a worker does with bytes, and nothing of the game.

Text and binary come back as they went; there is no `join`, no rate limit, and hardly a limit of
size. Two such processes give each open connection to each other again and again: frozen, exported,
sent with its descriptor and adopted, as rooms' connections are. `tests.echoes` starts them.
"""

from __future__ import annotations

import random
import socket
from collections import Counter
from typing import Any, Final

from msgspec import Struct
from msgspec.msgpack import Decoder
from twisted.internet.abstract import FileDescriptor

from hokm.connection import Connection, Gone, Record, Site, adopt, text_frame
from hokm.control.channel import Channel
from hokm.control.ledger import Ledger
from tests.echoes import NONE, Settings

LARGEST: Final = 64 << 20  # bytes of a message, and of what may wait
READS: Final = (3, 19, 250, 65536)  # bytes that a moving connection's owner reads at once
TURNS: Final = (1, 2, 5, 20, 200)  # of the reactor, for which it stays; it may read once in each


class Moved(Struct, frozen=True, kw_only=True):
    """One connection, whose descriptor comes with this; *line* is its own in the ledger."""

    line: int
    record: Record


class Echo:
    """A player who says what he hears."""

    def __init__(self, connection: Connection, on_closed: Any) -> None:
        self._connection = connection
        self._on_closed = on_closed

    def on_open(self) -> None:
        pass

    def on_text(self, payload: bytes) -> None:
        self._connection.send(text_frame(payload))

    def on_binary(self, payload: bytes) -> None:
        self._connection.send(b"\x82" + text_frame(payload)[1:])

    def on_pong(self, payload: bytes) -> None:
        pass

    def on_closed(self, code: int | None, clean: bool) -> None:
        self._on_closed(self._connection)


class Listener(FileDescriptor):
    """Accepts, and hands on each socket."""

    def __init__(self, reactor: Any, sock: socket.socket, on_accepted: Any) -> None:
        super().__init__(reactor)
        sock.setblocking(False)
        self._sock = sock
        self._on_accepted = on_accepted
        self.startReading()

    def fileno(self) -> int:
        return self._sock.fileno()

    def doRead(self) -> None:
        try:
            accepted, _ = self._sock.accept()
        except BlockingIOError:
            return
        self._on_accepted(accepted)


class EchoWorker:
    """One process's part.

    Attributes:
        tally: What has happened. Connections: `accepted`, and of those `travelled`. Moves:
            `moved`, and of those `half_read` (in a message). What did not move, because it was
            `closing`, and what was reset on the way and is `gone`.
    """

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self.tally: Counter[str] = Counter()
        self._reactor = reactor
        self._random = random.Random(settings.seed)
        self._site = Site(
            reactor=reactor, subprotocol="hokm.v1", max_message=LARGEST, max_buffered=LARGEST
        )
        self._ledger = Ledger(settings.ledger)
        self._lines: dict[Connection, int] = {}
        self._stayed: set[int] = set()  # lines of those accepted here that have not moved yet
        self._channel: Channel[Moved] | None = None
        if settings.channel != NONE:
            self._channel = Channel(
                reactor=reactor,
                sock=socket.socket(fileno=settings.channel),
                decoder=Decoder(Moved),
                on_message=self._receive,
                on_lost=lambda _: None,
            )
        if settings.listener != NONE:
            Listener(reactor, socket.socket(fileno=settings.listener), self._take)

    def _take(self, sock: socket.socket) -> None:
        line = self.tally["accepted"]
        self.tally["accepted"] += 1
        self._stayed.add(line)
        self._adopt(sock, line)

    def _adopt(self, sock: socket.socket, line: int, *, frozen: bool = False) -> Connection:
        connection = adopt(
            sock,
            self._site,
            self._ledger.line(line),
            lambda it: Echo(it, lambda gone: self._lines.pop(gone, None)),
            frozen=frozen,
        )
        self._lines[connection] = line
        if self._channel is not None:
            transport: Any = connection.transport
            transport.bufferSize = self._random.choice(READS)
            self._give_after(self._random.choice(TURNS), connection)
        return connection

    def _give_after(self, turns: int, connection: Connection) -> None:
        if turns:
            self._reactor.callLater(0, self._give_after, turns - 1, connection)
        else:
            self._give(connection)

    def _give(self, connection: Connection) -> None:
        """Give a connection away, in a turn in which it is not being handled."""
        if connection not in self._lines:
            return
        if not connection.freeze():
            self.tally["closing"] += 1
            return
        assert self._channel is not None
        line = self._lines.pop(connection)
        record = connection.export()
        transport: Any = connection.transport
        self._channel.send(Moved(line=line, record=record), [transport.fileno()])
        connection.let_go()
        self.tally["moved"] += 1
        self.tally["half_read"] += bool(record.answer and record.unread)
        self.tally["travelled"] += line in self._stayed
        self._stayed.discard(line)

    def _receive(self, moved: Moved, descriptors: list[int]) -> None:
        [descriptor] = descriptors
        try:
            connection = self._adopt(socket.socket(fileno=descriptor), moved.line, frozen=True)
        except Gone:
            self.tally["gone"] += 1
            return
        connection.restore(moved.record)
        connection.thaw()
