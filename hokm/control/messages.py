"""Every message between the supervisor and a worker.

Messages only name what happened or what is wanted; who does what with them is not said here.
Descriptors travel beside a message, in the same packet (`hokm.control.channel`).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder

PROTOCOL: Final = 1  # rises with each change of this file that the other side would misread


class WrongProtocol(Exception):
    """The other side speaks another version: files of two releases are mixed.

    The caller reports the text and ends the worker; to start it again would change nothing.
    """


class _Message(Struct, frozen=True, tag=True, kw_only=True):
    """What all messages share: the type is told by the class's name."""


# --- supervisor -> worker --------------------------------------------------------------------


class Configure(_Message, frozen=True):
    """What a worker needs to begin; the first message to it.

    Attributes:
        worker: Id of the worker.
        store: Address of the store.
        settings: JSON of the worker's settings, read by the worker only.
    """

    worker: int
    store: str
    settings: bytes
    protocol: int = PROTOCOL


class Connection(_Message, frozen=True):
    """A player has come; with the socket, whose request nobody has read yet.

    Attributes:
        connection: Number of the connection, unique in the life of a supervisor.
        room: Room code, in upper case.
        peer: Numeric address of the other end of the socket: the proxy's, if there is one.
        cookie: The socket's `SO_COOKIE`, by which the worker sees that it got the right one.
    """

    connection: int
    room: str
    peer: str
    cookie: int
    kind: Literal["websocket"] = "websocket"


class Stop(_Message, frozen=True):
    """End within *grace_s* seconds: store what was decided, then close all connections."""

    grace_s: float


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


class Got(_Message, frozen=True):
    """The worker has adopted the connection; it may have read from it."""

    connection: int


class NotTaken(_Message, frozen=True):
    """The worker did not take the connection and has not read from it: send it elsewhere."""

    connection: int
    reason: str


class RoomIdle(_Message, frozen=True):
    """The worker holds the room no more: it may be opened anywhere."""

    room: str


class Stats(_Message, frozen=True):
    """How loaded the worker is, told now and then.

    Attributes:
        rooms: Rooms held in memory.
        connections: Open WebSocket connections, spectators included.
        players: Seats whose player is connected.
        active_games: Matches being played.
        loop_lag_ms: 99th percentile of how late the event loop's timers ran lately.
        error_rate: Part of the last minute's messages that the worker failed to serve, 0 to 1.
    """

    rooms: int
    connections: int
    players: int
    active_games: int
    loop_lag_ms: float
    error_rate: float = 0.0


class Pong(_Message, frozen=True):
    """The answer to `Ping`."""

    n: int


class Stopped(_Message, frozen=True):
    """The worker has done what `Stop` asked for and ends now."""


ToWorker: TypeAlias = Configure | Connection | Stop | Ping
FromWorker: TypeAlias = (
    Hello | Ready | Misconfigured | Got | NotTaken | RoomIdle | Stats | Pong | Stopped
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
