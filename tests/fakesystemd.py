"""A service manager for tests: systemd's notify socket, descriptor store and restarts.

It does what `src/core/service.c` and `manager.c` of systemd do with a unit that has
``NotifyAccess=main`` and ``FileDescriptorStoreMax=``, and needs no privileges.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_MESSAGE_BYTES: Final = 4096  # NOTIFY_BUFFER_MAX
_MESSAGE_DESCRIPTORS: Final = 768  # NOTIFY_FD_MAX; the kernel lets 253 through
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
_STOP_SECONDS: Final = 10.0

# What happens between fork and exec: the descriptors get the numbers from 3 on and lose their
# close-on-exec, and the process is told its own pid.
_EXEC: Final = """
import fcntl, os, sys
given = [int(number) for number in sys.argv[1].split(",") if number]
end = 3 + len(given)
top = max(given, default=2) + 1
aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(end, top)) for fd in given]
for number, fd in enumerate(aside, 3):
    os.dup2(fd, number)
os.closerange(end, top)
for name in ("LISTEN_PID", "WATCHDOG_PID"):
    if name in os.environ:
        os.environ[name] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class _Stored:
    name: str
    fd: int


class FakeManager:
    """Systemd, as one service sees it.

    Before the first `start` any process may send; from then on only the one that was started
    last, as with ``NotifyAccess=main``.

    Attributes:
        messages: What was taken, one text of lines each.
        refused: What was not taken, and why.
        environ: Variables by which a program finds this one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fdstore_max: int = 4096,
        watchdog_seconds: float | None = None,
        tells_fdstore: bool = True,
        abstract: bool = False,
    ) -> None:
        """Open the notify socket and serve it.

        Args:
            directory: Where the socket is to be; its path must stay below 108 bytes.
            fdstore_max: ``FileDescriptorStoreMax=``.
            watchdog_seconds: ``WatchdogSec=``; the fake notes the pings and kills nobody.
            tells_fdstore: Whether ``FDSTORE`` is in the environment, as since systemd 254.
            abstract: Whether the socket has no file.
        """
        path = str(directory / "notify")
        self.messages: list[str] = []
        self.refused: list[str] = []
        self.environ = {"NOTIFY_SOCKET": f"@{path}" if abstract else path}
        if watchdog_seconds is not None:
            self.environ["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1e6))
        if tells_fdstore and fdstore_max:
            self.environ["FDSTORE"] = str(fdstore_max)
        self._max = fdstore_max
        self._main: int | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._store: list[_Stored] = []  # the newest first
        self._waited = 0  # messages that `wait_for` is done with
        self._changed = threading.Condition()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.bind(f"\0{path}" if abstract else path)
        self._end, self._ending = os.pipe()
        self._poll = select.epoll()
        self._poll.register(self._sock, select.EPOLLIN)
        self._poll.register(self._end, 0)  # its hang-up is told in any case
        self._thread = threading.Thread(target=self._serve, name="fake systemd")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what was started and still runs, and close everything."""
        for process in self._processes:
            process.kill()
            process.wait(_STOP_SECONDS)
        os.close(self._ending)
        self._thread.join(_STOP_SECONDS)
        for stored in self._store:
            os.close(stored.fd)
        self._poll.close()
        os.close(self._end)
        self._sock.close()

    # --- for tests --------------------------------------------------------------------------

    @property
    def stored(self) -> list[str]:
        """Names of the stored descriptors, in the order in which a start gets them."""
        with self._changed:
            return [stored.name for stored in self._store]

    def stalled(self) -> threading.Condition:
        """Return what, while it is held by ``with``, keeps all messages unread."""
        return self._changed

    def wait_for(self, field: str, timeout: float) -> str:
        """Wait for a message with a line; return all of it.

        What came before the last `start`, or before what the last `wait_for` returned, does not
        count.

        Raises:
            AssertionError: None came in *timeout* seconds.
        """
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                for number, message in enumerate(self.messages[self._waited :], self._waited + 1):
                    if field in message.split("\n"):
                        self._waited = number
                        return message
                left = until - time.monotonic()
                if left <= 0:
                    texts = f"taken: {self.messages}, refused: {self.refused}"
                    raise AssertionError(f"no {field} within {timeout} s; {texts}")
                self._changed.wait(left)

    def wait_until_stored(self, count: int, timeout: float) -> None:
        """Wait until the store holds so many descriptors.

        Raises:
            AssertionError: It does not after *timeout* seconds.
        """
        with self._changed:
            met = self._changed.wait_for(lambda: len(self._store) == count, timeout)
            assert met, f"{len(self._store)} descriptors are stored, not {count}"

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the service's main process with what the store holds, which the store keeps.

        Args:
            argv: Program and arguments.
            env: Its environment, but for what systemd adds; this process's by default.
            log: Is appended to; this process's output by default.
        """
        environ = dict(os.environ if env is None else env)
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_USEC", "FDSTORE"):
            environ.pop(name, None)
        environ |= self.environ
        if "WATCHDOG_USEC" in environ:
            environ["WATCHDOG_PID"] = "of the child"
        with self._changed, contextlib.ExitStack() as files:
            fds = [stored.fd for stored in self._store]
            if fds:
                environ["LISTEN_PID"] = "of the child"
                environ["LISTEN_FDS"] = str(len(fds))
                environ["LISTEN_FDNAMES"] = ":".join(stored.name for stored in self._store)
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _EXEC, ",".join(map(str, fds)), *argv],
                stdin=subprocess.DEVNULL,
                stdout=files.enter_context(log.open("ab")) if log else None,
                stderr=subprocess.STDOUT if log else None,
                env=environ,
                pass_fds=fds,
            )
            self._main = process.pid
            self._processes.append(process)
            self._waited = len(self.messages)
        return process

    # --- the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            ((fd, _),) = self._poll.poll(
                maxevents=1
            )  # a second one may be of what the first closes
            with self._changed:
                if fd == self._end:
                    return
                if fd == self._sock.fileno():
                    self._receive()
                else:
                    self._drop([stored for stored in self._store if stored.fd == fd])
                self._changed.notify_all()

    def _receive(self) -> None:
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * _MESSAGE_DESCRIPTORS)
        data, ancillary, flags, _ = self._sock.recvmsg(
            _MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC
        )
        fds = array("i")
        pid = 0
        for _, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(content)
            elif kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack(content)[0]
        rest = self._take(data.decode(errors="replace"), pid, flags, list(fds))
        for fd in rest:
            os.close(fd)

    def _take(self, text: str, pid: int, flags: int, fds: list[int]) -> list[int]:
        """Do what a message says; return the descriptors that are to be closed."""
        fields = text.rstrip("\n").split("\n")
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            self.refused.append(f"too long: {text}")
        elif "BARRIER=1" in fields:  # from anyone; to close its descriptor is the answer
            if len(fields) != 1 or len(fds) != 1:
                self.refused.append(f"not one descriptor and nothing else: {text}")
        elif self._main not in (None, pid):
            self.refused.append(f"from process {pid}, not {self._main}: {text}")
        else:
            self.messages.append(text.rstrip("\n"))
            return self._stash(dict(field.partition("=")[::2] for field in fields), fds)
        return fds

    def _stash(self, fields: Mapping[str, str], fds: list[int]) -> list[int]:
        name = fields.get("FDNAME", "")
        if not name.isascii() or not name.isprintable() or ":" in name or len(name) > 255:
            name = ""
        if fields.get("FDSTOREREMOVE") == "1":
            self._drop([stored for stored in self._store if stored.name == name])
        elif fields.get("FDSTORE") == "1":
            return [fd for fd in fds if not self._keep(fd, name or "stored", fields.get("FDPOLL"))]
        return fds

    def _keep(self, fd: int, name: str, poll: str | None) -> bool:
        """Put a descriptor first; False when the store is full or has it."""
        # systemd asks kcmp(2), which for sockets and memfds comes to the same.
        if len(self._store) >= self._max or any(
            os.path.sameopenfile(fd, stored.fd) for stored in self._store
        ):
            return False
        if poll != "0":
            with contextlib.suppress(PermissionError):  # memfds and files cannot be watched
                self._poll.register(fd, 0)  # EPOLLHUP and EPOLLERR come in any case
        self._store.insert(0, _Stored(name, fd))
        return True

    def _drop(self, dropped: list[_Stored]) -> None:
        for stored in dropped:
            self._store.remove(stored)
            with contextlib.suppress(OSError):
                self._poll.unregister(stored.fd)
            os.close(stored.fd)
