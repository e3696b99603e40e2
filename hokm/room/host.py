"""Who is the host: one who is there, wherever there is a choice."""

from __future__ import annotations

from hokm.room import events as e
from hokm.room.state import Room
from hokm.room.story import Story


def next_host(room: Room) -> int | None:
    """Return a player to be the host, one who is connected first."""
    people = [(s.away_since is not None, n) for n, s in enumerate(room.seats) if s and not s.bot]
    return min(people)[1] if people else None


def relieve_host(story: Story) -> None:
    """Between matches, have somebody who is there be the host for one whose place a bot keeps.

    Only the host begins a match, and seats and removes: everybody would wait for him.
    """
    room = story.room
    if room.host is None or room.playing or not room.seat(room.host).stand_in:
        return
    other = next_host(room)
    if other is not None and room.seat(other).present:
        story.tell(e.HostSet(other))
