"""From one life of the program to the next: what is collected at the end of one, and taken back.

See `hokm.supervisor.estate` for the two ways. The invariant: a descriptor is either in the estate
or closed, and what the next life takes back is what this one had, or nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec
from twisted.internet.defer import DeferredSemaphore, gatherResults
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger

from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.control.stream import cookie
from hokm.processes import AdoptedChild
from hokm.supervisor import estate as e
from hokm.supervisor.connections import Connections, Held
from hokm.supervisor.inherited import Inherited, inherited, take_over, without_inherited
from hokm.supervisor.listener import Listener
from hokm.supervisor.moves import Export
from hokm.supervisor.parcel import unpack
from hokm.supervisor.placement import RoomCode, WorkerId
from hokm.supervisor.pool import Pool
from hokm.supervisor.routing import Routing
from hokm.supervisor.worker import Worker

_log = Logger()

EXPORTS_AT_ONCE: Final = 8
HELD_BACK: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
CHECK_SECONDS: Final = 60.0  # for the installed code to import itself, on a busy machine

_CHECK: Final = "import sys; from hokm.tap import Options; Options().parseOptions(sys.argv[1:])"


# --- the end of a life ---------------------------------------------------------------------------


def living(routing: Routing, pool: Pool, listener: Listener, **rest: Any) -> e.Estate:
    """Collect the estate of a program that is about to execute itself: all live on.

    Args:
        rest: Fields of the estate: the store's, the metrics', the service manager's, the gates'.
    """
    unread = [*listener.waiting(), *routing.unread()]
    workers = tuple(
        e.KeptWorker(id=worker.id, pid=worker.pid, channel=worker.channel_fd, active=worker.active)
        for worker in pool
        if worker.pid is not None
    )
    pins = tuple(
        (str(room), int(worker.id))
        for worker in pool.active
        for room in routing.placement.rooms_of(worker.id)
    )
    return e.Estate(
        ledger=routing.connections.ledger.fd,
        listening=listener.fileno(),
        workers=workers,
        connections=tuple(held.kept() for held in routing.connections.all()),
        pins=pins,
        pending=tuple((cookie(sock), sock.fileno()) for sock, _ in unread),
        origins=tuple((cookie(sock), origin) for sock, origin in unread if origin is not None),
        target=pool.target,
        **rest,
    )


def execute(estate: e.Estate, environ: Mapping[str, str], argv: Sequence[str]) -> NoReturn:
    """Put the code that is installed now in this process's place; the pid stays.

    Args:
        argv: Command line, the interpreter included.

    Raises:
        OSError: The system refuses; nothing was changed.
    """
    state = e.write(estate)
    kept = _descriptors(estate, state)
    for fd in kept:
        os.set_inheritable(fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    # Who asks for something while Python starts has to wait for it, and be heard then: the signals
    # would end a process that does not listen to them yet.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        os.execve(  # noqa: S606 - our own command line, as we were started
            argv[0], list(argv), {**without_inherited(environ), e.VARIABLE: str(state)}
        )
    finally:
        let_signals_in()
        for fd in kept:
            os.set_inheritable(fd, False)
        os.close(state)


def let_signals_in() -> None:
    """Let the signals in that `execute` has held back, before any process is started."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def _descriptors(estate: e.Estate, state: int) -> list[int]:
    single = (state, estate.ledger, estate.listening, estate.listening_tls, estate.lock)
    return [
        *(fd for fd in single if fd is not None),
        *(worker.channel for worker in estate.workers),
        *(gate.channel for gate in estate.gates),
        *(connection.fd for connection in estate.connections),
        *(fd for _, fd in estate.pending),
    ]


def command_line(original: Sequence[str]) -> list[str] | None:
    """Return the command line that starts this program in place.

    Args:
        original: `sys.orig_argv`.

    Returns:
        None where that cannot be: a daemon would leave its process for another one.
    """
    if "hokm" not in original or not {"-n", "--nodaemon"} & set(original):
        return None
    at = original.index("hokm")
    before = original[1:at]
    if before[-1] != "--pidfile=":
        # The file with our pid is there, and twistd would take us for another server.
        before = [*before, "--pidfile="]
    return [sys.executable, *before, *original[at:]]


async def check_installed(reactor: Any, original: Sequence[str]) -> str | None:
    """See whether the code that is installed now would start; returns what is wrong with it."""
    options = original[original.index("hokm") + 1 :]
    run = getProcessOutputAndValue(
        sys.executable, ["-c", _CHECK, *options], env=dict(os.environ), reactor=reactor
    )
    _, errors, code = await run.addTimeout(CHECK_SECONDS, reactor)
    if code == 0:
        return None
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it ends with code {code}"


async def export_all(routing: Routing, workers: Iterable[Worker]) -> list[e.KeptRoom]:
    """Have all rooms leave their workers; those that do not are closed with the workers."""
    slots = DeferredSemaphore(EXPORTS_AT_ONCE)
    rooms = [(worker, room) for worker in workers for room in routing.placement.rooms_of(worker.id)]
    asked = [
        slots.run(routing.moves.begin, room, worker, None)
        for worker, room in rooms
        if routing.connections.of_room(room) and room not in routing.moves
    ]
    outcomes = await gatherResults(asked)
    return [_kept(outcome.export) for outcome in outcomes if outcome.export is not None]


def _kept(export: Export) -> e.KeptRoom:
    return e.KeptRoom(export.room, export.payload, export.since, export.connections)


# --- the beginning of the next -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heritage:
    """What an earlier life of the program has left to this one.

    Attributes:
        executed: Whether it is still the same process: workers and store live on.
        sockets: All that came, by cookie.
    """

    estate: e.Estate
    executed: bool
    ledger: int
    sockets: Mapping[int, socket.socket]


def inherit(environ: MutableMapping[str, str], block: bytes, pid: int) -> Heritage | None:
    """Take over what an earlier life has left; None where there was none, or nothing readable.

    Args:
        environ: The environment; what announces an estate is taken out of it.
        block: `/proc/self/environ`, see `hokm.supervisor.inherited`.
        pid: Of this process.
    """
    try:
        estate = e.executed(environ)
    except e.UnknownEstate as error:
        _log.error("the estate of an earlier life cannot be read: {error}", error=error)
        _close_inherited()
        let_signals_in()
        return None
    finally:
        environ.pop(e.VARIABLE, None)
    if estate is None:
        return _kept_by_manager(take_over(inherited(block, pid)))
    fds = [connection.fd for connection in estate.connections]
    fds += [estate.listening, *(fd for _, fd in estate.pending)]
    fds += [] if estate.listening_tls is None else [estate.listening_tls]
    os.set_inheritable(estate.ledger, False)
    return Heritage(estate, True, estate.ledger, sockets(fds))


def _close_inherited() -> None:
    """Close what an earlier life has left open: nobody else would, and players would wait.

    Its workers hear of it, and tell their players to come again. All that this life has opened so
    far is close-on-exec; what is not, was there before.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
        with contextlib.suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                os.close(int(name))


def _kept_by_manager(found: Sequence[Inherited]) -> Heritage | None:
    """Sort out the descriptors that the service manager kept; connections of no estate are closed.

    An estate that cannot be read is none. Its number is kept in mind, so that the service manager
    is told to forget it.
    """
    if not found:
        return None
    states: dict[int, int] = {}
    players: list[int] = []
    rest: list[int] = []
    ledger = None
    for one in found:
        if one.name.startswith(e.STATE_NAMES):
            states[int(one.name.removeprefix(e.STATE_NAMES))] = one.fd
        elif one.name.startswith(e.CONNECTIONS_NAMES):
            players += unpack(one.fd)
        elif one.name == e.LEDGER_NAME:
            ledger = one.fd
        else:
            rest.append(one.fd)
    numbers = tuple(sorted(states))
    estate = e.together(_readable(states[number] for number in numbers))
    estate = msgspec.structs.replace(estate, kept=numbers)
    known = {connection.cookie for connection in estate.connections}
    taken = sockets(players)
    for number in taken.keys() - known:
        taken.pop(number).close()
    if ledger is None:
        ledger = Ledger.make().fd
    return Heritage(estate, False, ledger, taken | sockets(rest))


def _readable(states: Iterable[int]) -> Iterator[e.Estate]:
    """Read estates; one that cannot be read is logged and left out."""
    for fd in states:
        try:
            yield e.read(fd)
        except e.UnknownEstate as error:
            _log.error("what an earlier life has kept cannot be read: {error}", error=error)


def listening_socket(heritage: Heritage | None, interface: str, port: int) -> socket.socket | None:
    """Return the socket among those that came that listens on an address.

    Args:
        interface: Numeric; empty for every IPv4 interface.
        port: 0 for any.
    """
    for sock in () if heritage is None else heritage.sockets.values():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            host, bound = sock.getsockname()[:2]
            if host == (interface or "0.0.0.0") and port in (0, bound):  # noqa: S104 - compared
                return sock
    return None


def close_unused(heritage: Heritage | None, used: Collection[socket.socket | None]) -> None:
    """Close the listening sockets of addresses that the settings do not name any more."""
    for sock in () if heritage is None else heritage.sockets.values():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and sock not in used:
            sock.close()


def restore_connections(connections: Connections, heritage: Heritage) -> list[Held]:
    """Take connections back, each with the socket of its cookie; some may be lost.

    One that had been closed may have been kept all the same: its line is no longer its own.
    """
    found = []
    for one in heritage.estate.connections:
        sock = heritage.sockets.get(one.cookie)
        if sock is None:
            continue
        if not heritage.executed and connections.ledger.owner(one.line) != one.number:
            sock.close()
            continue
        held = Held(
            one.number,
            RoomCode(one.room),
            one.head,
            sock,
            one.cookie,
            one.line,
            WorkerId(one.worker) if one.worker is not None and heritage.executed else None,
            one.watching,
            one.origin,
        )
        connections.restore(held)
        found.append(held)
    connections.reserve(held.line for held in found)
    return found


def sockets(fds: Iterable[int]) -> dict[int, socket.socket]:
    """Return the sockets behind descriptors, by cookie; what is none is closed."""
    found: dict[int, socket.socket] = {}
    for fd in fds:
        try:
            sock = socket.socket(fileno=fd)
        except OSError as error:
            _log.error("descriptor {fd} is no socket: {error}", fd=fd, error=error)
            continue
        os.set_inheritable(fd, False)
        found[cookie(sock)] = sock
    return found


def restore_workers(pool: Pool, kept: Iterable[e.KeptWorker], reactor: Any) -> None:
    """Go on with the workers of the life before, which is still this process."""
    for one in kept:
        os.set_inheritable(one.channel, False)
        worker = Worker(id=WorkerId(one.id), reactor=reactor, watcher=pool)
        try:
            process = AdoptedChild(reactor=reactor, pid=one.pid, protocol=worker)
        except ProcessLookupError:
            os.close(one.channel)
            continue
        worker.resume(process, socket.socket(fileno=one.channel))
        worker.active = one.active
        pool.restore(worker)


def bring_back(routing: Routing, held: Iterable[Held], rooms: Iterable[e.KeptRoom]) -> None:
    """Find owners for the rooms of a life that has ended, with or without their exports."""
    left = {one.number: one for one in held}
    for room in rooms:
        going = [left.pop(number) for number in room.connections if number in left]
        arrivals: list[tuple[Held, m.Arrival]] = [(one, one.arrival()) for one in going]
        routing.recovery.bring_back(RoomCode(room.room), arrivals, room.payload, room.since)
    routing.recovery.take_over(left.values())
