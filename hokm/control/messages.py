"""Every message between the supervisor and a worker.

Messages only name what happened or what is wanted; who does what with them is not said here.
Descriptors travel beside a message, in the same packet (`hokm.control.channel`). Two releases may
meet here while one replaces the other: fields are only ever added, with a default, and what a side
does not know it passes over; a change that the other side would misread raises `PROTOCOL`.

A room moves from worker A to worker B so (`hokm.supervisor.moves` coordinates):
Drain → A, Offer ← A, Adopt → B, Prepared ← B, then Commit → B and Release → A, Resumed ← B.
Without an end, or with Refused from either side: Abort → A, which goes on, and Cancel → B.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder

PROTOCOL: Final = 2  # rises with each change of this file that the other side would misread

REASONS: Final = (  # why a room does not move: `Refused`, and what the supervisor itself sees
    "no_room",  # there is none of that code here, or it is just being opened
    "store_away",
    "unreadable",  # the other worker cannot read what the store holds, or restore a connection
    "descriptors",  # the other worker had no descriptor left
    "deadline",
    "worker_lost",
)


class WrongProtocol(Exception):
    """The other side speaks another version: files of two releases are mixed.

    The caller reports the text and ends the worker; to start it again would change nothing.
    """


class _Message(Struct, frozen=True, tag=True, kw_only=True):
    """What all messages share: the type is told by the class's name."""


# --- supervisor -> worker --------------------------------------------------------------------


class Configure(_Message, frozen=True):
    """What a worker needs to begin; the first message to it, with the ledger's descriptor.

    Attributes:
        worker: Id of the worker.
        store: Address of the store.
        settings: JSON of the worker's settings, read by the worker only.
        instance: Id of the instance; empty where there is no fleet.
        lease_s: Length of its lease, in seconds.
        leased_at: As `Leased.asked`.
    """

    worker: int
    store: str
    settings: bytes
    instance: str = ""
    lease_s: float = 0.0
    leased_at: float = 0.0
    protocol: int = PROTOCOL


class Arrival(Struct, frozen=True, kw_only=True):
    """A connection that a worker is to have.

    Attributes:
        connection: Its number, which no other connection of any instance has.
        cookie: The socket's `SO_COOKIE`, by which the worker sees that it got the right one.
        line: Its line in the ledger.
        head: Its request, which an earlier worker has read; empty where nobody has.
        answered: Whether the request was answered.
        watching: Whether it has a spectator's place.
        origin: The address that it comes from; empty where that is the socket's other end.
    """

    connection: int
    cookie: int
    line: int
    head: bytes = b""
    answered: bool = False
    watching: bool = False
    origin: str = ""


class Connection(_Message, frozen=True):
    """A player has come; with the socket, whose request nobody has read yet."""

    room: str
    arrival: Arrival


class Adopt(_Message, frozen=True):
    """Go on with the connections of a room; with their sockets, in order.

    Attributes:
        move: The move that this belongs to: to be prepared, and taken on at `Commit`. 0 after a
            crash or a restart: to be taken on at once.
        payload: What the last owner exported (`hokm.worker.passage`); empty after a crash: the
            players are sent the whole state then.
        since: Since when the room stands still, in seconds of CLOCK_MONOTONIC.
        more: Whether the next packet brings more connections of the same room.
    """

    room: str
    move: int
    arrivals: tuple[Arrival, ...]
    since: float
    payload: bytes = b""
    more: bool = False


class Drain(_Message, frozen=True):
    """Freeze a room and offer it."""

    room: str
    move: int


class Release(_Message, frozen=True):
    """Another worker has the offered room: let go of it."""

    move: int


class Abort(_Message, frozen=True):
    """The room stays: go on with it."""

    move: int


class Commit(_Message, frozen=True):
    """The adopted room is yours: go on with it."""

    move: int


class Cancel(_Message, frozen=True):
    """The adopted room is not yours: let go of it."""

    move: int


class Stop(_Message, frozen=True):
    """End within *grace_s* seconds: store what was decided, then close all connections."""

    grace_s: float


class HandOver(_Message, frozen=True):
    """Give a room up: store it, make it nobody's, and tell its players to come again."""

    room: str


class Leased(_Message, frozen=True):
    """The instance's lease was renewed.

    Attributes:
        asked: When it was asked for, in seconds of CLOCK_BOOTTIME.
        anew: Whether it was over before: rooms may have other owners.
    """

    asked: float
    anew: bool


class Overload(_Message, frozen=True):
    """The instance has too much to do, or (not *on*) no more: new tables have to wait."""

    on: bool


class Ping(_Message, frozen=True):
    """Show that you live: answer with `Pong` and the same number."""

    n: int


# --- worker -> supervisor --------------------------------------------------------------------


class Hello(_Message, frozen=True):
    """A worker has started; its first message."""

    pid: int
    protocol: int = PROTOCOL


class Ready(_Message, frozen=True):
    """The worker takes connections from now on."""


class Misconfigured(_Message, frozen=True):
    """The worker cannot run with its settings and ends; to start it again would change nothing."""

    message: str


class NotTaken(_Message, frozen=True):
    """The worker did not take the connection and has not read from it: send it elsewhere."""

    connection: int
    reason: str


class Watching(_Message, frozen=True):
    """The connection has a spectator's place from now on; a player's stands in the room's log."""

    connection: int


class Closed(_Message, frozen=True):
    """The connection is gone: whoever has a copy of its socket closes that, too."""

    connection: int


class RoomIdle(_Message, frozen=True):
    """The worker holds the room no more: it may be opened anywhere."""

    room: str


class RoomLeft(_Message, frozen=True):
    """Another instance has the room, or may have it.

    Attributes:
        connections: Those that it had here; they are closing.
    """

    room: str
    connections: tuple[int, ...]


class Offer(_Message, frozen=True):
    """The room is frozen, and this is what belongs to its connections.

    Attributes:
        connections: Numbers of those that go.
        payload: What their next owner needs; the supervisor does not read it.
        since: Since when the room stands still, in seconds of CLOCK_MONOTONIC.
    """

    move: int
    connections: tuple[int, ...]
    payload: bytes
    since: float


class Prepared(_Message, frozen=True):
    """The room's connections are adopted, frozen, and the store's copy of the room is readable."""

    move: int


class Refused(_Message, frozen=True):
    """The room cannot be offered or adopted.

    Attributes:
        move: 0 where the room was to be adopted at once.
        reason: One of `REASONS`.
        connections: Those that were to be adopted.
    """

    room: str
    move: int
    reason: str
    connections: tuple[int, ...] = ()


class Resumed(_Message, frozen=True):
    """The room goes on here.

    Attributes:
        connections: That it has.
        pause_s: For how long it stood still.
    """

    room: str
    move: int
    connections: int
    pause_s: float


class Stats(_Message, frozen=True):
    """How loaded the worker is, told now and then.

    Attributes:
        rooms: Rooms held in memory.
        connections: Open WebSocket connections, spectators included.
        players: Seats whose player is connected.
        active_games: Matches being played.
        searching: People in the lobby who wait for a table.
        found: Tables that people found in this worker's lobby so far.
        loop_lag_ms: 99th percentile of how late the event loop's timers ran lately.
        recent_lag_ms: The same of the last seconds; None from a release that does not tell it.
        error_rate: Part of the last minute's messages that the worker failed to serve, 0 to 1.
        records_s: Records of all rooms per second; None from a release that does not tell it.
        busiest: Records per second of the rooms that make most.
    """

    rooms: int
    connections: int
    players: int
    active_games: int
    loop_lag_ms: float
    error_rate: float = 0.0
    recent_lag_ms: float | None = None
    searching: int = 0
    found: int = 0
    records_s: float | None = None
    busiest: dict[str, float] = {}


class Pong(_Message, frozen=True):
    """The answer to `Ping`."""

    n: int


class Stopped(_Message, frozen=True):
    """The worker has done what `Stop` asked for and ends now."""


ToWorker: TypeAlias = (
    Configure
    | Connection
    | Adopt
    | Drain
    | Release
    | Abort
    | Commit
    | Cancel
    | Stop
    | HandOver
    | Leased
    | Overload
    | Ping
)
FromWorker: TypeAlias = (
    Hello
    | Ready
    | Misconfigured
    | NotTaken
    | Watching
    | Closed
    | RoomIdle
    | RoomLeft
    | Offer
    | Prepared
    | Refused
    | Resumed
    | Stats
    | Pong
    | Stopped
)

TO_WORKER: Final[Decoder[ToWorker]] = Decoder(ToWorker)
FROM_WORKER: Final[Decoder[FromWorker]] = Decoder(FromWorker)


def check_protocol(theirs: int) -> None:
    """Check the version that the other side named in `Hello` or `Configure`.

    Raises:
        WrongProtocol: It is not ours.
    """
    if theirs != PROTOCOL:
        raise WrongProtocol(
            f"this side speaks version {PROTOCOL} of the control protocol, the other {theirs}:"
            " two releases are mixed; stop the server and start it again"
        )
