"""What the program leaves to its next life: state in a memfd, and the descriptors that go with it.

There are two ways from one life to the next. The program executes itself in place: all descriptors
stay as they are, workers and store live on. Or it ends and is started again by a service manager
that has kept the descriptors meanwhile (sd_pid_notify_with_fds(3)): they come back in any order,
so each is found by what it is, a connection by its `SO_COOKIE`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from hokm.multiprocess import Count
from hokm.origin import UNTOLD, Origin

VERSION: Final = 1
VARIABLE: Final = "HOKM_ESTATE"  # names the memfd's descriptor to a program that executed itself

# Names under which the service manager keeps descriptors; of estates there may be several, each
# with a number: what one is said to hold, no later one takes back.
LEDGER_NAME: Final = "ledger"
LISTEN_NAME: Final = "listen"
STATE_NAMES: Final = "state-"
CONNECTIONS_NAMES: Final = "players-"  # a parcel, see `hokm.supervisor.parcel`


class KeptWorker(Struct, frozen=True):
    """A worker that lives on; descriptor of its channel."""

    id: int
    pid: int
    channel: int
    active: bool


class KeptConnection(Struct, frozen=True):
    """A player's connection, as `hokm.supervisor.connections.Held`; *worker* is None for none."""

    number: int
    room: str
    head: bytes
    fd: int
    cookie: int
    line: int
    worker: int | None
    watching: bool
    origin: Origin = UNTOLD


class KeptGate(Struct, frozen=True):
    """A gate that lives on; descriptor of its channel, and whether it takes connections."""

    pid: int
    channel: int
    open: bool


class KeptRoom(Struct, frozen=True):
    """A room that its last owner had exported before it ended; see `hokm.control.messages`."""

    room: str
    payload: bytes
    since: float
    connections: tuple[int, ...]


class Estate(Struct, frozen=True, kw_only=True):
    """All of it. Fields are only ever added, with a default: two releases meet here.

    Attributes:
        ledger, listening, lock: Descriptors; of a program that ended, only their places.
        store_pid: Process of the embedded store; None where there is none.
        store_path: Its socket.
        workers: Those that live on.
        pins: Room and worker.
        rooms: Exported ones, of a program that ended.
        pending: Connections whose request is incomplete: cookie and descriptor.
        origins: Of those among them in front of whose request a proxy has told it: by cookie.
        target: How many workers there are to be; None: as the settings say.
        counted: What the metrics have counted, living workers left aside.
        kept: Numbers of the estates that the service manager keeps.
        gates: Those that live on.
        gate_secret: By which they are known.
        listening_tls: Descriptor of their listening socket; None where there is none.
        leaving: Whether the instance leaves its fleet, or has left it.
    """

    ledger: int
    listening: int
    lock: int | None = None
    store_pid: int | None = None
    store_path: str | None = None
    workers: tuple[KeptWorker, ...] = ()
    connections: tuple[KeptConnection, ...] = ()
    pins: tuple[tuple[str, int], ...] = ()
    rooms: tuple[KeptRoom, ...] = ()
    pending: tuple[tuple[int, int], ...] = ()
    origins: tuple[tuple[int, Origin], ...] = ()
    target: int | None = None
    counted: tuple[Count, ...] = ()
    kept: tuple[int, ...] = ()
    gates: tuple[KeptGate, ...] = ()
    gate_secret: bytes = b""
    listening_tls: int | None = None
    leaving: bool = False
    version: int = VERSION


class UnknownEstate(Exception):
    """It cannot be read. The caller starts as if there were none; players resume by token."""


_decoder = msgspec.msgpack.Decoder(Estate)


def write(estate: Estate) -> int:
    """Write an estate to a new memfd; returns its descriptor."""
    fd = os.memfd_create("hokm-estate", os.MFD_CLOEXEC)
    rest = memoryview(msgspec.msgpack.encode(estate))
    while rest:
        rest = rest[os.write(fd, rest) :]
    return fd


def read(fd: int) -> Estate:
    """Read what `write` wrote; the descriptor is closed.

    Raises:
        UnknownEstate: See there.
    """
    with open(fd, "rb", buffering=0) as file:
        file.seek(0)
        data = file.read()
    try:
        estate = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UnknownEstate(str(error)) from error
    if estate.version != VERSION:
        raise UnknownEstate(f"version {estate.version}, known is {VERSION}")
    return estate


def together(estates: Iterable[Estate]) -> Estate:
    """Make one of all that the service manager has kept; a connection may be in several."""
    connections: dict[int, KeptConnection] = {}
    rooms: dict[str, KeptRoom] = {}
    target = None
    for estate in estates:
        connections |= {one.number: one for one in estate.connections}
        rooms |= {one.room: one for one in estate.rooms}
        target = target if estate.target is None else estate.target
    return Estate(
        ledger=-1,
        listening=-1,
        connections=tuple(connections.values()),
        rooms=tuple(rooms.values()),
        target=target,
    )


def executed(environ: Mapping[str, str]) -> Estate | None:
    """Return the estate of a program that executed itself; None where none is announced.

    Raises:
        UnknownEstate: See there.
    """
    announced = environ.get(VARIABLE)
    if announced is None:
        return None
    try:
        return read(int(announced))
    except (OSError, ValueError) as error:
        raise UnknownEstate(f"{VARIABLE}: {error}") from error
