"""One player's or spectator's place at a table, over as many connections as it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any, Final
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm import wire
from hokm.client.errors import CommandRefused, Disconnected
from hokm.client.table import MissedEvents, after

_log = Logger()

FIRST_PAUSE: Final = 0.1  # seconds before a lost connection is made anew; doubled up to ...
MOST_PAUSE: Final = 5.0  # ... with jitter, so that a server's restart brings no storm
CONNECT_SECONDS: Final = 10.0
FINAL_CODES: Final = frozenset((wire.LEFT, wire.POLICY, wire.TAKEN_OVER))


class _Socket(WebSocketClientProtocol):
    owner: Client

    def onOpen(self) -> None:
        self.owner.opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        try:
            self.owner.heard(payload)
        except Exception:  # noqa: BLE001 - Autobahn swallows what is not caught here
            _log.failure("a message of the server could not be handled")

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.owner.lost(self, code)


class Client:
    """A place at a table.

    Attributes:
        room_code: Of the table.
        state: The table as this place sees it; kept up to date.
        token: Opens the seat; new after each resume.
        closed: Fires with the close code when the place is gone for good.
        resumes: How often the place was taken up again.
    """

    def __init__(
        self,
        base_url: str,
        room_code: str,
        name: str,
        *,
        reactor: Any,
        token: str | None = None,
        seat: int | None = None,
        role: wire.Role = "player",
        seed: str | None = None,
        on_event: Callable[[wire.Message], None] | None = None,
        random: Random | None = None,
    ) -> None:
        """Make a client that is not connected; see `join`."""
        parts = urlsplit(base_url)
        self._secure = parts.scheme in ("https", "wss")
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._secure else 80)
        self._url = (
            f"{'wss' if self._secure else 'ws'}://{self._host}:{self._port}"
            f"/ws?room_code={room_code}"
        )
        self.room_code = room_code
        self._reactor = reactor
        self._random = random or SystemRandom()
        self._name = name
        self._seat = seat
        self._role: wire.Role = role
        self._seed = seed if seed is not None else self._random.randbytes(16).hex()
        self._on_event = on_event
        self._socket: _Socket | None = None
        self._join: wire.Join | None = None  # that waits for its welcome
        self._pause = FIRST_PAUSE
        self._id = 0
        self._waiting: OrderedDict[int, tuple[wire.Command, Deferred[None]]] = OrderedDict()
        self._joined: Deferred[Client] | None = Deferred(self._given_up)
        self._watchers: list[tuple[Callable[[wire.State], bool], Deferred[wire.State]]] = []
        self._ended = False
        self.token = token
        self.state: wire.State | None = None
        self.closed: Deferred[int | None] = Deferred()
        self.resumes = -1

    # --- commands -------------------------------------------------------------------------

    def add_bot(self, seat: int | None = None, level: wire.Level = "normal") -> Deferred[None]:
        """Seat a bot."""
        return self._send(wire.AddBot(id=self._next(), seat=seat, level=level))

    def kick(self, seat: int) -> Deferred[None]:
        """Empty a seat."""
        return self._send(wire.Kick(id=self._next(), seat=seat))

    def sit(self, seat: int) -> Deferred[None]:
        """Change to a free seat."""
        return self._send(wire.Sit(id=self._next(), seat=seat))

    def ready(self, ready: bool = True) -> Deferred[None]:
        """Say whether one is ready."""
        return self._send(wire.Ready(id=self._next(), ready=ready))

    def start(self, *, fill: bool = False) -> Deferred[None]:
        """Begin a match."""
        return self._send(wire.Start(id=self._next(), fill=fill))

    def choose_trump(self, suit: str) -> Deferred[None]:
        """Name the trump."""
        return self._send(wire.ChooseTrump(id=self._next(), suit=suit))

    def redeal(self) -> Deferred[None]:
        """Refuse five low cards."""
        return self._send(wire.Redeal(id=self._next()))

    def play(self, card: str) -> Deferred[None]:
        """Play a card."""
        return self._send(wire.Play(id=self._next(), card=card))

    def say(self, text: str) -> Deferred[None]:
        """Chat."""
        return self._send(wire.Say(id=self._next(), text=text))

    def leave(self) -> Deferred[None]:
        """Give the seat up."""
        return self._send(wire.Leave(id=self._next()))

    def sync(self) -> Deferred[None]:
        """Ask for the whole state."""
        return self._send(wire.Sync(id=self._next()))

    @property
    def unanswered(self) -> int:
        """How many commands have no answer yet."""
        return len(self._waiting)

    def until(self, holds: Callable[[wire.State], bool]) -> Deferred[wire.State]:
        """Return a Deferred that fires once *holds* is true of the state."""
        waiting: Deferred[wire.State] = Deferred()
        if self.state is not None and holds(self.state):
            waiting.callback(self.state)
        elif self._ended:
            waiting.errback(Disconnected(None))
        else:
            self._watchers.append((holds, waiting))
        return waiting

    def pause(self, seconds: float) -> Deferred[None]:
        """Return a Deferred that fires after *seconds*."""
        return deferLater(self._reactor, seconds)

    def drop(self) -> None:
        """Lose the connection, as a network does; the client comes back by itself."""
        if self._socket is not None:
            transport: Any = self._socket.transport
            transport.abortConnection()

    def end(self) -> None:
        """Close the connection for good and keep the seat."""
        self._ended = True
        if self._socket is not None:
            self._socket.sendClose(1000)
        else:
            self._finish(None)

    def _given_up(self, joined: Deferred[Client]) -> None:
        """Hear that nobody waits for the place any more."""
        self._joined = None
        self.end()

    def _next(self) -> int:
        self._id += 1
        return self._id

    def _send(self, command: wire.Command) -> Deferred[None]:
        answer: Deferred[None] = Deferred()
        if self._ended:
            answer.errback(Disconnected(None))
            return answer
        self._waiting[command.id] = (command, answer)
        if self._join is None:
            self._put(command)
        return answer

    def _put(self, command: wire.Command) -> None:
        """Send what can be sent now; a connection that is closing will be followed by another."""
        socket = self._socket
        if socket is not None and socket.state == socket.STATE_OPEN:
            socket.sendMessage(wire.encode(command))

    # --- connection -----------------------------------------------------------------------

    def connect(self) -> Deferred[Client] | None:
        """Connect, unless it was ended meanwhile.

        Returns:
            Fires once there is a place at the table; cancelled, it ends the client.
        """
        if self._ended:
            return self._joined
        factory = WebSocketClientFactory(
            self._url, protocols=[wire.SUBPROTOCOL], reactor=self._reactor
        )
        factory.protocol = self._make  # type: ignore[assignment] # any callable will do
        factory.setProtocolOptions(openHandshakeTimeout=CONNECT_SECONDS, closeHandshakeTimeout=1)
        endpoint: Any = HostnameEndpoint(
            self._reactor, self._host, self._port, timeout=CONNECT_SECONDS
        )
        if self._secure:
            endpoint = wrapClientTLS(optionsForClientTLS(self._host), endpoint)
        endpoint.connect(factory).addErrback(self._failed)
        return self._joined

    def _make(self) -> _Socket:
        made = _Socket()
        made.owner = self
        return made

    def opened(self, socket: _Socket) -> None:
        """Hear that a connection is open: join, unless it was ended meanwhile."""
        if self._ended:
            socket.sendClose(1000)
            return
        self._socket = socket
        self._ask()

    def _ask(self) -> None:
        """Ask for a place; once more, and with the same id, where the welcome did not come."""
        if self._join is None:
            self._join = wire.Join(
                id=self._next(),
                name=self._name,
                token=self.token,
                seat=self._seat if self.token is None else None,
                role=self._role,
                seed=self._seed,
            )
        self._put(self._join)

    def _failed(self, failure: Failure) -> None:
        self._again()

    def lost(self, socket: _Socket, code: int | None) -> None:
        """Hear that a connection is gone; make another unless it is gone for good."""
        if self._socket is not None and socket is not self._socket:
            return
        self._socket = None
        self._join = None
        if self._ended or code in FINAL_CODES:
            self._finish(code)
        else:
            self._again()

    def _again(self) -> None:
        if self._ended:
            self._finish(None)
            return
        wait = self._pause * self._random.uniform(0.5, 1.0)
        self._pause = min(2 * self._pause, MOST_PAUSE)
        self._reactor.callLater(wait, self.connect)

    def _finish(self, code: int | None) -> None:
        self._ended = True
        waiting, self._waiting = self._waiting, OrderedDict()
        watchers, self._watchers = self._watchers, []
        for answer in [answer for _, answer in waiting.values()]:
            answer.errback(Disconnected(code))
        for _, watcher in watchers:
            watcher.errback(Disconnected(code))
        if self._joined is not None:
            joined, self._joined = self._joined, None
            joined.errback(Disconnected(code))
        if not self.closed.called:
            self.closed.callback(code)

    # --- what the server says -------------------------------------------------------------

    def heard(self, payload: bytes) -> None:
        """Take one message of the server."""
        message = wire.decode_message(payload)
        match message:
            case wire.Ok(id=id):
                self._answered(id, None)
            case wire.Error(id=id, code="not_joined"):
                self._placeless(id)
            case wire.Error(id=id, code=code, message=text):
                self._refused(id, CommandRefused(code, text))
            case wire.Welcome():
                self._welcomed(message)
            case wire.StateMessage():
                self._informed(message)
            case wire.Notice(kind=kind):
                if self.state is not None:
                    self.state = replace(self.state, paused=kind == "paused")
            case wire.Queued() | wire.QueueMessage() | wire.Matched():
                self._search(message)
            case _:
                self._follow(message)
        if self._on_event is not None:
            self._on_event(message)
        self._look()

    def _follow(self, event: wire.Event) -> None:
        if self.state is None:
            return
        try:
            self.state = after(self.state, event)
        except MissedEvents:
            self.sync()

    def _look(self) -> None:
        state = self.state
        if state is None:
            return
        met = [(holds, waiting) for holds, waiting in self._watchers if holds(state)]
        self._watchers = [entry for entry in self._watchers if entry not in met]
        for _, waiting in met:
            waiting.callback(state)

    def _welcomed(self, welcome: wire.Welcome) -> None:
        self.state = welcome.state
        self.token = welcome.token or self.token
        self._pause = FIRST_PAUSE
        if self._join is not None:  # else a join that was sent twice is welcomed twice
            self._join = None
            self.resumes += 1
        self._catch_up(welcome.last_id)
        if self._joined is not None:
            joined, self._joined = self._joined, None
            joined.callback(self)

    def _search(self, message: wire.Queued | wire.QueueMessage | wire.Matched) -> None:
        """Take a message of the lobby; see `hokm.client.search`."""
        if isinstance(message, wire.Queued):
            self.token, self._join, self._pause = message.token, None, FIRST_PAUSE

    def _informed(self, message: wire.StateMessage) -> None:
        """Take the whole state: a `sync` was answered, or the server had to recover the table."""
        self.state = message.state
        if self._join is not None:  # there is a place, but its welcome was lost
            self._ask()
            return
        syncs = (id for id, (command, _) in self._waiting.items() if type(command) is wire.Sync)
        synced = self._waiting.pop(next(syncs, 0), None)
        self._catch_up(message.last_id)
        if synced is not None:
            synced[1].callback(None)

    def _catch_up(self, last_id: int) -> None:
        """Send again what has no answer; the last that was done has one herewith.

        What lies below it may have been done or refused: the server tells, and does nothing twice.
        In this order: whoever hears of an answer may send a new command, whose id is higher.
        """
        for id, (command, _) in self._waiting.items():
            if id != last_id:
                self._put(command)
        self._answered(last_id, None)

    def _placeless(self, id: int | None) -> None:
        """Ask for a place again; what was not done for want of one waits for the welcome.

        Args:
            id: Of the command that met no place; None where the server says so unasked.
        """
        if self._join is None or id is None:
            self._ask()

    def _answered(self, id: int | None, failure: Exception | None) -> None:
        entry = self._waiting.pop(id, None) if id is not None else None
        if entry is None:
            return
        if failure is None:
            entry[1].callback(None)
        else:
            entry[1].errback(failure)

    def _refused(self, id: int | None, refusal: CommandRefused) -> None:
        if self._join is not None and id == self._join.id:
            self._ended = True
            if self._joined is not None:
                joined, self._joined = self._joined, None
                joined.errback(refusal)
            if self._socket is not None:
                self._socket.sendClose(1000)
            return
        self._answered(id, refusal)


def join(
    base_url: str, room_code: str, name: str, *, reactor: Any, **options: Any
) -> Deferred[Client]:
    """Take a place at a table.

    Args:
        base_url: As ``http://localhost:8765``.
        token: The creator's, or a seat's.
        seat: A wish.
        role: ``player`` or ``spectator``.
        seed: Own share of the shuffle, hex; random if not given.
        on_event: Is given each message of the server, after `state` was brought up to date.
        random: For tests.

    Returns:
        Fires with the client. Fails with `CommandRefused` or `Disconnected`.
    """
    client = Client(base_url, room_code, name, reactor=reactor, **options)
    joined = client.connect()
    assert joined is not None
    return joined
