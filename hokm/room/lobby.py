"""Commands about seats: joining, resuming, bots, host, ready and start, leaving, chat."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Literal

from hokm import wire
from hokm.room import events as e
from hokm.room import play
from hokm.room.effects import Close, Reply, Reseat, Take, Watch
from hokm.room.evolve import CHAT_MESSAGES, CHAT_SECONDS
from hokm.room.host import next_host, relieve_host
from hokm.room.state import SEATS, Room
from hokm.room.story import Refused, Story
from hokm.room.view import state

TOKEN_BYTES: Final = 32  # 256 bits
BOT_NAMES: Final = ("Arash", "Bahar", "Cyrus", "Darya", "Elham", "Farhad", "Golnaz", "Hooman")


def digest(token: str) -> str:
    """Return what is stored of a seat token: its SHA-256, hex. The token itself never is."""
    return hashlib.sha256(token.encode()).hexdigest()


def join(story: Story, seat: int | None, command: wire.Join) -> int | None:
    """Seat a player, give a returning one his seat, or let somebody watch.

    Args:
        seat: The one that the connection holds already: its player did not hear so, because a
            worker died, and is welcomed once more.

    Returns:
        The seat, or None for a spectator.
    """
    if command.role == "spectator":
        story.want(Watch())
        _welcome(story, None, None)
        return None
    name = clean_name(command.name)
    token = story.chance.randbytes(TOKEN_BYTES).hex()
    fresh = digest(token)
    if seat is not None:
        _return(story, seat, fresh, command.seed)
    elif command.token:
        seat = _resume(story, command, fresh)
    if seat is None:
        seat = _sit_down(story, command, name, fresh)
        story.count("joins")
    relieve_host(story)
    story.want(Take(seat))
    _welcome(story, seat, token)
    return seat


def clean_name(text: str) -> str:
    """Return a name as it is shown; refuse what is none."""
    name = " ".join(text.split())
    if not name.isprintable() or not name:
        raise Refused("bad_message")
    return name


def _resume(story: Story, command: wire.Join, fresh: str) -> int | None:
    """Give the seat that the token opens; None when it is the creator's, not seated yet."""
    assert command.token is not None
    key = digest(command.token)
    for number, seat in enumerate(story.room.seats):
        if seat is not None and not seat.bot and _opens(key, seat.key, seat.fresh):
            if seat.fresh is not None and hmac.compare_digest(key, seat.fresh):
                story.tell(e.Confirmed(number))
            _return(story, number, fresh, command.seed)
            return number
    if _opens(key, story.room.host_key):
        return None
    raise Refused("bad_token")


def _return(story: Story, seat: int, fresh: str, seed: str | None) -> None:
    story.tell(e.Returned(seat, fresh, seed, story.connection))


def _opens(key: str, *hashes: str | None) -> bool:
    return any(hmac.compare_digest(key, known) for known in hashes if known)


def _sit_down(story: Story, command: wire.Join, name: str, fresh: str) -> int:
    seat = _free_seat(story.room, command.seat)
    key = digest(command.token) if command.token else ""
    story.tell(e.Seated(seat, name, command.seed or "", key, fresh, story.connection))
    if key or story.room.host is None:
        story.tell(e.HostSet(seat))  # its creator, whenever he comes; until then, the first
    return seat


def _free_seat(room: Room, wanted: int | None) -> int:
    free = [number for number, seat in enumerate(room.seats) if seat is None]
    if room.playing or not free:
        raise Refused("room_full")
    if wanted is None:
        return free[0]
    if wanted not in free:
        raise Refused("seat_taken")
    return wanted


def _welcome(story: Story, seat: int | None, token: str | None) -> None:
    room = story.room
    last_id = room.seat(seat).last_id if seat is not None else 0
    story.want(Reply(wire.Welcome(room.code, seat, token, last_id, state(room, seat, story.now))))


def between_matches(room: Room) -> None:
    """Refuse what is not for the middle of a match."""
    if room.playing:
        raise Refused("wrong_phase")


def _as_host(story: Story, seat: int) -> None:
    if story.room.host != seat:
        raise Refused("not_host")


def add_bot(story: Story, seat: int, command: wire.AddBot) -> None:
    """Seat a bot."""
    _as_host(story, seat)
    between_matches(story.room)
    seat_bot(story, _free_seat(story.room, command.seat), command.level)
    begin_if_ready(story)


def seat_bot(story: Story, seat: int, level: wire.Level) -> None:
    """Seat a bot under a name that nobody at the table has."""
    taken = set(story.room.names)
    free = [name for name in BOT_NAMES if name not in taken]
    story.tell(e.BotSeated(seat, free[story.chance.randrange(len(free))], level))


def kick(story: Story, seat: int, command: wire.Kick) -> None:
    """Empty a seat."""
    _as_host(story, seat)
    between_matches(story.room)
    other = story.room.seats[command.seat]
    if other is None or command.seat == seat:
        raise Refused("wrong_phase")
    if not other.bot:
        story.want(Close(command.seat, wire.POLICY, "the host has emptied this seat"))
    vacate(story, command.seat, "kicked")


def sit(story: Story, seat: int, command: wire.Sit) -> None:
    """Change to a free seat."""
    between_matches(story.room)
    if story.room.seats[command.seat] is not None:
        raise Refused("seat_taken")
    story.tell(e.Moved(seat, command.seat))
    story.want(Reseat(seat, command.seat))


def ready(story: Story, seat: int, command: wire.Ready) -> None:
    """Note who is ready, and go on once all are."""
    if story.room.phase in ("call", "play"):
        raise Refused("wrong_phase")
    if story.room.seat(seat).ready != command.ready:
        story.tell(e.ReadySet(seat, command.ready))
    begin_if_ready(story)


def begin_if_ready(story: Story) -> None:
    """Begin the match or the next hand if all seats are taken and all who are there are ready."""
    room = story.room
    people = [s for s in room.seats if s and not s.bot and s.away_since is None]
    if None in room.seats or not people or not all(seat.ready for seat in people):
        return
    if room.phase == "hand_over":
        play.next_hand(story)
    else:
        play.begin_match(story)


def start(story: Story, seat: int, command: wire.Start) -> None:
    """Begin a match."""
    _as_host(story, seat)
    between_matches(story.room)
    for number in range(SEATS):
        if story.room.seats[number] is None:
            if not command.fill:
                raise Refused("seats_empty")
            seat_bot(story, number, "normal")
    play.begin_match(story)


def leave(story: Story, seat: int, command: wire.Leave) -> None:
    """Give a seat up; in a match a bot takes it for good."""
    story.want(Close(seat, wire.LEFT, "left"))
    playing = story.room.playing
    vacate(story, seat, "left", to_bot=playing)


def vacate(
    story: Story, seat: int, reason: Literal["left", "kicked", "away"], *, to_bot: bool = False
) -> None:
    """Free a seat, or put a bot on it, and find another host if it was the host's."""
    story.tell(e.Vacated(seat, reason))
    if to_bot:
        seat_bot(story, seat, "normal")
        turn = story.room.turn
        if turn is not None and turn.seat == seat:
            play.begin_turn(story, seat, turn.action)
    if story.room.host == seat:
        story.tell(e.HostSet(next_host(story.room)))


def say(story: Story, seat: int, command: wire.Say) -> None:
    """Chat."""
    recent = [t for t in story.room.seat(seat).said if t > story.now - CHAT_SECONDS]
    if len(recent) >= CHAT_MESSAGES:
        raise Refused("rate_limited")
    story.tell(e.Spoken(seat, command.text))
