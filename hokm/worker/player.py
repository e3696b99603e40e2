"""A player's connection: bytes become commands here, and what a table puts becomes bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hokm import wire
from hokm.config import WorkerSettings
from hokm.connection import Connection, ping_frame, text_frame
from hokm.limits import Bucket
from hokm.room.state import Chance
from hokm.worker.passage import PlayerRecord
from hokm.worker.step import Ending, Probe, Recipient

_log = Logger()

BAD_MESSAGE_TOKENS: Final = 5.0  # of the bucket; so much does a message that is none cost
SYNC_TOKENS: Final = 5.0  # the dearest answer there is
PROOF_BYTES: Final = 8


class Tables(Protocol):
    """Where a player's commands go: the host."""

    def receive(self, player: Player, command: wire.Command) -> bool:
        """Hand a command to the player's table; False, and nothing done, when it cannot wait."""

    def confirm(self, player: Player) -> None:
        """Hear that the player has received his welcome."""

    def watches(self, player: Player) -> None:
        """Hear that the player has a spectator's place."""

    def gone(self, player: Player) -> None:
        """Hear that the connection is closed."""

    def refused(self, code: str) -> None:
        """Count a message that was refused before it came to a table."""

    def may_search(self, player: Player) -> bool:
        """Say whether somebody may look for a table, if that is what he came for."""

    def wrong_join(self, player: Player) -> bool:
        """Note a guess at a room or token; False when the address has used up its guesses."""

    def guesses(self, player: Player) -> float:
        """Return how many guesses at a room or token the address has left."""


class Player(Recipient):
    """One connection, from its first byte to its last.

    Attributes:
        number: Of the connection.
        connection: The connection.
        room_code: The room that its URL names.
        seat: Its seat; None before it has one and for a spectator.
        dismissed: Whether it has lost its place at the table.
        watching: Whether it has a spectator's place.
        recovered: Whether its last worker died, so that its player is to be told the whole state.
    """

    __slots__ = (
        "_asked",
        "_bucket",
        "_chance",
        "_clock",
        "_deadline",
        "_ending",
        "_most_refusals",
        "_on_gone",
        "_out",
        "_patience",
        "_probing",
        "_proof",
        "_tables",
        "connection",
        "recovered",
        "room_code",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        number: int,
        room_code: str,
        tables: Tables,
        on_gone: Callable[[Player], None],
        clock: IReactorTime,
        chance: Chance,
        settings: WorkerSettings,
    ) -> None:
        self.number = number
        self.connection = connection
        self.room_code = room_code
        self.seat: int | None = None
        self.dismissed = False
        self.watching = False
        self.recovered = False
        self._tables = tables
        self._on_gone = on_gone
        self._clock = clock
        self._chance = chance
        self._bucket = Bucket(settings.messages_per_second, settings.burst, clock.seconds())
        self._most_refusals = settings.burst  # in a row, until the connection is closed
        self._patience = self._most_refusals
        self._asked = False  # whether a join was handed on
        self._probing = False
        self._proof: bytes | None = None  # payload of the ping whose answer is waited for
        self._out = b""
        self._ending: Ending | None = None
        # Looked at now and then: a timer of its own would cost each player more than his seat.
        self._deadline: float | None = clock.seconds() + settings.join_seconds  # of `join`

    @property
    def peer(self) -> str:
        """The player's address."""
        return self.connection.peer

    # --- from worker to worker ------------------------------------------------------------

    def export(self) -> PlayerRecord:
        """Return what another worker needs to go on with the player."""
        now, deadline = self._clock.seconds(), self._deadline
        return PlayerRecord(
            asked=self._asked,
            tokens=self._bucket.level(now),
            guesses=self._tables.guesses(self),
            patience=self._patience,
            proof=self._proof,
            join_s=None if deadline is None else max(0.0, deadline - now),
            watching=self.watching,
        )

    def restore(self, record: PlayerRecord) -> None:
        """Be what *record* says; the address's guesses are the host's business."""
        self._asked = record.asked
        self._bucket.set(record.tokens, self._clock.seconds())
        self._patience = record.patience
        self._proof = record.proof
        self.watching = record.watching
        wait = record.join_s
        self._deadline = None if wait is None else self._clock.seconds() + wait

    def thaw(self) -> None:
        """Go on, where the connection was frozen; its own faults are not its room's."""
        try:
            self.connection.thaw()
        except Exception:  # noqa: BLE001 - see above
            _log.failure("a connection could not go on")
            self.connection.abort()

    @property
    def placed(self) -> bool:
        """Whether it had, or may have had, a place at the table before this worker had it."""
        return self.recovered or self._asked

    def take_up(self, seat: int | None) -> None:
        """Have, as before, *seat* or (None) a spectator's place, at a table opened here."""
        self.seat = seat
        self._asked = True
        self._deadline = None

    # --- from the connection --------------------------------------------------------------

    def on_open(self) -> None:
        """Hear that the WebSocket is open; the time for `join` runs from the TCP accept on."""

    def on_text(self, payload: bytes) -> None:
        """Take one text message."""
        try:
            command = wire.decode(payload)
        except wire.BadMessage as bad:
            if self._may(BAD_MESSAGE_TOKENS, bad.id):
                self._refuse(bad.id, "bad_message", bad.reason)
            return
        if not self._may(self._price(command), command.id):
            return
        if not (self.placed or self._may_join(command)):
            return
        if not self._tables.receive(self, command):
            self._refuse(command.id, "rate_limited")

    def on_binary(self, payload: bytes) -> None:
        """Take one binary message: the protocol has none."""
        self.connection.close(wire.NOT_TEXT, "only text messages are understood")

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping."""
        if self._proof is not None and payload == self._proof:
            self._proof = None
            self._tables.confirm(self)

    def on_closed(self, code: int | None, clean: bool) -> None:
        """Hear that the connection is closed."""
        self._on_gone(self)
        self._tables.gone(self)

    def check(self, now: float) -> None:
        """Close the connection if no `join` came in time; *now* as the clock has it."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.connection.close(wire.POLICY, "no join in time")

    def _may(self, tokens: float, id: int | None) -> bool:
        """Charge a message; refuse it, and at last the connection, when there are too many."""
        if self._bucket.take(self._clock.seconds(), tokens):
            self._patience = self._most_refusals
            return True
        self._patience -= 1
        if self._patience < 0:
            self.connection.close(wire.POLICY, "too fast")
        else:
            self._refuse(id, "rate_limited")
        return False

    def _price(self, command: wire.Command) -> float:
        """Say what a command costs; asking for a welcome again is as dear as asking for a state."""
        kind = type(command)
        if kind is wire.Play:  # as a rule
            return 1.0
        again = kind is wire.Join and self._asked
        return SYNC_TOKENS if again or kind is wire.Sync else 1.0

    def _may_join(self, command: wire.Command) -> bool:
        if type(command) is not wire.Join:
            self._refuse(command.id, "not_joined")
            return False
        if self._tables.guesses(self) < 1.0:
            self._refuse(command.id, "rate_limited")
            self.connection.close(wire.POLICY, "too many wrong joins")
            return False
        if command.token is None and not self._tables.may_search(self):
            self._refuse(command.id, "try_later")
            return False
        self._deadline = None
        self._asked = True
        return True

    def _refuse(self, id: int | None, code: str, message: str | None = None) -> None:
        self._tables.refused(code)
        self.connection.send(text_frame(wire.encode(wire.error(id, code, message))))

    # --- from the table -------------------------------------------------------------------

    def put(self, output: bytes | Probe | Ending) -> bool:
        """Take what the next `flush` is to do; False where there is something already."""
        first = not self._out and self._ending is None and not self._probing
        if isinstance(output, bytes):
            self._out += output
        elif isinstance(output, Ending):
            self._ending = output
        else:
            self._probing = True
        return first

    def flush(self) -> None:
        """Send what was put."""
        out, self._out = self._out, b""
        if self._probing:
            self._probing = False
            self._proof = self._chance.randbytes(PROOF_BYTES)
            out += ping_frame(self._proof)
        if out:
            self.connection.send(out)
        if self._ending is not None:
            self.connection.close(self._ending.code, self._ending.reason)

    def admit(self, seat: int | None) -> None:
        """Be a player on *seat* from now on, or (None) a spectator."""
        self.seat = seat
        if seat is None:
            self.watching = True
            self._tables.watches(self)

    def dismiss(self) -> None:
        """Belong to the table no more: what still arrives is ignored."""
        self.dismissed = True

    def turned_away(self, code: str) -> None:
        """Hear that the `join` was refused, by which of `wire.ERRORS`."""
        self._asked = False
        if code in ("bad_token", "no_such_room") and not self._tables.wrong_join(self):
            self._ending = Ending(wire.POLICY, "too many wrong joins")
