"""What each event of the log means: how it changes the room. Nothing is decided here.

A record's events change one copy of the room in turn: a copy for each event would be the greater
part of what a play costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from msgspec.structs import replace as replaced

from hokm.game import hand as hands
from hokm.game import match as matches
from hokm.room import events as e
from hokm.room.state import SEATS, SKIPPED_IDS, Room, Seat, Turn
from hokm.room.tickets import Meeting, Queue, Ticket
from hokm.wire import HandResult

CHAT_MESSAGES: Final = 5  # at most so many ...
CHAT_SECONDS: Final = 10.0  # ... in so long
MEETING_SECONDS: Final = 120.0  # that a found table is remembered for who did not hear of it


def evolve(room: Room, event: e.Event) -> None:
    """Let *event* change *room*, which is the caller's own copy: `Room.at` makes one."""
    _CHANGES[type(event)](room, event)


def credit(room: Room, number: int | None, id: int) -> None:
    """Note *id* as the last command of seat *number*; done after a record's events.

    The order matters: the events of a `join` make the seat.
    """
    if number is None or id == 0 or (seat := room.seats[number]) is None:
        return
    last_id, skipped = seat.last_id, seat.skipped
    if id > last_id + 1:
        first = max(last_id + 1, id - SKIPPED_IDS)
        skipped = (*skipped, *range(first, id))[-SKIPPED_IDS:]
    _put(room, number, seat.credited(id, skipped))


def replay(room: Room, record: e.Record) -> Room:
    """Return *room* with one record of the log folded in."""
    room = room.at(record.time)
    for event in record.events:
        evolve(room, event)
    credit(room, record.seat, record.id)
    return room


def _put(room: Room, number: int, seat: Seat | None) -> None:
    seats = list(room.seats)
    seats[number] = seat
    room.seats = tuple(seats)


def _seat(room: Room, number: int, seat: Seat | None) -> None:
    """Change a seat by an event that players are told, which takes the next number."""
    room.seq += 1
    _put(room, number, seat)


def _seated_event(room: Room, event: e.Seated) -> None:
    seat = Seat(
        name=event.name,
        key=event.key,
        fresh=event.fresh,
        seed=event.seed,
        connection=event.connection,
    )
    _seat(room, event.seat, seat)


def _returned(room: Room, event: e.Returned) -> None:
    seat = room.seat(event.seat)
    back = replace(
        seat,
        fresh=event.fresh,
        connection=event.connection,
        away_since=None,
        stand_in=False,
        seed=seat.seed if event.seed is None else event.seed,
    )
    _seat(room, event.seat, back)
    if room.turn is not None and room.turn.seat == event.seat:
        room.turn = replace(room.turn, bot_at=None)


def _confirmed(room: Room, event: e.Confirmed) -> None:
    seat = room.seat(event.seat)
    _put(room, event.seat, replace(seat, key=seat.fresh or seat.key, fresh=None))


def _away(room: Room, event: e.Away) -> None:
    seat = replace(room.seat(event.seat), away_since=room.time, connection=0, ready=False)
    _seat(room, event.seat, seat)


def _vacated(room: Room, event: e.Vacated) -> None:
    _seat(room, event.seat, None)


def _bot_seated(room: Room, event: e.BotSeated) -> None:
    seat = Seat(name=event.name, bot=True, level=event.level, ready=True)
    _seat(room, event.seat, seat)


def _stood_in(room: Room, event: e.StoodIn) -> None:
    _seat(room, event.seat, replace(room.seat(event.seat), stand_in=True))
    if event.bot_at is not None and room.turn is not None:
        room.turn = replace(room.turn, bot_at=event.bot_at)


def _swap(room: Room, one: int, other: int) -> None:
    """Let two seats change places, the host's with them."""
    seats = list(room.seats)
    seats[one], seats[other] = seats[other], seats[one]
    room.seats = tuple(seats)
    if room.host is not None:
        room.host = {one: other, other: one}.get(room.host, room.host)


def _moved(room: Room, event: e.Moved) -> None:
    room.seq += 1
    _swap(room, event.seat, event.to)


def _ready_set(room: Room, event: e.ReadySet) -> None:
    _seat(room, event.seat, replace(room.seat(event.seat), ready=event.ready))


def _host_set(room: Room, event: e.HostSet) -> None:
    room.host = event.seat
    if event.seat is not None:
        room.seq += 1


def _unready(room: Room) -> None:
    room.seats = tuple(
        replace(seat, ready=False) if seat and seat.ready and not seat.bot else seat
        for seat in room.seats
    )


def _match_began(room: Room, event: e.MatchBegan) -> None:
    room.seq += 1
    room.match_no += 1
    room.match = matches.Match(options=room.options.game)
    room.hand = None
    room.result = None
    room.began = room.time
    room.seeds = room.seat_seeds()
    _unready(room)


def _drawn(room: Room, event: e.Drawn) -> None:
    room.seq += 1
    room.draw_cards = event.cards
    room.start_seat = event.start_seat
    if event.swap is not None:
        _swap(room, *event.swap)


def _hand_began(room: Room, event: e.HandBegan) -> None:
    match = room.match
    assert match is not None
    if event.redeal:
        assert room.hand is not None
        room.refused = (*room.refused, room.hand.deck)
    else:
        room.refused = ()
        if match.hand_no:
            room.seeds = room.seat_seeds()
        room.match = replaced(match, hand_no=match.hand_no + 1, hakem=event.hakem)
    room.seq += 1
    room.phase = "call"
    room.hand = hands.begin(
        room.options,
        hakem=event.hakem,
        dealer=event.dealer,
        deck=event.deck,
        redeals=event.redeal,
    )
    room.result = None
    room.pause_until = None
    room.turn = None
    _unready(room)


def _dealt(room: Room, event: e.Dealt) -> None:
    room.seq += 1


def _turn_began(room: Room, event: e.TurnBegan) -> None:
    room.seq += 1
    room.turn = Turn(event.seat, event.action, event.deadline, event.bot_at)


def _trumped(room: Room, event: e.Trumped) -> None:
    assert room.hand is not None
    room.seq += 1
    room.phase = "play"
    room.hand = hands.call(room.hand, event.suit)
    room.turn = None


def _played(room: Room, event: e.Played) -> None:
    assert room.hand is not None
    room.seq += 1
    room.hand = hands.play(room.hand, event.card)
    room.turn = None


def _trick_taken(room: Room, event: e.TrickTaken) -> None:
    assert room.hand is not None
    room.seq += 1
    room.hand = hands.collect(room.hand)


def _hand_ended(room: Room, event: e.HandEnded) -> None:
    assert room.hand is not None and room.match is not None
    result = hands.result(room.hand, room.options)
    room.seq += 1
    room.phase = "hand_over"
    room.promise = room.secret().hex()  # what is revealed is the next one's hash
    room.link += 1
    room.match = match = matches.score_hand(room.match, result)
    room.turn = None
    room.pause_until = event.pause_until
    room.result = HandResult(
        winner=result.winner,
        tricks=result.tricks,
        points=result.points,
        kot=result.kot,
        score=match.score,
        next_hakem=event.next_hakem,
    )


def _match_ended(room: Room, event: e.MatchEnded) -> None:
    room.seq += 1
    room.phase = "match_over"
    room.pause_until = None


def _spoken(room: Room, event: e.Spoken) -> None:
    seat = room.seat(event.seat)
    said = (*(t for t in seat.said if t > room.time - CHAT_SECONDS), room.time)[-CHAT_MESSAGES:]
    _seat(room, event.seat, replace(seat, said=said))


def _enqueued(room: Room, event: e.Enqueued) -> None:
    queue = _queue(room)
    number = queue.last + 1
    ticket = Ticket(number, event.name, event.key, event.seed, room.time, event.connection)
    room.queue = replaced(queue, last=number, waiting=(*queue.waiting, ticket))


def _requeued(room: Room, event: e.Requeued) -> None:
    _ticket(room, event.number, key=event.key, connection=event.connection, away_since=None)


def _missed(room: Room, event: e.Missed) -> None:
    _ticket(room, event.number, connection=0, away_since=room.time)


def _ticket(room: Room, number: int, **fields: Any) -> None:
    queue = _queue(room)
    waiting = tuple(replaced(t, **fields) if t.number == number else t for t in queue.waiting)
    room.queue = replaced(queue, waiting=waiting)


def _dequeued(room: Room, event: e.Dequeued) -> None:
    queue = _queue(room)
    waiting = tuple(t for t in queue.waiting if t.number != event.number)
    room.queue = replaced(queue, waiting=waiting)


def _met(room: Room, event: e.Met) -> None:
    queue = _queue(room)
    keys = tuple(t.key for t in queue.waiting if t.number in event.numbers)
    met = [m for m in queue.met if m.time > room.time - MEETING_SECONDS]
    room.queue = replaced(
        queue,
        waiting=tuple(t for t in queue.waiting if t.number not in event.numbers),
        met=(*met, Meeting(event.code, keys, room.time)),
    )


def _queue(room: Room) -> Queue:
    assert room.queue is not None
    return room.queue


_CHANGES: Final[dict[type, Callable[[Room, Any], None]]] = {
    e.Seated: _seated_event,
    e.Returned: _returned,
    e.Confirmed: _confirmed,
    e.Away: _away,
    e.Vacated: _vacated,
    e.BotSeated: _bot_seated,
    e.StoodIn: _stood_in,
    e.Moved: _moved,
    e.ReadySet: _ready_set,
    e.HostSet: _host_set,
    e.MatchBegan: _match_began,
    e.Drawn: _drawn,
    e.HandBegan: _hand_began,
    e.Dealt: _dealt,
    e.TurnBegan: _turn_began,
    e.Trumped: _trumped,
    e.Played: _played,
    e.TrickTaken: _trick_taken,
    e.HandEnded: _hand_ended,
    e.MatchEnded: _match_ended,
    e.Spoken: _spoken,
    e.Enqueued: _enqueued,
    e.Requeued: _requeued,
    e.Missed: _missed,
    e.Dequeued: _dequeued,
    e.Met: _met,
}

assert len(_CHANGES) == 26 and SEATS == 4  # an event without a meaning is a fault of this file
