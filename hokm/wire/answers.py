"""What the server answers, and the whole state."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hokm.wire.values import Action, CardName, SuitName, TableOptions


class _Answer(Struct, frozen=True, tag_field="type", gc=False):
    pass


class Ok(_Answer, frozen=True, tag="ok"):
    """The command is done and durable, and all that it caused was sent before this."""

    id: int


class Error(_Answer, frozen=True, tag="error"):
    """The command was refused and changed nothing. `id` is null where none could be read.

    `not_joined` with a null `id` comes unasked: the server had to recover the table and knows of
    no place that this connection has. Send the `join` again, on the same connection.
    """

    id: int | None
    code: str
    message: str


class SeatState(Struct, frozen=True, omit_defaults=True):
    """Who sits on a seat. `stand_in`: a bot plays for a player who is away."""

    name: str
    kind: Literal["human", "bot"]
    connected: bool = False
    ready: bool = False
    stand_in: bool = False
    level: str | None = None


class TrickState(Struct, frozen=True):
    """Cards in play order, the first from `leader`; `winner` once it is complete."""

    leader: int
    cards: tuple[CardName, ...]
    winner: int | None = None


class TurnState(Struct, frozen=True):
    """Whose turn it is, for what, and the time left."""

    seat: int
    action: Action
    seconds_left: float


class HandResult(Struct, frozen=True):
    """How a hand ended."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Literal["none", "kot", "hakem_kot"]
    score: tuple[int, int]
    next_hakem: int


class State(Struct, frozen=True):
    """All that this recipient may see. `seq` is the last event's that is contained."""

    seq: int
    phase: Literal["lobby", "call", "play", "hand_over", "match_over"]
    options: TableOptions
    seats: tuple[SeatState | None, ...]
    host: int | None
    seat: int | None
    match_no: int
    hand_no: int
    score: tuple[int, int]
    tricks: tuple[int, int]
    hakem: int | None
    dealer: int | None
    trump: SuitName | None
    hand: tuple[CardName, ...]
    legal: tuple[CardName, ...]
    counts: tuple[int, ...]
    table: TrickState | None
    last_trick: TrickState | None
    turn: TurnState | None
    may_redeal: bool
    commitment: str
    result: HandResult | None
    winner: int | None
    paused: bool = False


class Welcome(_Answer, frozen=True, tag="welcome"):
    """A seat (or a watcher's place, `seat` and `token` null) was taken or resumed.

    `last_id` is the last command that was done. All others without an answer are to be sent again,
    in order: what was done is answered `ok` once more and not done twice.
    """

    room_code: str
    seat: int | None
    token: str | None
    last_id: int
    state: State


class Queued(_Answer, frozen=True, tag="queued"):
    """In the lobby, `join` looks for a table: one has a place in the queue, new or old.

    `token` brings it back after a lost connection, as the `token` of another `join`. Once a table
    is found it opens the seat there.
    """

    token: str


class QueueMessage(_Answer, frozen=True, tag="queue"):
    """How the search stands, told whenever that changes: so many people wait.

    If nobody else comes, they begin with bots after `seconds_left`.
    """

    people: int
    seconds_left: float


class Matched(_Answer, frozen=True, tag="matched"):
    """A table is found, and waits: `join` there with the token of `queued`.

    The lobby closes this connection with 1000.
    """

    room_code: str


class StateMessage(_Answer, frozen=True, tag="state"):
    """The whole state, on `sync` or, unasked, when the server had to recover the table.

    As after `welcome`, commands without an answer, but for `last_id`, are to be sent again.
    """

    last_id: int
    state: State
