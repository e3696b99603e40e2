"""What a recipient may see: the one projection of events and state, bots' views included.

Deny by default: an event without an entry below is told to nobody, and a secret reaches a message
only through `private`, under the seat that owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hokm import wire
from hokm.game import hand as hands
from hokm.game.cards import NAMES, SUITS, Mask, names
from hokm.game.values import Hand, Trick
from hokm.game.view import SeatView, look
from hokm.room import events as e
from hokm.room.effects import Tell
from hokm.room.history import proof
from hokm.room.state import Room, Seat, Seats, Turn
from hokm.wire import plays

Message: TypeAlias = wire.Message | bytes  # bytes: written by hokm.wire.plays
Told: TypeAlias = tuple[Message, dict[int, Message] | None]  # to everybody; to a seat instead


def project(before: Seats, room: Room, event: e.Event) -> Tell | None:
    """Say what players are told of *event*; None when nobody is.

    Args:
        before: The seats as they were before it.
        room: The room after it.
    """
    projection = _PROJECTIONS.get(type(event))
    told = None if projection is None else projection(before, room, event)
    if told is None:
        return None
    public, private = told
    if private is None:
        return Tell(_text(public))
    return Tell(_text(public), {seat: _text(message) for seat, message in private.items()})


def _text(message: Message) -> bytes:
    return message if isinstance(message, bytes) else wire.encode(message)


def seat_view(room: Room, seat: int | None) -> SeatView:
    """Return the view of the game from *seat*, the only thing that a bot is given."""
    assert room.match is not None and room.hand is not None
    return look(room.match, room.hand, seat)


def state(room: Room, seat: int | None, now: float, *, paused: bool = False) -> wire.State:
    """Return all that *seat* (None: a spectator) may see.

    Args:
        now: Room time in seconds, for the time left.
        paused: Whether the table stands still because the store is away.
    """
    view = None if room.hand is None else seat_view(room, seat)
    hand = room.hand
    turn = room.turn
    return wire.State(
        seq=room.seq,
        phase=room.phase,
        options=room.options,
        seats=tuple(_seat_state(s) for s in room.seats),
        host=room.host,
        seat=seat,
        match_no=room.match_no,
        hand_no=room.match.hand_no if room.match else 0,
        score=room.match.score if room.match else (0, 0),
        tricks=hand.tricks if hand else (0, 0),
        hakem=hand.hakem if hand else None,
        dealer=hand.dealer if hand else None,
        trump=SUITS[hand.trump] if hand and hand.trump is not None else None,
        hand=names(view.hand) if view else (),
        legal=_legal(view),
        counts=view.counts if view else (0, 0, 0, 0),
        table=_table(hand),
        last_trick=_trick(view.last_trick) if view and view.last_trick else None,
        turn=_turn_state(turn, now),
        may_redeal=bool(view and turn and turn.seat == seat and view.may_refuse),
        commitment=room.commitment(),
        result=room.result,
        winner=room.match.winner if room.match else None,
        paused=paused,
    )


def _tenths(deadline: float, now: float) -> int:
    """Return the time left in tenths of a second."""
    return int(max(0.0, deadline - now) * 10 + 0.5)  # `round` takes ten times as long


def _turn_state(turn: Turn | None, now: float) -> wire.TurnState | None:
    if turn is None:
        return None
    return wire.TurnState(turn.seat, turn.action, _tenths(turn.deadline, now) / 10)


def _seat_state(seat: Seat | None) -> wire.SeatState | None:
    if seat is None:
        return None
    return wire.SeatState(
        name=seat.name,
        kind="bot" if seat.bot else "human",
        connected=not seat.bot and seat.away_since is None,
        ready=seat.ready,
        stand_in=seat.stand_in,
        level=seat.level if seat.bot else None,
    )


def _legal(view: SeatView | None) -> tuple[str, ...]:
    return names(view.legal) if view else ()


def _trick(trick: Trick) -> wire.TrickState:
    return wire.TrickState(trick.leader, tuple(NAMES[c] for c in trick.cards), trick.winner)


def _table(hand: Hand | None) -> wire.TrickState | None:
    if hand is None or hand.phase != "play":
        return None
    return wire.TrickState(hand.leader, tuple(NAMES[c] for c in hand.trick))


# --- events -------------------------------------------------------------------------------


def _seated(before: Seats, room: Room, event: e.Seated) -> Told:
    return wire.PlayerJoined(room.seq, event.seat, event.name), None


def _returned(before: Seats, room: Room, event: e.Returned) -> Told:
    return wire.PlayerJoined(room.seq, event.seat, room.seat(event.seat).name, back=True), None


def _away(before: Seats, room: Room, event: e.Away) -> Told:
    return wire.PlayerLeft(room.seq, event.seat, room.seat(event.seat).name, "away"), None


def _vacated(before: Seats, room: Room, event: e.Vacated) -> Told:
    reason = "left" if event.reason == "away" else event.reason
    left = before[event.seat]
    assert left is not None
    return wire.PlayerLeft(room.seq, event.seat, left.name, reason), None


def _bot_seated(before: Seats, room: Room, event: e.BotSeated) -> Told:
    return wire.BotJoined(room.seq, event.seat, event.name, event.level), None


def _stood_in(before: Seats, room: Room, event: e.StoodIn) -> Told:
    seat = room.seat(event.seat)
    return wire.BotJoined(room.seq, event.seat, seat.name, seat.level, stand_in=True), None


def _moved(before: Seats, room: Room, event: e.Moved) -> Told:
    return wire.SeatChanged(room.seq, event.seat, event.to), None


def _ready_set(before: Seats, room: Room, event: e.ReadySet) -> Told:
    return wire.PlayerReady(room.seq, event.seat, event.ready), None


def _host_set(before: Seats, room: Room, event: e.HostSet) -> Told | None:
    return None if event.seat is None else (wire.HostChanged(room.seq, event.seat), None)


def _match_began(before: Seats, room: Room, event: e.MatchBegan) -> Told:
    return wire.MatchStarted(room.seq, room.match_no, room.names, room.commitment()), None


def _drawn(before: Seats, room: Room, event: e.Drawn) -> Told:
    cards = tuple(NAMES[card] for card in event.cards)
    return wire.HakemDrawn(room.seq, event.hakem, event.start_seat, cards, event.swap), None


def _hand_began(before: Seats, room: Room, event: e.HandBegan) -> Told:
    assert room.match is not None
    message = wire.HandStarted(
        seq=room.seq,
        hand_no=room.match.hand_no,
        hakem=event.hakem,
        dealer=event.dealer,
        commitment=room.commitment(),
        redeal_no=event.redeal,
    )
    return message, None


def _dealt(before: Seats, room: Room, event: e.Dealt) -> Told:
    assert room.hand is not None
    counts = tuple(mask.bit_count() for mask in room.hand.holding)
    private: dict[int, Message] = {}
    for seat, mask in enumerate(room.hand.holding):
        new = mask & ~_known_before(room, seat) if event.rest else mask
        if new:
            private[seat] = wire.CardsDealt(room.seq, names(new), counts)
    return wire.CardsDealt(room.seq, (), counts), private


def _known_before(room: Room, seat: int) -> Mask:
    """Return the cards that *seat* was told of before the call."""
    hand = room.hand
    assert hand is not None
    if seat != hand.hakem and room.options.deal_visible == "hakem_only":
        return 0
    return hands.first_packet(hand, seat)


def _turn_began(before: Seats, room: Room, event: e.TurnBegan) -> Told:
    seq, seat, tenths = room.seq, event.seat, _tenths(event.deadline, room.time)
    hand = room.hand
    assert hand is not None
    person = not room.seat(seat).bot  # who is told more than the others
    if event.action == "play":
        turn = plays.turn_to_play(seq, seat, tenths)
        if not person:
            return turn, None
        return turn, {seat: plays.with_legal(turn, hands.legal(hand, seat))}
    call = wire.Turn(seq, seat, event.action, tenths / 10)
    if not person:
        return call, None
    may = hands.may_refuse(hand, room.options)
    return call, {seat: wire.Turn(seq, seat, event.action, tenths / 10, tuple(SUITS), may)}


def _trumped(before: Seats, room: Room, event: e.Trumped) -> Told:
    return wire.TrumpChosen(room.seq, event.seat, SUITS[event.suit], event.auto), None


def _played(before: Seats, room: Room, event: e.Played) -> Told:
    return plays.card_played(room.seq, event.seat, event.card, event.auto), None


def _trick_taken(before: Seats, room: Room, event: e.TrickTaken) -> Told:
    assert room.hand is not None
    return plays.trick_won(room.seq, event.seat, room.hand.tricks), None


def _hand_ended(before: Seats, room: Room, event: e.HandEnded) -> Told:
    result = room.result
    assert result is not None
    message = wire.HandOver(
        seq=room.seq,
        winner=result.winner,
        tricks=result.tricks,
        points=result.points,
        kot=result.kot,
        score=result.score,
        next_hakem=result.next_hakem,
        proof=proof(room),
    )
    return message, None


def _match_ended(before: Seats, room: Room, event: e.MatchEnded) -> Told:
    assert room.match is not None
    return wire.MatchOver(room.seq, event.winner, room.match.score), None


def _spoken(before: Seats, room: Room, event: e.Spoken) -> Told:
    return wire.Said(room.seq, event.seat, room.seat(event.seat).name, event.text), None


_PROJECTIONS: dict[type, Callable[[Seats, Room, Any], Told | None]] = {
    e.Seated: _seated,
    e.Returned: _returned,
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
