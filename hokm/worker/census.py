"""How many rooms, connections and people this worker has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hokm.worker.guests import Guests
from hokm.worker.table import Table


@dataclass(frozen=True, slots=True)
class Census:
    """How many there are of what.

    Attributes:
        players: Seats whose player is connected.
        matches: Tables in the middle of a match.
        searching: People in the lobby who wait for a table.
        found: Tables that were found in the lobby so far.
    """

    rooms: int
    connections: int
    players: int
    matches: int
    searching: int
    found: int


def take_census(tables: Collection[Table], guests: Guests, found: int) -> Census:
    """Count; see `Census` for *found*."""
    return Census(
        rooms=len(tables),
        connections=len(guests),
        players=sum(table.seating.players for table in tables),
        matches=sum(table.room.playing for table in tables),
        searching=sum(len(table.room.searching) for table in tables),
        found=found,
    )
