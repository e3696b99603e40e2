"""The control channel: typed messages and descriptors over one `SOCK_SEQPACKET` socket.

A message and its descriptors are one packet: they arrive whole and in order, or not at all.
Twisted's own way to send descriptors queues their *numbers*, which may name another player's
socket by the time they are sent, and loses step when the receiver is out of descriptors; so this
channel is its own. The invariant: a descriptor given to `send` may be closed as soon as it
returns, and the right socket arrives.
"""

# Twisted's FileDescriptor and Failure have no annotations.
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import errno
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder
from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

M = TypeVar("M")

PACKET_DESCRIPTORS: Final = 253  # SCM_MAX_FD of the kernel; unix(7)
INLINE_BYTES: Final = 65_536  # a longer body goes into a memfd; well below net.core.wmem_max
QUEUE_PACKETS: Final = 20_000  # many times the accept rate of a second: the receiver hangs
READS_PER_EVENT: Final = 128  # some 2 ms: players' sockets must have their turn in between
RETRY_SECONDS: Final = 0.05  # when the kernel lacks memory or has too many descriptors under way

_BUFFER_BYTES: Final = 1 << 20  # of the socket, each way; the kernel may grant less
_INLINE: Final = b"\0"  # first byte of a packet: the body follows,
_IN_MEMFD: Final = b"\1"  # or: the body is in the first descriptor
_KERNEL_FULL: Final = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


class ChannelFull(Exception):
    """The other side has not read for long; the message was not queued.

    The caller treats the other side as hanging.
    """


class Channel(FileDescriptor, Generic[M]):
    """One end of a control channel; reads from its construction on."""

    def __init__(
        self,
        *,
        reactor: Any,  # IReactorFDSet and IReactorTime
        sock: socket.socket,
        decoder: Decoder[M],
        on_message: Callable[[M, list[int]], object],
        on_lost: Callable[[Failure], object],
        on_truncated: Callable[[M | None], object] | None = None,
    ) -> None:
        """Take over *sock*, one end of a `pair`.

        Args:
            reactor: Watches the socket, and its clock tells when to try again.
            sock: Is closed with the channel.
            decoder: Knows the messages that may come.
            on_message: Is given each message and its descriptors (close-on-exec), which it owns.
                What it raises is logged, and the next message comes all the same.
            on_lost: Is told once that the other side is gone; never after `close`.
            on_truncated: Is told of each packet whose descriptors did not fit into this process
                (RLIMIT_NOFILE), with its message if it can be read. Nothing of the packet is used.
        """
        super().__init__(reactor)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._clock = reactor
        self._sock = sock
        self._decoder = decoder
        self._encoder = Encoder()
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_truncated = on_truncated
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self.connected = 1
        self.startReading()

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Make the two sockets of a channel."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once it is closed."""
        return self._sock.fileno()

    def send(self, message: Struct, fds: Sequence[int] = ()) -> None:
        """Send a message with descriptors, which stay the caller's and may be closed at once.

        On a channel that is lost or closed this does nothing: the other side's end is told by
        `on_lost`, and what was under way is lost in any case.

        Args:
            message: One that the other side's decoder knows.
            fds: At most 252.

        Raises:
            ChannelFull: See there.
            OSError: This process has no descriptor left for a copy. The message is not sent.
        """
        if not self.connected:
            return
        body = self._encoder.encode(message)
        if len(body) <= INLINE_BYTES:
            self._put(_INLINE + body, fds)
            return
        memfd = _memfd(body)
        try:
            self._put(_IN_MEMFD, [memfd, *fds])
        finally:
            os.close(memfd)

    @property
    def flushed(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._queue

    def drain(self) -> None:
        """Hand on all that has come already, now that the other side's process is gone."""
        for _ in range(QUEUE_PACKETS // READS_PER_EVENT):  # more than the kernel can hold
            reason = self.doRead() if self.connected else None
            if reason is not None:
                self.connectionLost(Failure(reason))

    def close(self) -> None:
        """Close this end at once; what is still queued is dropped, and `on_lost` stays silent."""
        self._on_lost = _ignore
        if self.connected:
            self.connectionLost(Failure(CONNECTION_DONE))

    def connectionLost(self, reason: Failure) -> None:
        """Give everything back; called by the reactor when the other side is gone."""
        if not self.connected:
            return
        super().connectionLost(reason)
        self._drop_queue()
        self._sock.close()
        on_lost, self._on_lost = self._on_lost, _ignore
        _guarded("the loss of a control channel", on_lost, reason)

    # --- sending --------------------------------------------------------------------------

    def _put(self, packet: bytes, fds: Sequence[int]) -> None:
        if not self._queue and self._sent(packet, fds):
            return
        if len(self._queue) >= QUEUE_PACKETS:
            raise ChannelFull(f"{QUEUE_PACKETS} messages wait for the other side")
        self._queue.append((packet, _duplicates(fds)))
        if len(self._queue) == 1:  # else it is being written, or tried again soon
            self.startWriting()

    def _sent(self, packet: bytes, fds: Sequence[int]) -> bool:
        """Try to send a packet now; False when it must wait.

        When the other side is gone, the packet is gone too: reading finds that out, after the
        last messages that came from there.

        Raises:
            OSError: The kernel has no room for it; a socket that is only full is no such error.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([packet], rights)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        except OSError as error:
            if error.errno not in _KERNEL_FULL:
                raise
            return False
        return True

    def doWrite(self) -> None:
        """Send what waits; called by the reactor when the socket may have room."""
        while self._queue:
            packet, fds = self._queue[0]
            if not self._sent(packet, fds):
                # The socket may well be writable all the while: asking the reactor would spin.
                self.stopWriting()
                self._clock.callLater(RETRY_SECONDS, self._retry)
                return
            self._queue.popleft()
            _close_all(fds)
        self.stopWriting()

    def _retry(self) -> None:
        if self.connected and self._queue:
            self.startWriting()

    def _drop_queue(self) -> None:
        for _, fds in self._queue:
            _close_all(fds)
        self._queue.clear()

    # --- receiving ------------------------------------------------------------------------

    def doRead(self) -> Exception | None:
        """Hand on what came; called by the reactor.

        Returns:
            None; or why the channel is over, which the reactor hands to `connectionLost`.
        """
        for _ in range(READS_PER_EVENT):
            try:
                packet, ancillary, flags, _ = self._sock.recvmsg(
                    1 + INLINE_BYTES,
                    socket.CMSG_SPACE(4 * PACKET_DESCRIPTORS),
                    socket.MSG_CMSG_CLOEXEC,
                )
            except BlockingIOError:
                return None
            except ConnectionResetError:
                # The other side died with packets unread. What it had sent before (a `Got`!)
                # still lies behind this error, which the kernel tells only once.
                continue
            except OSError as error:
                return error
            if not packet:
                return CONNECTION_DONE
            self._receive(packet, _descriptors(ancillary), flags)
            if not self.connected:
                return None
        return None

    def _receive(self, packet: bytes, fds: list[int], flags: int) -> None:
        truncated = bool(flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC))
        try:
            message = self._decoder.decode(_body(packet, fds))
        except (DecodeError, OSError, IndexError) as error:
            _close_all(fds)
            if not truncated:
                _log.error("a control message was unreadable: {error}", error=error)
                return
            message = None
        if truncated:
            _close_all(fds)
            self._refuse(message)
            return
        _guarded(f"control message {type(message).__name__}", self._on_message, message, fds)

    def _refuse(self, message: M | None) -> None:
        what = f"control message {type(message).__name__}"
        _log.error("out of descriptors: {what} was refused", what=what)
        if self._on_truncated is not None:
            _guarded(what, self._on_truncated, message)


def _guarded(what: str, function: Callable[..., object], *args: object) -> None:
    """Call; what it raises must not climb into the reactor, which would end the channel."""
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - see above; it is logged
        _log.failure("{what} failed", what=what)


def _ignore(_: Failure) -> None:
    """Be told of the loss for a second time, or of one's own `close`."""


def _memfd(body: bytes) -> int:
    memfd = os.memfd_create("hokm-control", os.MFD_CLOEXEC)
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(memfd, rest) :]
    except OSError:
        os.close(memfd)
        raise
    return memfd


def _body(packet: bytes, fds: list[int]) -> bytes:
    """Give the message's bytes; a memfd that held them is taken out of *fds* and closed."""
    if packet[:1] == _INLINE:
        return packet[1:]
    memfd = fds.pop(0)
    with open(memfd, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
        file.seek(0)  # the offset is shared with the sender, who stands at the end
        return file.read()


def _descriptors(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            # A control message cut short may end in half a number.
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def _duplicates(fds: Iterable[int]) -> list[int]:
    copies: list[int] = []
    try:
        for fd in fds:
            copies.append(os.dup(fd))  # noqa: PERF401 - those already made are closed below
    except OSError:
        _close_all(copies)
        raise
    return copies


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
