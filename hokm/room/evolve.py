"""`evolve(room, event) -> room`: what each event of the log means. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from hokm.game import hand as hands
from hokm.game import match as matches
from hokm.room import events as e
from hokm.room.state import SEATS, SKIPPED_IDS, Room, Seat, Turn
from hokm.wire import HandResult

CHAT_MESSAGES: Final = 5  # at most so many ...
CHAT_SECONDS: Final = 10.0  # ... in so long


def evolve(room: Room, event: e.Event) -> Room:
    """Return the room after *event*."""
    return _CHANGES[type(event)](room, event)


def at(room: Room, time: float) -> Room:
    """Return the room with its clock at *time*, room seconds; done before a record's events."""
    return replace(room, time=time)


def credit(room: Room, number: int | None, id: int) -> Room:
    """Note *id* as the last command of seat *number*; done after a record's events.

    The order matters: the events of a `join` make the seat.
    """
    if number is None or id == 0 or (seat := room.seats[number]) is None:
        return room
    skipped = seat.skipped
    if id > seat.last_id + 1:
        first = max(seat.last_id + 1, id - SKIPPED_IDS)
        skipped = (*skipped, *range(first, id))[-SKIPPED_IDS:]
    return replace(room, seats=_put(room.seats, number, replace(seat, last_id=id, skipped=skipped)))


def replay(room: Room, record: e.Record) -> Room:
    """Fold one record of the log into *room*."""
    room = at(room, record.time)
    for event in record.events:
        room = evolve(room, event)
    return credit(room, record.seat, record.id)


def _put(seats: tuple[Seat | None, ...], number: int, seat: Seat | None) -> tuple[Seat | None, ...]:
    return (*seats[:number], seat, *seats[number + 1 :])


def _with(room: Room, number: int, **changes: Any) -> Room:
    return replace(room, seats=_put(room.seats, number, replace(room.seat(number), **changes)))


def _told(room: Room, **changes: Any) -> Room:
    """Change the room by an event that players are told, which takes the next number."""
    return replace(room, seq=room.seq + 1, **changes)


def _seat(room: Room, number: int, seat: Seat | None) -> Room:
    return _told(room, seats=_put(room.seats, number, seat))


def _seated_event(room: Room, event: e.Seated) -> Room:
    seat = Seat(
        name=event.name,
        key=event.key,
        fresh=event.fresh,
        seed=event.seed,
        connection=event.connection,
    )
    return _seat(room, event.seat, seat)


def _returned(room: Room, event: e.Returned) -> Room:
    seat = room.seat(event.seat)
    back = replace(
        seat,
        fresh=event.fresh,
        connection=event.connection,
        away_since=None,
        stand_in=False,
        seed=seat.seed if event.seed is None else event.seed,
    )
    room = _seat(room, event.seat, back)
    if room.turn is not None and room.turn.seat == event.seat:
        return replace(room, turn=replace(room.turn, bot_at=None))
    return room


def _confirmed(room: Room, event: e.Confirmed) -> Room:
    seat = room.seat(event.seat)
    return _with(room, event.seat, key=seat.fresh or seat.key, fresh=None)


def _away(room: Room, event: e.Away) -> Room:
    seat = replace(room.seat(event.seat), away_since=room.time, connection=0, ready=False)
    return _seat(room, event.seat, seat)


def _vacated(room: Room, event: e.Vacated) -> Room:
    return _seat(room, event.seat, None)


def _bot_seated(room: Room, event: e.BotSeated) -> Room:
    seat = Seat(name=event.name, bot=True, level=event.level, ready=True)
    return _seat(room, event.seat, seat)


def _stood_in(room: Room, event: e.StoodIn) -> Room:
    room = _seat(room, event.seat, replace(room.seat(event.seat), stand_in=True))
    if event.bot_at is not None and room.turn is not None:
        return replace(room, turn=replace(room.turn, bot_at=event.bot_at))
    return room


def _moved(room: Room, event: e.Moved) -> Room:
    seats = list(room.seats)
    seats[event.seat], seats[event.to] = seats[event.to], seats[event.seat]
    host = event.to if room.host == event.seat else room.host
    return _told(room, seats=tuple(seats), host=host)


def _ready_set(room: Room, event: e.ReadySet) -> Room:
    return _seat(room, event.seat, replace(room.seat(event.seat), ready=event.ready))


def _host_set(room: Room, event: e.HostSet) -> Room:
    if event.seat is None:
        return replace(room, host=None)
    return _told(room, host=event.seat)


def _unready(room: Room) -> tuple[Seat | None, ...]:
    return tuple(
        replace(seat, ready=False) if seat and seat.ready and not seat.bot else seat
        for seat in room.seats
    )


def _match_began(room: Room, event: e.MatchBegan) -> Room:
    return _told(
        room,
        match_no=room.match_no + 1,
        match=matches.Match(options=room.options.game),
        hand=None,
        result=None,
        began=room.time,
        seats=_unready(room),
        seeds=room.seat_seeds(),
    )


def _drawn(room: Room, event: e.Drawn) -> Room:
    seats, host = list(room.seats), room.host
    if event.swap is not None:
        one, other = event.swap
        seats[one], seats[other] = seats[other], seats[one]
        host = {one: other, other: one}.get(host, host) if host is not None else None
    return _told(
        room,
        draw_cards=event.cards,
        start_seat=event.start_seat,
        seats=tuple(seats),
        host=host,
    )


def _hand_began(room: Room, event: e.HandBegan) -> Room:
    assert room.match is not None
    match = room.match
    refused: tuple[tuple[int, ...], ...] = ()
    seeds = room.seeds if match.hand_no == 0 or event.redeal else room.seat_seeds()
    if event.redeal:
        assert room.hand is not None
        refused = (*room.refused, room.hand.deck)
    else:
        match = replace(match, hand_no=match.hand_no + 1, hakem=event.hakem)
    hand = hands.begin(
        room.options,
        hakem=event.hakem,
        dealer=event.dealer,
        deck=event.deck,
        redeals=event.redeal,
    )
    return _told(
        room,
        phase="call",
        match=match,
        hand=hand,
        refused=refused,
        seeds=seeds,
        result=None,
        pause_until=None,
        turn=None,
        seats=_unready(room),
    )


def _dealt(room: Room, event: e.Dealt) -> Room:
    return _told(room)


def _turn_began(room: Room, event: e.TurnBegan) -> Room:
    return _told(room, turn=Turn(event.seat, event.action, event.deadline, event.bot_at))


def _trumped(room: Room, event: e.Trumped) -> Room:
    assert room.hand is not None
    return _told(room, phase="play", hand=hands.call(room.hand, event.suit), turn=None)


def _played(room: Room, event: e.Played) -> Room:
    assert room.hand is not None
    return _told(room, hand=hands.play(room.hand, event.card), turn=None)


def _trick_taken(room: Room, event: e.TrickTaken) -> Room:
    assert room.hand is not None
    return _told(room, hand=hands.collect(room.hand))


def _hand_ended(room: Room, event: e.HandEnded) -> Room:
    assert room.hand is not None and room.match is not None
    result = hands.result(room.hand, room.options)
    match = matches.score_hand(room.match, result)
    return _told(
        room,
        phase="hand_over",
        link=room.link + 1,
        match=match,
        turn=None,
        pause_until=event.pause_until,
        result=HandResult(
            winner=result.winner,
            tricks=result.tricks,
            points=result.points,
            kot=result.kot,
            score=match.score,
            next_hakem=event.next_hakem,
        ),
    )


def _match_ended(room: Room, event: e.MatchEnded) -> Room:
    return _told(room, phase="match_over", pause_until=None)


def _spoken(room: Room, event: e.Spoken) -> Room:
    seat = room.seat(event.seat)
    said = (*(t for t in seat.said if t > room.time - CHAT_SECONDS), room.time)[-CHAT_MESSAGES:]
    return _seat(room, event.seat, replace(seat, said=said))


_CHANGES: dict[type, Callable[[Room, Any], Room]] = {
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
}

assert len(_CHANGES) == 21 and SEATS == 4  # an event without a meaning is a fault of this file
