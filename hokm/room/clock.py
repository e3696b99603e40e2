"""Time in a room: when something is due, and what happens then."""

from __future__ import annotations

import math

from hokm import bots
from hokm.room import events as e
from hokm.room import lobby, play, queue
from hokm.room.state import Room
from hokm.room.story import Story
from hokm.room.view import seat_view


def deadline(room: Room) -> float | None:
    """Return the room time, in seconds, at which `pass_time` has something to do; None: never."""
    if room.queue is not None:
        return queue.deadline(room)
    due = math.inf
    turn = room.turn
    if turn is not None:
        due = turn.deadline if turn.bot_at is None else turn.bot_at
    elif room.phase == "hand_over" and room.pause_until is not None:
        due = room.pause_until
    for seat in room.seats:
        if seat is not None and seat.away_since is not None and not seat.stand_in:
            due = min(due, seat.away_since + room.options.grace_seconds)
    return None if due == math.inf else due


def pass_time(story: Story) -> None:
    """Let happen all that is due at the story's time."""
    if story.room.queue is not None:
        queue.pass_time(story)
        return
    for number, seat in enumerate(story.room.seats):
        if seat is None or seat.away_since is None or seat.stand_in:
            continue
        if story.now >= seat.away_since + story.room.options.grace_seconds:
            _absent_too_long(story, number)
    turn = story.room.turn
    if turn is not None and story.now >= (turn.deadline if turn.bot_at is None else turn.bot_at):
        _act(story)
    room = story.room
    if room.phase == "hand_over" and room.pause_until is not None and story.now >= room.pause_until:
        play.next_hand(story)


def _absent_too_long(story: Story, number: int) -> None:
    if not story.room.playing:
        lobby.vacate(story, number, "away")
        return
    turn = story.room.turn
    mine = turn is not None and turn.seat == number
    story.tell(e.StoodIn(number, play.bot_time(story) if mine else None))


def _act(story: Story) -> None:
    """Let a bot act for the seat on turn: its own, an absent player's, or a slow one's."""
    turn = story.room.turn
    assert turn is not None
    seat = story.room.seat(turn.seat)
    action = bots.choose(seat.level, seat_view(story.room, turn.seat), story.chance)
    if isinstance(action, bots.Call):
        play.name_trump(story, turn.seat, action.suit, auto=True)
    elif isinstance(action, bots.Refuse):
        play.deal_again(story)
    else:
        play.put_card(story, turn.seat, action.card, auto=True)
