"""New rooms: a table for friends, one for people who met in the lobby, and the lobby itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hokm import wire
from hokm.game import fair
from hokm.room import events as e
from hokm.room import lobby, play
from hokm.room.state import SEATS, Chance, Room
from hokm.room.story import Story
from hokm.room.tickets import Queue, Ticket

ROOT_BYTES: Final = 32  # 256 bits of the operating system's randomness: all deals of the table


def room_code(chance: Chance) -> str:
    """Return a new table's code; two tables will not get the same one (see `wire.CODE_LENGTH`)."""
    symbols = wire.CODE_ALPHABET
    return "".join(symbols[chance.randrange(len(symbols))] for _ in range(wire.CODE_LENGTH))


def open_room(
    code: str, options: wire.TableOptions, host_token: str, root: bytes, *, public: bool = False
) -> Room:
    """Make a new table.

    Args:
        host_token: The creator's token; only its hash is kept.
        root: 32 random bytes of the operating system: the end of the chain of secrets.
        public: Whether everybody may be shown the table.
    """
    return Room(
        code=code,
        options=options,
        root=root.hex(),
        host_key=lobby.digest(host_token),
        promise=fair.commitment(fair.secret(root, 1)),
        public=public,
    )


def open_lobby(options: wire.TableOptions, fill_seconds: float) -> Room:
    """Make the lobby; its tables are played by *options*. See `Queue` for *fill_seconds*."""
    queue = Queue(fill_seconds=fill_seconds)
    return Room(code=wire.LOBBY, options=options, root="", host_key="", queue=queue)


def open_match(options: wire.TableOptions, people: Sequence[Ticket], chance: Chance) -> Room:
    """Make a table whose match has begun, with bots on the seats that are left.

    Its time stands still until the first of *people* comes. Who sits where is left to chance, so
    that nobody can choose his partner.
    """
    code = room_code(chance)
    token = chance.randbytes(lobby.TOKEN_BYTES).hex()  # nobody's: the first seat is the host's
    story = Story(open_room(code, options, token, chance.randbytes(ROOT_BYTES)), 0.0, chance)
    seats = list(range(SEATS))
    for ticket in people:
        seat = seats.pop(chance.randrange(len(seats)))
        story.tell(e.Seated(seat, ticket.name, ticket.seed, ticket.key, ticket.key))
        story.tell(e.Away(seat))
        if story.room.host is None:
            story.tell(e.HostSet(seat))
    for seat in seats:
        lobby.seat_bot(story, seat, "normal")
    play.begin_match(story)
    return story.room
