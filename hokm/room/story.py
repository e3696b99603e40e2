"""The making of one record: events told one after another, each changing the room at once."""

from __future__ import annotations

from hokm import wire
from hokm.room import events as e
from hokm.room import view
from hokm.room.effects import Effect
from hokm.room.evolve import credit, evolve
from hokm.room.outcome import Count
from hokm.room.state import Chance, Room


class Refused(Exception):
    """A command that changes nothing. The caller answers `error` with the code.

    Attributes:
        code: One of `hokm.wire.ERRORS`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Story:
    """What one command leads to.

    Attributes:
        room: The room as it is after the events told so far.
        now: Room time in seconds.
        chance: Randomness; what it decides is recorded in the events.
        connection: Number of the connection that the command came by; 0 for the room's own.
        events, effects, hands, counts, tables: What it leads to; see `hokm.room.outcome.Outcome`.
    """

    def __init__(self, room: Room, now: float, chance: Chance, connection: int = 0) -> None:
        self.room = room.at(now)
        self.now = now
        self.chance = chance
        self.connection = connection
        self.events: list[e.Event] = []
        self.effects: list[Effect] = []
        self.hands: list[wire.FinishedHand] = []
        self.counts: list[Count] = []
        self.tables: list[Room] = []

    def tell(self, event: e.Event) -> None:
        """Let *event* happen, and whoever may know of it be told."""
        room = self.room
        before = room.seats
        evolve(room, event)
        self.events.append(event)
        told = view.project(before, room, event)
        if told is not None:
            self.effects.append(told)

    def keep(self, hand: wire.FinishedHand) -> None:
        """Note a finished hand for the history."""
        self.hands.append(hand)

    def want(self, effect: Effect) -> None:
        """Note an effect beside those of the events."""
        self.effects.append(effect)

    def count(self, what: str, value: float = 1.0) -> None:
        """Note something for the metrics."""
        self.counts.append((what, value))

    def end(self, seat: int | None, id: int) -> e.Record:
        """Close the story and return its record; *seat* and *id* say whose command it was."""
        credit(self.room, seat, id)
        return e.Record(self.now, seat, id, tuple(self.events))
