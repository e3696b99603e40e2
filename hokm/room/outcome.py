"""What a command leads to."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from hokm import wire
from hokm.room import events as e
from hokm.room.effects import Effect
from hokm.room.state import Room

Count: TypeAlias = tuple[str, float]  # what, and how much


class Outcome(Struct, frozen=True, gc=False):
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
    effects: list[Effect]
    hands: list[wire.FinishedHand] = []
    counts: list[Count] = []
    tables: list[Room] = []
