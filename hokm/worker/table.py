"""A table: a room and the connections to it. Commands become decisions here, decisions steps.

A decision is made on the newest room, which may not be stored yet; what it says is sent when it
is (`hokm.worker.committer`). A decision that has nothing to store waits behind those that have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from hokm import wire
from hokm.connection import text_frame
from hokm.room import clock as room_time
from hokm.room import events as e
from hokm.room import room as rooms
from hokm.room.state import Chance, Room, freeze
from hokm.store.store import Entry
from hokm.wire import plays
from hokm.worker.roomclock import RoomClock
from hokm.worker.seating import Seating
from hokm.worker.step import Ending, Output, Recipient, Step, Tally

_log = Logger()

SNAPSHOT_RECORDS: Final = 100  # a fold of 100 records costs a few ms; a snapshot less than 0.1 ms
INBOX_COMMANDS: Final = 1000  # of all connections together, while the table stands still
RETRY_SECONDS: Final = 1.0  # before time is let pass again after a fault of ours

_SEATING: Final = (wire.Join, wire.Leave)  # change who is there to see time pass

PAUSED: Final = wire.Notice("paused", "the server cannot store plays; the clocks stand still")
RESUMED: Final = wire.Notice("resumed", "play goes on")


class Hold(Enum):
    """Why a table stands still; it goes on when no reason is left."""

    OPENING = "opening"
    STORE = "store"  # which is away
    MOVE = "move"
    STOP = "stop"


class Keeper(Protocol):
    """Where a table's steps go: the committer."""

    def submit(self, step: Step) -> None:
        """Store *step*, then release it; steps of one table are released in order."""


class Table:
    """One room of this worker.

    Attributes:
        code: Room code.
        room: The room as decided last.
        pending: Steps that were submitted and are not released yet.
    """

    def __init__(
        self,
        *,
        room: Room,
        epoch: int,
        position: int,
        keeper: Keeper,
        clock: IReactorTime,
        chance: Chance,
        max_watchers: int,
        on_failure: Callable[[], None],
    ) -> None:
        """Make a table that stands still until it is resumed from `Hold.OPENING`.

        Args:
            room: As read from the store.
            epoch: Of this worker's claim.
            position: Records in the store.
            max_watchers: Spectators that are let in.
            on_failure: Is told of each fault of ours that a command met.
        """
        self.code = room.code
        self.room = room
        self.pending = 0
        self.seating = Seating()
        self._epoch = epoch
        self._position = position
        self._fresh = 0  # records since the last snapshot
        self._keeper = keeper
        self._clock = clock
        self._chance = chance
        self._max_watchers = max_watchers
        self._on_failure = on_failure
        self._time = RoomClock(clock, room.time)
        self._holds = {Hold.OPENING}
        self._inbox: list[tuple[Recipient, wire.Command | rooms.Confirm]] = []
        self._alone_since: float | None = clock.seconds()
        self._alarm: IDelayedCall | None = None
        self._alarm_due = math.inf  # room time in seconds

    @property
    def records(self) -> int:
        """How many records the room has, those under way included."""
        return self._position

    # --- commands -------------------------------------------------------------------------

    def receive(self, sender: Recipient, command: wire.Command) -> bool:
        """Take a command; False, and nothing done, when too many wait already."""
        if not self._held:
            self._decide(sender, command)
        elif len(self._inbox) < INBOX_COMMANDS:
            self._inbox.append((sender, command))
        else:
            return False
        return True

    def lost(self, recipient: Recipient) -> None:
        """Hear that a connection is gone."""
        if not self.seating.holds(recipient):
            return
        self.seating.remove(recipient)
        if not self._held:
            self._note_absent()
        self._mind_time()

    def confirm(self, recipient: Recipient) -> None:
        """Hear that a player has what he was sent with his welcome: his new token."""
        if self._held:
            self._inbox.append((recipient, rooms.Confirm()))
        elif recipient.seat is not None and self.seating.holds(recipient):
            self._decide_own(rooms.Confirm(), recipient.seat)

    def _note_absent(self) -> None:
        """Let the room know of seats whose connection is gone."""
        for number, seat in enumerate(self.room.seats):
            if seat is not None and seat.present and not self.seating.connected(number):
                self._decide_own(rooms.Lost(), number)
        for connection in self.room.searching:
            if not self.seating.watches(connection):
                self._decide_own(rooms.Lost(), None, connection)

    # --- standing still -------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Of this worker's claim."""
        return self._epoch

    @property
    def _held(self) -> bool:
        return bool(self._holds)

    def hold(self, why: Hold, notice: wire.Notice | None = None) -> None:
        """Stand still: commands wait, time does too."""
        self._holds.add(why)
        self._mind_time()
        if notice is not None:
            self._notify(notice)

    def resume(self, why: Hold, notice: wire.Notice | None = None) -> None:
        """Have one reason less to stand still; without any, commands that came meanwhile first."""
        if notice is not None:
            self._notify(notice)
        self._holds.discard(why)
        if self._held:
            return
        self._note_absent()
        while self._inbox and not self._held:
            sender, command = self._inbox.pop(0)
            if isinstance(command, rooms.Confirm):
                self.confirm(sender)
            else:
                self._decide(sender, command)
        self._mind_time()

    def secure(self) -> None:
        """Have the whole room stored: a store that died may have lost the end of what it said."""
        if not self.pending:  # else what waits will find the gap
            nothing = e.Record(self.room.time, None, 0, ())
            self._submit(self._entry(nothing, (), whole=True), [])

    def settle(self) -> Deferred[None]:
        """Have the room stored as it is at this moment; fires when all before it is released."""
        settled: Deferred[None] = Deferred()
        nothing = e.Record(self._time.now(), None, 0, ())
        self.room = rooms.replay(self.room, nothing)
        entry = self._entry(nothing, (), whole=True)
        self._submit(entry, [], released=lambda: settled.callback(None))
        return settled

    def take_up(self, recipients: Iterable[Recipient]) -> None:
        """Give the places back that connections had before the table was opened here."""
        for recipient in recipients:
            seat = self.room.seat_of(recipient.number)
            if seat is not None or recipient.watching:
                recipient.take_up(seat)
                self.seating.place(recipient, seat)
        self._mind_time()

    def greet(self, recipient: Recipient) -> None:
        """Tell a connection whose worker died how things are, or that it has no place yet."""
        if not self.seating.holds(recipient):
            nowhere = text_frame(wire.encode(wire.error(None, "not_joined")))
            self._submit(None, [(recipient, nowhere)])
            return
        asked = wire.Sync(id=1)
        outcome = rooms.advance(self.room, recipient.seat, asked, self._time.now(), self._chance)
        self._go_on(outcome, recipient, None, None)

    def inbox(self) -> list[tuple[Recipient, wire.Command | rooms.Confirm]]:
        """Return what waits to be decided, in order."""
        return list(self._inbox)

    def _notify(self, notice: wire.Notice) -> None:
        """Tell everybody at once: a notice is no part of the log and waits for nothing."""
        for recipient, output in self.seating.to_all(notice):
            recipient.put(output)
            recipient.flush()

    def end(self, ending: Ending) -> list[Recipient]:
        """Give the table up: returns its connections, told *ending* and not flushed yet."""
        self._holds.add(Hold.STOP)
        self._inbox.clear()
        self._time.stop()
        self._set_alarm(None)
        everybody = list(self.seating)
        for recipient in everybody:
            self.seating.remove(recipient)
            recipient.dismiss()
            recipient.put(ending)
        return everybody

    def deserted_for(self) -> float:
        """Return for how many seconds nobody was connected and nothing waited."""
        if self._alone_since is None or self.pending or self._inbox:
            return 0.0
        return self._clock.seconds() - self._alone_since

    # --- decisions ------------------------------------------------------------------------

    def _decide(self, sender: Recipient, command: wire.Command) -> None:
        asked = self._clock.seconds()
        placed = self.seating.holds(sender)
        if not placed and sender.dismissed:
            return  # closed while the command waited, or its seat was taken over or given up
        seat = sender.seat if placed else None
        try:
            if type(command) is wire.Join:
                self._check_join(sender, command, placed)
            elif not placed:
                raise rooms.Refused("not_joined")
            outcome = rooms.advance(
                self.room, seat, command, self._time.now(), self._chance, sender.number
            )
        except rooms.Refused as refusal:
            self._refuse(sender, command, refusal.code, asked)
        except Exception:  # noqa: BLE001 - the sender must hear of it
            _log.failure("table {code}: a command failed", code=self.code)
            self._on_failure()
            self._submit(None, [(sender, Ending(wire.FAILED, "internal error"))])
        else:
            self._go_on(outcome, sender, plays.ok(command.id), asked)
            if type(command) in _SEATING:
                self._mind_time()

    def _check_join(self, sender: Recipient, command: wire.Join, placed: bool) -> None:
        """Refuse a second join that wants another role, and watchers beyond the limit."""
        if self.room.queue is not None:
            return
        watches = command.role == "spectator"
        if placed and watches != (sender.seat is None):
            raise rooms.Refused("wrong_phase")
        if watches and not placed and self.seating.watchers >= self._max_watchers:
            raise rooms.Refused("room_full")

    def _refuse(self, sender: Recipient, command: wire.Command, code: str, asked: float) -> None:
        if isinstance(command, wire.Join):
            sender.turned_away(code)
        outputs = self.seating.carry_out((), sender, wire.encode(wire.error(command.id, code)))
        self._submit(None, outputs, counts=[("refused", code)], asked=asked)

    def _decide_own(self, command: rooms.Command, seat: int | None, connection: int = 0) -> None:
        now = self._time.now()
        outcome = rooms.advance(self.room, seat, command, now, self._chance, connection)
        self._go_on(outcome, None, None, None)

    def _go_on(
        self,
        outcome: rooms.Outcome,
        sender: Recipient | None,
        answer: bytes | None,
        asked: float | None,
    ) -> None:
        self.room = outcome.room
        for made in outcome.tables:
            self._submit(_new(made), [], counts=(("games_created", 1.0),))
        outputs = self.seating.carry_out(outcome.effects, sender, answer)
        entry: Entry | None = None
        if outcome.record is not None:
            hands = tuple(map(wire.encode, outcome.hands)) if outcome.hands else ()
            entry = self._entry(outcome.record, hands)
            self._mind_alarm()
        self._submit(entry, outputs, counts=outcome.counts, asked=asked)

    def _entry(self, record: e.Record, hands: tuple[bytes, ...], *, whole: bool = False) -> Entry:
        self._fresh += 1
        snapshot = None
        if whole or hands or self._fresh >= SNAPSHOT_RECORDS:
            snapshot = freeze(self.room)
            self._fresh = 0
        entry = Entry(
            room=self.code,
            epoch=self._epoch,
            position=self._position,
            record=e.encode(record),
            snapshot=snapshot,
            hands=hands,
        )
        self._position += 1
        return entry

    def _submit(
        self,
        entry: Entry | None,
        outputs: list[Output],
        *,
        counts: Sequence[Tally] = (),
        asked: float | None = None,
        released: Callable[[], None] | None = None,
    ) -> None:
        self._keeper.submit(Step(self, self.room, entry, outputs, counts, asked, released))

    # --- time -----------------------------------------------------------------------------

    def _mind_time(self) -> None:
        """Let time pass while a player is here, or somebody who looks for a table.

        Not for spectators alone: bots may play as fast as they can, and nobody would wait for them.
        """
        players, watchers = self.seating.players, self.seating.watchers
        here = bool(players or watchers)
        if (players or (watchers and self.room.queue is not None)) and not self._held:
            self._time.run()
        else:
            self._time.stop()
        if here:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._clock.seconds()
        self._mind_alarm()

    def _mind_alarm(self) -> None:
        """See to it that the room is woken when its next deadline comes, or before that."""
        if not self._time.running:
            self._set_alarm(None)
            return
        due = room_time.deadline(self.room)
        # An alarm that comes too early sets itself anew: cheaper than a reset at each play.
        if due is not None and due < self._alarm_due:
            self._set_alarm(due)

    def _set_alarm(self, due: float | None) -> None:
        """Be woken at *due*, room time in seconds; None: not at all."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_due = math.inf
        if due is not None:
            self._alarm_due = due
            wait = max(0.0, due - self._time.now())
            self._alarm = self._clock.callLater(wait, self._wake)

    def _wake(self) -> None:
        self._alarm, self._alarm_due = None, math.inf
        due = room_time.deadline(self.room)
        try:
            if due is not None and due <= self._time.now():
                self._decide_own(rooms.Tick(), None)
            self._mind_alarm()
        except Exception:  # noqa: BLE001 - time must pass again
            _log.failure("table {code}: time cannot pass", code=self.code)
            self._set_alarm(self._time.now() + RETRY_SECONDS)


def _new(room: Room) -> Entry:
    """Make the entry that brings a room into being; nobody owns it yet."""
    return Entry(room=room.code, epoch=0, position=0, record=b"", snapshot=freeze(room))
