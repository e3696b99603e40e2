"""What a command leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hokm import wire
from hokm.room import events as e
from hokm.room.effects import Effect
from hokm.room.state import Room

Count: TypeAlias = tuple[str, float]  # what, and how much


@dataclass(init=False, slots=True)
class Outcome:
    """What a command leads to.

    Attributes:
        room: The room afterwards.
        record: For the log; None when nothing happened (a question, a repeated command).
        effects: To be carried out in order once the record is durable.
        hands: Finished hands, for the room's history.
        counts: For the metrics.
        tables: New rooms, which are to be stored before the record.
    """

    room: Room
    record: e.Record | None
    effects: Sequence[Effect]
    hands: Sequence[wire.FinishedHand]
    counts: Sequence[Count]
    tables: Sequence[Room]

    def __init__(
        self,
        room: Room,
        record: e.Record | None,
        effects: Sequence[Effect],
        hands: Sequence[wire.FinishedHand] = (),
        counts: Sequence[Count] = (),
        tables: Sequence[Room] = (),
    ) -> None:
        self.room = room
        self.record = record
        self.effects = effects
        self.hands = hands
        self.counts = counts
        self.tables = tables
