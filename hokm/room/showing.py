"""What everybody may know of a public table."""

from __future__ import annotations

from hokm import wire
from hokm.room.state import Room


def showing(room: Room) -> wire.PublicTable | None:
    """Return a public table as it is shown; None where it is not: private, or nobody is there."""
    people = [seat for seat in room.seats if seat is not None and not seat.bot]
    if not room.public or not any(seat.present for seat in people):
        return None
    host = None if room.host is None else room.seats[room.host]
    return wire.PublicTable(
        room_code=room.code,
        host="" if host is None else host.name,
        people=len(people),
        bots=sum(seat is not None and seat.bot for seat in room.seats),
        free=0 if room.playing else room.seats.count(None),
        playing=room.playing,
        target=room.options.target,
    )
