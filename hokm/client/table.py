"""The picture of a table that events give: `after(state, event) -> state`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from hokm import wire
from hokm.wire import SeatState, State, TrickState, TurnState


def after(state: State, event: wire.Event) -> State:
    """Return *state* as it is after *event*.

    Raises:
        MissedEvents: Events before this one did not come. The caller asks for the whole state.
    """
    if event.seq != state.seq + 1:
        raise MissedEvents
    change = _CHANGES.get(type(event))
    changed = state if change is None else change(state, event)
    return replace(changed, seq=event.seq)


class MissedEvents(Exception):
    """The numbers of the events have a gap."""


def _seat(state: State, number: int, seat: SeatState | None) -> State:
    return replace(state, seats=(*state.seats[:number], seat, *state.seats[number + 1 :]))


def _joined(state: State, event: wire.PlayerJoined) -> State:
    return _seat(state, event.seat, SeatState(event.name, "human", connected=True))


def _left(state: State, event: wire.PlayerLeft) -> State:
    seat = state.seats[event.seat]
    if event.reason != "away" or seat is None:
        return _seat(state, event.seat, None)
    return _seat(state, event.seat, replace(seat, connected=False, ready=False))


def _bot(state: State, event: wire.BotJoined) -> State:
    seat = state.seats[event.seat]
    if event.stand_in and seat is not None:
        return _seat(state, event.seat, replace(seat, stand_in=True))
    return _seat(state, event.seat, SeatState(event.name, "bot", ready=True, level=event.level))


def _swapped(state: State, one: int, other: int) -> State:
    seats = list(state.seats)
    seats[one], seats[other] = seats[other], seats[one]
    moves = {one: other, other: one}
    return replace(
        state,
        seats=tuple(seats),
        seat=None if state.seat is None else moves.get(state.seat, state.seat),
        host=None if state.host is None else moves.get(state.host, state.host),
    )


def _ready(state: State, event: wire.PlayerReady) -> State:
    seat = state.seats[event.seat]
    return state if seat is None else _seat(state, event.seat, replace(seat, ready=event.ready))


def _nobody_ready(state: State) -> State:
    seats = tuple(s and (s if s.kind == "bot" else replace(s, ready=False)) for s in state.seats)
    return replace(state, seats=seats)


def _match(state: State, event: wire.MatchStarted) -> State:
    return replace(
        _nobody_ready(state),
        match_no=event.match_no,
        hand_no=0,
        score=(0, 0),
        commitment=event.commitment,
        result=None,
        winner=None,
    )


def _drawn(state: State, event: wire.HakemDrawn) -> State:
    return state if event.swap is None else _swapped(state, *event.swap)


def _hand(state: State, event: wire.HandStarted) -> State:
    return replace(
        _nobody_ready(state),
        phase="call",
        hand_no=event.hand_no,
        hakem=event.hakem,
        dealer=event.dealer,
        commitment=event.commitment,
        trump=None,
        hand=(),
        legal=(),
        counts=(0, 0, 0, 0),
        tricks=(0, 0),
        table=None,
        last_trick=None,
        turn=None,
        may_redeal=False,
        result=None,
    )


def _dealt(state: State, event: wire.CardsDealt) -> State:
    return replace(state, hand=state.hand + event.cards, counts=event.counts)


def _turn(state: State, event: wire.Turn) -> State:
    mine = event.seat == state.seat
    return replace(
        state,
        turn=TurnState(event.seat, event.action, event.seconds_left),
        legal=event.legal or () if mine and event.action == "play" else (),
        may_redeal=mine and event.may_redeal,
    )


def _trump(state: State, event: wire.TrumpChosen) -> State:
    table = TrickState(event.seat, ())
    return replace(state, phase="play", trump=event.suit, turn=None, table=table)


def _played(state: State, event: wire.CardPlayed) -> State:
    table = state.table or TrickState(event.seat, ())
    if not table.cards:
        table = TrickState(event.seat, ())
    counts = tuple(n - (seat == event.seat) for seat, n in enumerate(state.counts))
    hand = state.hand
    if event.seat == state.seat:
        hand = tuple(card for card in hand if card != event.card)
    return replace(
        state,
        table=replace(table, cards=(*table.cards, event.card)),
        counts=counts,
        hand=hand,
        legal=(),
        turn=None,
    )


def _won(state: State, event: wire.TrickWon) -> State:
    assert state.table is not None
    done = replace(state.table, winner=event.seat)
    return replace(state, tricks=event.tricks, last_trick=done, table=TrickState(event.seat, ()))


def _over(state: State, event: wire.HandOver) -> State:
    result = wire.HandResult(
        event.winner, event.tricks, event.points, event.kot, event.score, event.next_hakem
    )
    return replace(
        state, phase="hand_over", result=result, score=event.score, turn=None, table=None
    )


def _match_over(state: State, event: wire.MatchOver) -> State:
    return replace(state, phase="match_over", winner=event.winner)


_CHANGES: dict[type, Callable[[State, Any], State]] = {
    wire.PlayerJoined: _joined,
    wire.PlayerLeft: _left,
    wire.BotJoined: _bot,
    wire.SeatChanged: lambda state, event: _swapped(state, event.seat, event.to),
    wire.PlayerReady: _ready,
    wire.HostChanged: lambda state, event: replace(state, host=event.seat),
    wire.MatchStarted: _match,
    wire.HakemDrawn: _drawn,
    wire.HandStarted: _hand,
    wire.CardsDealt: _dealt,
    wire.Turn: _turn,
    wire.TrumpChosen: _trump,
    wire.CardPlayed: _played,
    wire.TrickWon: _won,
    wire.HandOver: _over,
    wire.MatchOver: _match_over,
}
