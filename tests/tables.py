"""A table without sockets: commands go to the pure room, and what everybody is told is kept."""

from __future__ import annotations

import random
from typing import Any

from hokm import wire
from hokm.room import clock
from hokm.room import events as e
from hokm.room import room as rooms
from hokm.room.effects import Effect, Reply, Reseat, Take, Tell
from hokm.room.state import Room, freeze, thaw
from hokm.room.view import state

HOST_TOKEN = "the creator's own token"


class PureTable:
    """A room and its log.

    Attributes:
        room: As it is now.
        now: Room time in seconds.
        log: All records, as bytes.
        told: What each seat was told, and under None the spectators.
        tokens: The last token of each seat.
        hands: Finished hands for the history.
    """

    def __init__(self, seed: int = 0, **options: Any) -> None:
        self.chance = random.Random(seed)
        wanted = wire.CreateRoom(options).on(wire.TableOptions())
        self.first: Room = rooms.open_room(
            "TABLE234", wanted, HOST_TOKEN, self.chance.randbytes(32)
        )
        self.room = self.first
        self.now = 0.0
        self.log: list[bytes] = []
        self.told: dict[int | None, list[Any]] = {seat: [] for seat in (None, 0, 1, 2, 3)}
        self.tokens: dict[int, str] = {}
        self.ids: dict[int | None, int] = {}
        self.hands: list[wire.FinishedHand] = []

    def advance(self, seat: int | None, command: rooms.Command) -> list[Effect]:
        """Have the room decide; what comes of it is done and noted."""
        outcome = rooms.advance(self.room, seat, command, self.now, self.chance)
        if outcome.record is not None:
            self.log.append(e.encode(outcome.record))
        self.room = outcome.room
        for effect in outcome.effects:
            if isinstance(effect, Tell):
                for reader, heard in self.told.items():
                    text = (effect.private or {}).get(reader, effect.public)
                    heard.append(wire.decode_message(text))
            elif isinstance(effect, Reseat):
                for kept in (self.told, self.tokens, self.ids):
                    _swap(kept, effect.seat, effect.to)
        self.hands += outcome.hands
        return outcome.effects

    def do(self, seat: int | None, kind: type[Any], /, **fields: Any) -> list[Effect]:
        """Send a command under the next id of its seat."""
        last = self.ids.get(seat, 0)
        self.ids[seat] = last + 1  # before it is done: he may sit elsewhere afterwards
        try:
            return self.advance(seat, kind(id=last + 1, **fields))
        except rooms.Refused:
            self.ids[seat] = last
            raise

    def refusal(self, seat: int | None, kind: type[Any], /, **fields: Any) -> str:
        """Send a command that is refused; returns the code."""
        before = freeze(self.room)
        try:
            self.advance(seat, kind(id=self.ids.get(seat, 0) + 1, **fields))
        except rooms.Refused as refused:
            assert freeze(self.room) == before
            assert refused.code in wire.ERRORS
            return refused.code
        raise AssertionError("it was not refused")

    def join(self, name: str = "Sara", **fields: Any) -> wire.Welcome:
        """Take a seat, or come back to it."""
        effects = self.advance(None, wire.Join(id=1, name=name, **fields))
        [welcome] = [x.message for x in effects if isinstance(x, Reply)]
        assert isinstance(welcome, wire.Welcome)
        for effect in effects:
            if isinstance(effect, Take):
                assert welcome.token is not None
                self.tokens[effect.seat] = welcome.token
                self.ids[effect.seat] = max(1, welcome.last_id)
        return welcome

    def seat_four(self) -> None:
        """Seat four people; the first is the host."""
        self.join("Ali", token=HOST_TOKEN)
        for name in ("Bita", "Cima", "Dara"):
            self.join(name)

    def start(self) -> None:
        """Seat four people and begin a match."""
        self.seat_four()
        self.do(0, wire.Start)

    def call(self, suit: str = "S") -> None:
        """Let the hakem name the trump."""
        assert self.room.hand is not None
        self.do(self.room.hand.hakem, wire.ChooseTrump, suit=suit)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        until = self.now + seconds
        for _ in range(10_000):
            due = clock.deadline(self.room)
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.advance(None, rooms.Tick())
        else:
            raise AssertionError("time does not pass")
        self.now = until

    def tick(self) -> None:
        """Let time pass until the next thing is due, and let that happen."""
        due = clock.deadline(self.room)
        assert due is not None
        self.now = max(self.now, due)
        self.advance(None, rooms.Tick())

    def view(self, seat: int | None) -> wire.State:
        """Return the state that a seat is shown."""
        return state(self.room, seat, self.now)

    def replayed(self) -> Room:
        """Return the fold of the log, read from its bytes."""
        room = thaw(freeze(self.first))
        for record in self.log:
            room = rooms.replay(room, e.decode(record))
        return room

    def heard(self, seat: int | None, kind: type[Any]) -> list[Any]:
        """Return what a seat was told of one kind."""
        return [message for message in self.told[seat] if type(message) is kind]


def _swap(kept: dict[Any, Any], one: int, other: int) -> None:
    first, second = kept.pop(one, None), kept.pop(other, None)
    if first is not None:
        kept[other] = first
    if second is not None:
        kept[one] = second
