"""The room's two entrances: `advance` decides what a command leads to, `replay` folds the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from hokm import wire
from hokm.room import clock, lobby, play, queue
from hokm.room import events as e
from hokm.room.commands import Command, Confirm, Lost, Tick
from hokm.room.effects import Reply, Reseat
from hokm.room.evolve import replay
from hokm.room.opening import open_lobby, open_room
from hokm.room.outcome import Outcome
from hokm.room.state import Chance, Room
from hokm.room.story import Refused, Story
from hokm.room.view import state

Decision: TypeAlias = Callable[[Story, int, Any], None]

__all__ = [
    "Command",
    "Confirm",
    "Lost",
    "Outcome",
    "Refused",
    "Tick",
    "advance",
    "open_lobby",
    "open_room",
    "replay",
]


def advance(
    room: Room,
    seat: int | None,
    command: Command,
    now: float,
    chance: Chance,
    connection: int = 0,
) -> Outcome:
    """Decide what *command* leads to.

    Args:
        seat: Whose command it is; None before `join`, for spectators and for the room's own.
        now: Room time in seconds.
        connection: Number of the connection that the command came by; 0 for the room's own.

    Raises:
        Refused: Nothing changed. The caller answers `error` with its code.
    """
    story = Story(room, now, chance, connection)
    kind = type(command)
    decision = _DECISIONS.get(kind)
    if decision is not None:
        return _decide(story, room, seat, command, decision)
    if kind in _OWN:
        _OWN[kind](story, seat)
        return _outcome(room, story, None, 0)
    if isinstance(command, wire.Join):
        if room.queue is not None:
            queue.enter(story, command)
            return _outcome(room, story, None, 0)
        seat = lobby.join(story, seat, command)
        return _outcome(room, story, seat, _join_id(room, seat, command))
    return _sync(room, story, seat)


def _decide(
    story: Story, room: Room, seat: int | None, command: Any, decision: Decision
) -> Outcome:
    """Do a seated player's command, unless it is done already."""
    if room.queue is not None:
        if type(command) is not wire.Leave:
            raise Refused("wrong_phase")
        queue.leave(story)
        return _outcome(room, story, None, 0)
    if seat is None:
        raise Refused("not_seated")
    known, id = room.seat(seat), command.id
    if id <= known.last_id:
        if id in known.skipped:
            raise Refused("stale_id")
        return Outcome(room, None, [])
    decision(story, seat, command)
    left = decision is lobby.leave
    return _outcome(room, story, None if left else _seat_after(story, seat), id)


def _outcome(before: Room, story: Story, seat: int | None, id: int) -> Outcome:
    if not story.events and (seat is None or id == 0):
        return Outcome(before, None, story.effects)
    record = story.end(seat, id)
    return Outcome(story.room, record, story.effects, story.hands, story.counts, story.tables)


def _join_id(before: Room, seat: int | None, command: wire.Join) -> int:
    """Return the id that a `join` counts for.

    A resume's does not: commands sent before it may come again after it, with lower ids.
    """
    return command.id if seat is not None and before.seats[seat] is None else 0


def _seat_after(story: Story, seat: int) -> int:
    """Return where the command's player sits now."""
    for effect in story.effects:
        if type(effect) is Reseat:
            seat = {effect.seat: effect.to, effect.to: effect.seat}.get(seat, seat)
    return seat


def _sync(room: Room, story: Story, seat: int | None) -> Outcome:
    if room.queue is not None:
        story.want(Reply(queue.state(room, story.now)))
        return Outcome(room, None, story.effects)
    last_id = room.seat(seat).last_id if seat is not None else 0
    story.want(Reply(wire.StateMessage(last_id, state(room, seat, story.now))))
    return Outcome(room, None, story.effects)


def _lost(story: Story, seat: int | None) -> None:
    if story.room.queue is not None:
        queue.lost(story)
        return
    assert seat is not None
    holder = story.room.seats[seat]
    if holder is not None and holder.present:
        story.tell(e.Away(seat))


def _confirm(story: Story, seat: int | None) -> None:
    assert seat is not None
    holder = story.room.seats[seat]
    if holder is not None and holder.fresh is not None:
        story.tell(e.Confirmed(seat))


def _tick(story: Story, seat: int | None) -> None:
    clock.pass_time(story)


_OWN: Final[dict[type, Callable[[Story, int | None], None]]] = {
    Lost: _lost,
    Confirm: _confirm,
    Tick: _tick,
}
_DECISIONS: Final[dict[type, Decision]] = {
    wire.AddBot: lobby.add_bot,
    wire.Kick: lobby.kick,
    wire.Sit: lobby.sit,
    wire.Ready: lobby.ready,
    wire.Start: lobby.start,
    wire.ChooseTrump: play.choose_trump,
    wire.Redeal: play.redeal,
    wire.Play: play.play,
    wire.Say: lobby.say,
    wire.Leave: lobby.leave,
}
