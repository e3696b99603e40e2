"""What the program tells systemd: how it is, and what to keep for its next start.

sd_notify(3) and sd_watchdog_enabled(3) without their library; what systemd passes at the start
is `hokm.supervisor.inherited`. The invariant: nothing here fails or blocks in the program's way.
A message that systemd has no room for waits its turn; one that cannot be sent is logged and lost.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Self

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

_log = Logger()

MESSAGE_DESCRIPTORS: Final = 253  # SCM_MAX_FD of the kernel, unix(7); systemd itself takes 768
WAITING: Final = 1_000  # messages; ten times what storing 25,000 connections takes
RETRY_SECONDS: Final = 0.01  # systemd needs far less for a message

_FULL: Final = frozenset({errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


class ServiceManager:
    """Who started this program and wants to know how it is.

    Attributes:
        watchdog_seconds: The program is restarted when `watchdog` was not called for so long, so
            the caller calls it twice as often. None when nobody watches.
    """

    def __init__(self, address: str, *, clock: IReactorTime, watchdog_seconds: float | None):
        self.watchdog_seconds = watchdog_seconds
        self._address = address
        self._clock = clock
        # Open from the start, so that a program out of descriptors can still say that it lives.
        # Not connected: systemd may make its socket anew.
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._waiting: deque[tuple[bytes, list[int], ExitStack]] = deque()
        self._lost = 0  # messages since the last barrier

    @classmethod
    def find(cls, environ: Mapping[str, str], pid: int, clock: IReactorTime) -> Self | None:
        """Return the service manager that the environment tells of; None when there is none.

        Args:
            pid: Of this process; the watchdog may be meant for another one.
            clock: Tells when to try again.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        if address[:1] not in ("/", "@"):
            if address:
                _log.error("NOTIFY_SOCKET is no path: {address}", address=address)
            return None
        if address[0] == "@":  # abstract, unix(7)
            address = "\0" + address[1:]
        return cls(address, clock=clock, watchdog_seconds=_watchdog_seconds(environ, pid))

    # --- how the program is -----------------------------------------------------------------

    def ready(self, status: str = "") -> None:
        """Say that the start, or a reload, is finished; *status* as `status` has it."""
        self._tell("READY=1", *([f"STATUS={status}"] if status else []))

    def status(self, text: str) -> None:
        """Say in one short line what the program does; `systemctl status` shows it."""
        self._tell(f"STATUS={text}")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it."""
        # time.monotonic is CLOCK_MONOTONIC, which systemd compares with its own.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the program is about to end."""
        self._tell("STOPPING=1")

    def watchdog(self) -> None:
        """Say that the program is alive."""
        self._tell("WATCHDOG=1")

    # --- the descriptor store -----------------------------------------------------------------

    def store(self, name: str, fds: Sequence[int], *, poll: bool = True) -> None:
        """Have copies of descriptors kept for the next start of this service.

        They come back as `inherited` in no order that means anything; thousands go into a `parcel`.
        What exceeds the unit's ``FileDescriptorStoreMax=`` is closed without a word.

        Args:
            name: Of each of them; short, since all names together must fit into 128 KiB.
            fds: Stay the caller's, and may be closed at once.
            poll: Whether one whose other end has reset the connection is dropped. False for
                what must come back whatever happens to it, such as a listening socket.
        """
        fields = ["FDSTORE=1", f"FDNAME={name}", *([] if poll else ["FDPOLL=0"])]
        for start in range(0, len(fds), MESSAGE_DESCRIPTORS):
            self._tell(*fields, fds=fds[start : start + MESSAGE_DESCRIPTORS])

    def remove(self, name: str) -> None:
        """Have the store forget all descriptors of a name.

        Called once they have been taken over: a copy in the store keeps a connection open that
        the program has closed.
        """
        self._tell("FDSTOREREMOVE=1", f"FDNAME={name}")

    async def barrier(self, seconds: float) -> bool:
        """Wait until all that was told has been dealt with; systemd forgets who has exited.

        The pipe is looked at again and again, as the queue is: it takes milliseconds, once, and
        needs nothing but the clock. The reactor works on meanwhile.

        Returns:
            Whether every message since the last barrier was sent, and dealt with in *seconds*.
            If not, the caller can only go on; the store may lack something.
        """
        try:
            reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self._give_up(error)
            return False
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            self._tell("BARRIER=1", fds=[writing])
            os.close(writing)
            until = self._clock.seconds() + seconds
            # None while a writing end is left, b"" when all are closed.
            while not (closed := pipe.read(1) == b"") and self._clock.seconds() < until:
                await deferLater(self._clock, RETRY_SECONDS)
        lost, self._lost = self._lost, 0
        return closed and not lost

    # --- sending ------------------------------------------------------------------------------

    def _tell(self, *fields: str, fds: Sequence[int] = ()) -> None:
        message = "\n".join(fields).encode(errors="replace")
        if not self._waiting and self._sent(message, fds):
            return
        try:
            if len(self._waiting) >= WAITING:
                raise BlockingIOError(errno.EAGAIN, f"{WAITING} messages wait")
            with ExitStack() as copies:  # the numbers may name something else by then
                copied = [_copy(fd, copies) for fd in fds]
                self._waiting.append((message, copied, copies.pop_all()))
                if len(self._waiting) == 1:
                    self._clock.callLater(RETRY_SECONDS, self._retry)
        except OSError as error:
            self._give_up(error)

    def _retry(self) -> None:
        while self._waiting:
            message, fds, copies = self._waiting[0]
            if not self._sent(message, fds):
                self._clock.callLater(RETRY_SECONDS, self._retry)
                return
            self._waiting.popleft()
            copies.close()

    def _sent(self, message: bytes, fds: Sequence[int]) -> bool:
        """Send a message or give it up; False when it must wait."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([message], rights, 0, self._address)
        except OSError as error:
            if error.errno in _FULL:
                return False
            self._give_up(error)
        return True

    def _give_up(self, error: OSError) -> None:
        if not self._lost:
            _log.error("the service manager cannot be told: {error}", error=str(error))
        self._lost += 1


def _copy(fd: int, copies: ExitStack) -> int:
    copy = os.dup(fd)
    copies.callback(os.close, copy)
    return copy


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    text = environ.get("WATCHDOG_USEC")
    if text is None or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        _log.error("WATCHDOG_USEC is no time: {text}", text=text)
        return None
    return int(text) / 1e6
