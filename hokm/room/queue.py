"""The lobby's queue: who looks for a table finds one, with bots on it if people are few.

Four people are a table at once. The longer the first of them waits, the fewer people a table
needs: after each `fill_seconds` one bot more may sit down.
"""

from __future__ import annotations

import hmac
from typing import Final

from hokm import wire
from hokm.room import events as e
from hokm.room.effects import Reply, Tell, Watch, Whisper
from hokm.room.lobby import TOKEN_BYTES, clean_name, digest
from hokm.room.opening import open_match
from hokm.room.state import SEATS, Room
from hokm.room.story import Refused, Story
from hokm.room.tickets import Queue, Ticket

AWAY_SECONDS: Final = 15.0  # that a place is kept for somebody whose connection is lost
MAX_WAITING: Final = 1000


def enter(story: Story, command: wire.Join) -> None:
    """Give somebody a place in the queue, or the one back that his token opens."""
    if command.role != "player":
        raise Refused("wrong_phase")
    name = clean_name(command.name)
    queue = _queue(story.room)
    key = digest(command.token) if command.token else ""
    met = next((m for m in queue.met if _opens(key, *m.keys)), None)
    if met is not None:
        story.want(Whisper(story.connection, wire.Matched(met.code), wire.LEFT, "matched"))
        return
    token = command.token or story.chance.randbytes(TOKEN_BYTES).hex()
    place = _place(queue, key, story.connection)
    if place is not None:
        _come_back(story, place, digest(token))
    else:
        if len(queue.waiting) >= MAX_WAITING:
            raise Refused("room_full")
        token = story.chance.randbytes(TOKEN_BYTES).hex()  # not one that somebody else made
        story.tell(e.Enqueued(name, digest(token), command.seed or "", story.connection))
        story.count("joins")
    story.want(Watch())
    story.want(Reply(wire.Queued(token)))
    _go_on(story)


def _place(queue: Queue, key: str, connection: int) -> Ticket | None:
    """Find the place that a token opens, or that the connection holds already."""
    for ticket in queue.waiting:
        if _opens(key, ticket.key) or ticket.connection == connection:
            return ticket
    return None


def _opens(key: str, *keys: str) -> bool:
    return bool(key) and any(hmac.compare_digest(key, known) for known in keys)


def _come_back(story: Story, place: Ticket, key: str) -> None:
    if place.connection not in (0, story.connection):
        newer = "a newer connection has this place"
        story.want(Whisper(place.connection, None, wire.TAKEN_OVER, newer))
    story.tell(e.Requeued(place.number, key, story.connection))


def leave(story: Story) -> None:
    """Give a place up."""
    ticket = _of_connection(story)
    if ticket is None:
        raise Refused("not_seated")
    story.tell(e.Dequeued(ticket.number))
    story.want(Whisper(story.connection, None, wire.LEFT, "left"))
    _go_on(story)


def lost(story: Story) -> None:
    """Note that a connection is lost."""
    ticket = _of_connection(story)
    if ticket is not None:
        story.tell(e.Missed(ticket.number))
        _go_on(story)


def _of_connection(story: Story) -> Ticket | None:
    waiting = _queue(story.room).waiting
    return next((t for t in waiting if t.connection == story.connection), None)


def deadline(room: Room) -> float | None:
    """Return the room time, in seconds, at which `pass_time` has something to do; None: never."""
    waiting = _queue(room).waiting
    due = [t.away_since + AWAY_SECONDS for t in waiting if t.away_since is not None]
    here = _here(room)
    if here:
        due.append(_begins(room, here))
    return min(due, default=None)


def _begins(room: Room, here: tuple[Ticket, ...]) -> float:
    """Return when those who are here are enough for a table."""
    return here[0].since + _queue(room).fill_seconds * max(0, SEATS - len(here))


def pass_time(story: Story) -> None:
    """Let those go who were away too long, and let people meet whose time has come."""
    for ticket in _queue(story.room).waiting:
        if ticket.away_since is not None and story.now >= ticket.away_since + AWAY_SECONDS:
            story.tell(e.Dequeued(ticket.number))
    _go_on(story)


def state(room: Room, now: float) -> wire.QueueMessage:
    """Tell how the search stands."""
    here = _here(room)
    return wire.QueueMessage(len(here), max(0.0, _begins(room, here) - now) if here else 0.0)


def _go_on(story: Story) -> None:
    """Let people meet, and tell the others how things stand."""
    here = _here(story.room)
    while here and story.now >= _begins(story.room, here):
        _meet(story, here[:SEATS])
        here = _here(story.room)
    if here:
        story.want(Tell(wire.encode(state(story.room, story.now))))


def _meet(story: Story, people: tuple[Ticket, ...]) -> None:
    table = open_match(story.room.options, people, story.chance)
    story.tables.append(table)
    story.tell(e.Met(table.code, tuple(ticket.number for ticket in people)))
    found = wire.Matched(table.code)
    for ticket in people:
        story.want(Whisper(ticket.connection, found, wire.LEFT, "matched"))


def _here(room: Room) -> tuple[Ticket, ...]:
    return tuple(t for t in _queue(room).waiting if t.away_since is None)


def _queue(room: Room) -> Queue:
    assert room.queue is not None
    return room.queue
