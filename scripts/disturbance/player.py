"""A light player: one place at a table, over as many connections as it takes.

It keeps the protocol's rules for exactly once (`disturbance.outbox`) and plays any legal card.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ClientFactory

from disturbance.checker import Witness
from disturbance.outbox import Outbox, Sent
from disturbance.referee import Plays
from disturbance.tally import Tally
from disturbance.websocket import Habits, WebSocket
from hokm import wire
from hokm.client.table import MissedEvents, after

FIRST_PAUSE: Final = 0.1  # seconds before a lost connection is made anew; doubled up to ...
MOST_PAUSE: Final = 5.0
CONNECT_SECONDS: Final = 10.0
EXCUSE_SECONDS: Final = (
    15.0  # after a crash: 5 until a hanging worker is killed, and time to recover
)
CHAT_SECONDS: Final = 3.0  # between two messages; the server takes 5 in 10
FINAL_CODES: Final = frozenset((wire.LEFT, wire.POLICY, wire.TAKEN_OVER))


@dataclass(frozen=True, slots=True)
class Nature:
    """How a player is.

    Attributes:
        pace: Mean seconds that it thinks.
        talks: Part of its plays with which it also sends a chat message, in the same bytes.
    """

    habits: Habits
    pace: float = 1.0
    talks: float = 0.0


class _Connecting(ClientFactory):
    noisy = False

    def __init__(self, player: Player, make: Any) -> None:
        self._player = player
        self._make = make

    def buildProtocol(self, addr: object) -> Any:
        return self._make()

    def clientConnectionFailed(self, connector: object, reason: object) -> None:
        self._player.unreachable()


class Player:
    """A seat's player, or a spectator.

    Attributes:
        state: The table as it is seen from here; None before the first welcome.
        going: Set it to False, and turns are let pass.
        outbox: What was not answered yet.
        acknowledged: Own plays that the server has acknowledged.
        auto: Plays that a bot or the clock made for this seat.
        witness: Has heard everything.
        gone: Whether the place is lost for good.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        address: tuple[str, int],
        room: str,
        name: str,
        nature: Nature,
        random: Random,
        tally: Tally,
        token: str | None = None,
        role: wire.Role = "player",
        host: bool = False,
    ) -> None:
        """Make a player who is not connected.

        Args:
            token: The creator's.
            host: Whether it starts the matches.
        """
        self.state: wire.State | None = None
        self.going = True
        self.outbox = Outbox()
        self.acknowledged: Plays = Counter()
        self.auto: Plays = Counter()
        self.witness = Witness(f"{room} {name}")
        self.gone = False
        self._reactor = reactor
        self._address = address
        self._room = room
        self._name = name
        self._nature = nature
        self._random = random
        self._tally = tally
        self._token = token
        self._role: wire.Role = role
        self._host = host
        self._seed = random.randbytes(16).hex()
        self._join_id = self.outbox.next_id()
        self._ws: WebSocket | None = None
        self._joined = False
        self._join_in_pieces = False
        self._pause = FIRST_PAUSE
        self._thinking: IDelayedCall | None = None
        self._ended = False
        self._excused_until = 0.0
        self._next_chat = 0.0

    # --- the connection -------------------------------------------------------------------

    @property
    def joined(self) -> bool:
        """Whether it has its place on a connection now."""
        return self._joined

    def connect(self) -> None:
        """Connect, now and whenever the connection is lost."""
        host, port = self._address
        if not self._ended:
            factory = _Connecting(self, self._make)
            self._reactor.connectTCP(host, port, factory, timeout=CONNECT_SECONDS)

    def _make(self) -> WebSocket:
        return WebSocket(
            owner=self,
            host=self._address[0],
            room=self._room,
            habits=self._nature.habits,
            random=self._random,
            reactor=self._reactor,
        )

    def opened(self, ws: WebSocket) -> None:
        """Hear that a connection is open: join."""
        self._ws = ws
        self._join()

    def _join(self) -> None:
        self._joined = False
        join = wire.Join(
            id=self._join_id, name=self._name, token=self._token, role=self._role, seed=self._seed
        )
        self._join_in_pieces = self._put(join)

    def unasked_pong(self) -> None:
        """Hear of an answer to no ping, or of a second one."""
        self.witness.breach("doubled", "a pong that answers no ping")

    def unreachable(self) -> None:
        """Hear that no connection came about."""
        self._tally.refused_connections += 1
        self._connect_later()

    def lost(self, ws: WebSocket, code: int | None) -> None:
        """Hear that a connection is gone; make another."""
        self._ws = None
        self._joined = False
        if self._ended:
            return
        if not ws.opened:
            self.unreachable()
            return
        torn = code == wire.RESUME and self._tally.clock() < self._excused_until
        self._tally.close(code, excused=torn)
        self._excused_until = 0.0
        if code in FINAL_CODES:
            self.gone = True
        else:
            self._connect_later()

    def _connect_later(self) -> None:
        wait = self._pause * self._random.uniform(0.5, 1.0)
        self._pause = min(2 * self._pause, MOST_PAUSE)
        self._reactor.callLater(wait, self.connect)

    def worker_dies(self) -> None:
        """Hear that some worker is killed: if it had read half of a message, it may be ours."""
        joining = self._ws is not None and not self._joined
        if self.outbox.in_pieces() or (joining and self._join_in_pieces):
            self._excused_until = self._tally.clock() + EXCUSE_SECONDS

    def end(self) -> None:
        """Close the connection and keep the seat."""
        self._ended = True
        if self._thinking is not None:
            self._thinking.cancel()
            self._thinking = None
        if self._ws is not None:
            self._ws.close()

    # --- what the server says -------------------------------------------------------------

    def heard(self, ws: WebSocket, payload: bytes) -> None:
        """Take one message of the server."""
        message = wire.decode_message(payload)
        self.witness.hear(message)
        match message:
            case wire.Ok(id=id):
                self._answered(id)
            case wire.Error(id=id, code=code):
                self._refused(id, code)
            case wire.Welcome():
                self._welcomed(message)
            case wire.StateMessage(state=state, last_id=last_id):
                if self.state is not None:
                    self.witness.compare(self.state, state)
                self.state = state
                self._settle(last_id)
            case wire.Notice(kind=kind):
                if self.state is not None:
                    self.state = replace(self.state, paused=kind == "paused")
            case wire.Queued() | wire.QueueMessage() | wire.Matched():
                pass  # the lobby's, where no player of ours goes
            case _:
                self._follow(message)
        self.consider()

    def _follow(self, event: wire.Event) -> None:
        if self.state is None:
            return
        if isinstance(event, wire.CardPlayed) and event.auto and event.seat == self.state.seat:
            self.auto[(self.state.match_no, self.state.hand_no), event.card] += 1
        try:
            self.state = after(self.state, event)
        except MissedEvents:  # the witness has noted it
            self.sync()

    def _welcomed(self, welcome: wire.Welcome) -> None:
        self.state = welcome.state
        self._token = welcome.token or self._token
        self._pause = FIRST_PAUSE
        self._joined = True
        self._settle(welcome.last_id)

    def _settle(self, last_id: int) -> None:
        done, again = self.outbox.settle(last_id)
        for sent in done:
            self._done(sent)
        for sent in again:
            sent.again = True
            self._tally.resent += 1
            sent.in_pieces |= self._put(sent.command)

    def _answered(self, id: int) -> None:
        sent = self.outbox.answered(id)
        if sent is not None:
            self._done(sent)

    def _done(self, sent: Sent) -> None:
        command = sent.command
        if not isinstance(command, wire.Sync):
            self.witness.done(command.id)
        if not (sent.in_pieces or self._nature.habits.slow):  # whose waits are their own doing
            self._tally.waited(sent.at)
        if isinstance(command, wire.Play):
            self.acknowledged[sent.hand, command.card] += 1
            self._tally.plays += 1

    def _refused(self, id: int | None, code: str) -> None:
        if code == "not_joined":
            if self._joined:
                self._join()  # what waits is sent again after the welcome
            return
        if id == self._join_id and code == "rate_limited":
            if self._ws is not None:
                self._ws.abort()
            return
        sent = self.outbox.answered(id) if id is not None else None
        self.witness.breach("refused", f"{code}: {sent.command if sent else id}")
        if id == self._join_id:
            self.gone = True
        else:
            self.sync()

    # --- commands -------------------------------------------------------------------------

    def sync(self) -> None:
        """Ask for the whole state."""
        self._send(wire.Sync(id=self.outbox.next_id()))

    def consider(self) -> None:
        """Think, if it is for this player to act."""
        if self._thinking is None and self._action() is not None:
            wait = self._nature.pace * self._random.uniform(0.5, 1.5)
            self._thinking = self._reactor.callLater(wait, self._act)

    def _act(self) -> None:
        self._thinking = None
        action = self._action()
        if action is None:
            return
        now = self._tally.clock()
        if now >= self._next_chat and self._random.random() < self._nature.talks:
            self._next_chat = now + CHAT_SECONDS
            self._send(wire.Say(id=self.outbox.next_id(), text="so be it"))
        kind, fields = action
        self._send(kind(id=self.outbox.next_id(), **fields))

    def _action(self) -> tuple[type[Any], dict[str, str]] | None:
        """Return what this player is to do now."""
        state = self.state
        if state is None or not self.going or self.outbox.playing():
            return None
        if state.phase in ("lobby", "match_over"):
            return (wire.Start, {}) if self._host and None not in state.seats else None
        if state.turn is None or state.turn.seat != state.seat:
            return None
        if state.turn.action == "choose_trump":
            return wire.ChooseTrump, {"suit": self._random.choice("SHDC")}
        return (wire.Play, {"card": self._random.choice(state.legal)}) if state.legal else None

    def _send(self, command: wire.Command) -> None:
        state = self.state
        hand = (state.match_no, state.hand_no) if state is not None else (0, 0)
        sent = Sent(command, self._tally.clock(), hand)
        self.outbox.keep(sent)
        if self._joined:
            sent.in_pieces = self._put(command)

    def _put(self, command: wire.Command) -> bool:
        if self._ws is None:
            return False
        self.witness.sent(command.id)
        return self._ws.send_text(wire.encode(command))
