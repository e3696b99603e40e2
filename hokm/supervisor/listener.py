"""The public port: accepts connections, peeks at their request, and hands them on unread.

Nothing is read from a socket but what a proxy puts before the request (`hokm.origin`), so that it
can be handed to another worker if the first one dies. A half-sent head costs nothing while it
waits: `SO_RCVLOWAT` keeps the reactor asleep until more than what was seen is there (plain
`MSG_PEEK` under epoll takes a whole core). The invariant:
every accepted socket is handed on or closed within the head's deadline.
"""

from __future__ import annotations

import errno
import hmac
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm import origin as proxy
from hokm.control.refusal import turn_away
from hokm.limits import Crowd
from hokm.origin import Header, NoHeader, Origin
from hokm.supervisor.head import HEAD_BYTES, Bad, Head, Incomplete, parse
from hokm.tasks import every

_log = Logger()

HEAD_SECONDS: Final = 5.0
PENDING: Final = 5_000  # descriptors that strangers may hold without saying anything
PENDING_PER_PEER: Final = 100

_ACCEPTS_PER_EVENT: Final = 64  # control channels must have their turn in between
_SWEEP_SECONDS: Final = 0.5  # how exact the deadline is
_PAUSE_SECONDS: Final = 1.0
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TIMEOUT: Final = Bad(408, "Request Timeout")
_NO_PROXY: Final = Bad(400, "Bad Request")
_CROWDED: Final = Bad(503, "Service Unavailable")


class Listener:
    """The listening socket, and the connections whose head is not complete.

    Attributes:
        accepted: Connections so far.
    """

    def __init__(
        self,
        *,
        reactor: Any,  # IReactorFDSet and IReactorTime
        sock: socket.socket,
        on_websocket: Callable[[Head, socket.socket, Origin], object],
        on_http: Callable[[Head, socket.socket, Origin], object],
        on_refused: Callable[[str], object],
        pending: int = PENDING,
        pending_per_peer: int = PENDING_PER_PEER,
        is_proxy: Callable[[str], bool] = lambda peer: False,
        secret: bytes = b"",
    ) -> None:
        """Take over a socket that listens; call `start` to accept.

        Args:
            reactor: Watches the sockets, and its clock keeps the deadlines.
            sock: Bound and listening, IPv4 or IPv6.
            on_websocket: Is given each request for a WebSocket, the socket, which it owns,
                non-blocking and unread, and where it comes from.
            on_http: The same for every other request.
            on_refused: Is told why a connection was not handed on: bad_request, head_too_large,
                head_timeout, crowded, gone.
            pending: How many incomplete heads may wait.
            pending_per_peer: How many of one address.
            is_proxy: Says of an address whether many players come from it: it has no such limit,
                and is believed where they come from.
            secret: By which the gates of this instance are known, whatever their address.
        """
        sock.setblocking(False)
        self.accepted = 0
        self._on_refused = on_refused
        self._reactor = reactor
        self._sock = sock
        self._on_websocket = on_websocket
        self._on_http = on_http
        self._is_proxy = is_proxy
        self._secret = secret
        self._pending: Crowd[_Pending] = Crowd(pending, pending_per_peer)
        self._exhausted = False
        self._sweep_loop: LoopingCall | None = None

    @property
    def port(self) -> int:
        """Port number."""
        return int(self._sock.getsockname()[1])

    @property
    def pending(self) -> int:
        """How many heads are incomplete."""
        return len(self._pending)

    def start(self) -> None:
        """Begin to accept."""
        self._sweep_loop = every(
            self._reactor, _SWEEP_SECONDS, self._sweep, "sweep of the listener"
        )
        self._reactor.addReader(self)

    def pause(self) -> None:
        """Accept nothing for now: who comes waits in the kernel's queue."""
        self._reactor.removeReader(self)

    def waiting(self) -> list[tuple[socket.socket, Origin | None]]:
        """Return the connections whose head is not complete, and what a proxy has said of them."""
        return [(waiting.sock, waiting.told) for waiting in self._pending]

    def look_again(self, sock: socket.socket, told: Origin | None) -> None:
        """Go on with a connection that an earlier life of this program had accepted.

        Args:
            told: What a proxy has said of it.
        """
        sock.setblocking(False)
        try:
            peer = _plain(sock.getpeername()[0]) if told is None else told.address
        except OSError:  # its peer has reset it meanwhile
            self._on_refused("gone")
            sock.close()
            return
        self._look(_Pending(self, sock, peer, told))

    def stop(self) -> None:
        """Accept nothing more and close what is pending; connections handed on live on."""
        if self._sock.fileno() < 0:
            return
        if self._sweep_loop is not None:
            self._sweep_loop.stop()
        self._reactor.removeReader(self)
        self._sock.close()
        for waiting in self._pending:
            self._release(waiting).close()

    # --- what the reactor asks of a descriptor --------------------------------------------

    def fileno(self) -> int:
        """Return the listening socket's descriptor."""
        return self._sock.fileno()

    def logPrefix(self) -> str:
        """Name this for Twisted's log."""
        return "listener"

    def connectionLost(self, reason: Failure) -> None:
        """Stop; called by the reactor at its end."""
        self.stop()

    def doRead(self) -> None:
        """Accept what came; called by the reactor."""
        for _ in range(_ACCEPTS_PER_EVENT):
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                    return
                continue  # this one connection failed before it was ours; accept(2)
            self._exhausted = False
            self.accepted += 1
            sock.setblocking(False)
            self._look(_Pending(self, sock, _plain(address[0])))

    # --- heads ----------------------------------------------------------------------------

    def _pause(self, error: OSError) -> None:
        if not self._exhausted:
            _log.error("no new connections for now: {error}", error=error)
        self._exhausted = True
        self._reactor.removeReader(self)
        self._reactor.callLater(_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if self._sock.fileno() >= 0:
            self._reactor.addReader(self)

    def _look(self, waiting: _Pending) -> None:
        """Peek at what came of a head, and decide."""
        try:
            data = waiting.sock.recv(HEAD_BYTES + 1, socket.MSG_PEEK)
        except BlockingIOError:
            self._keep(waiting)
            return
        except OSError:
            self._drop(waiting, "gone")
            return
        if len(data) <= waiting.seen:  # woken, but not by bytes: the other end has closed
            self._drop(waiting, "gone")
            return
        header = proxy.read(data) if waiting.told is None else NoHeader.ABSENT
        parsed = parse(data)
        if isinstance(header, Header):
            self._believe(waiting, header)
        elif header is NoHeader.MALFORMED:
            self._drop(waiting, "bad_request", _NO_PROXY)
        elif header is NoHeader.PARTIAL or isinstance(parsed, Incomplete):
            waiting.seen = len(data)
            waiting.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(data) + 1)
            self._keep(waiting)
        elif isinstance(parsed, Bad):
            self._drop(waiting, "head_too_large" if parsed.status == 431 else "bad_request", parsed)
        else:
            self._hand_on(waiting, parsed)

    def _believe(self, waiting: _Pending, header: Header) -> None:
        """Take a header out of the stream, and look at what follows as if it had come alone."""
        is_gate = bool(self._secret) and hmac.compare_digest(header.secret, self._secret)
        if not is_gate and not self._is_proxy(waiting.peer):
            self._drop(waiting, "bad_request", _NO_PROXY)
            return
        sock, peer = self._release(waiting), waiting.peer
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        try:
            sock.recv(header.size)  # all of it is there
        except OSError:  # unless its peer has reset it since the peek
            self._drop(waiting, "gone")
            return
        told = Origin(header.address or peer, header.hops, header.size)
        self._look(_Pending(self, sock, told.address, told))

    def _keep(self, waiting: _Pending) -> None:
        if waiting in self._pending:
            return
        now, is_many = self._reactor.seconds(), self._is_proxy(waiting.peer)
        oldest = self._pending.add(waiting, waiting.peer, now, is_many=is_many)
        self._reactor.addReader(waiting)
        if oldest is not None:
            self._hurry(oldest)

    def _hurry(self, oldest: _Pending) -> None:
        """Look once more, since its bytes may be there by now; if it is no head yet, drop it."""
        oldest.seen = -1  # the same bytes again do not mean that the other end has closed
        self._look(oldest)
        if oldest in self._pending:
            self._drop(oldest, "crowded", _CROWDED)

    def _sweep(self) -> None:
        for waiting in self._pending.since(self._reactor.seconds() - HEAD_SECONDS):
            self._drop(waiting, "head_timeout", _TIMEOUT)

    def _drop(self, waiting: _Pending, why: str, answer: Bad | None = None) -> None:
        self._on_refused(why)
        sock = self._release(waiting)
        if answer is None:
            sock.close()
        else:
            turn_away(sock, answer.status, answer.reason)

    def _hand_on(self, waiting: _Pending, head: Head) -> None:
        sock = self._release(waiting)
        try:
            # The worker inherits the socket's options.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            take = self._on_websocket if head.is_websocket else self._on_http
            take(head, sock, waiting.told or Origin(waiting.peer))
        except Exception:  # noqa: BLE001 - one connection must not end the listener; it is logged
            _log.failure("connection of {peer} was not handed on", peer=waiting.peer)
            sock.close()

    def _release(self, waiting: _Pending) -> socket.socket:
        """Stop watching; the socket is the caller's."""
        if self._pending.remove(waiting):
            self._reactor.removeReader(waiting)
        return waiting.sock


class _Pending:
    """A connection whose head is incomplete; hashed by identity."""

    __slots__ = ("_listener", "peer", "seen", "sock", "told")

    def __init__(
        self,
        listener: Listener,
        sock: socket.socket,
        peer: str,
        told: Origin | None = None,
    ) -> None:
        self._listener = listener
        self.sock = sock
        self.peer = peer  # once a proxy has told it, where the connection comes from
        self.told = told  # what a proxy has said
        self.seen = 0  # bytes that the last peek gave

    def fileno(self) -> int:
        return self.sock.fileno()

    def logPrefix(self) -> str:
        return "listener"

    def doRead(self) -> None:
        self._listener._look(self)

    def connectionLost(self, reason: Failure) -> None:
        if self.sock.fileno() >= 0:
            self._listener._drop(self, "gone")


def _plain(address: str) -> str:
    """Write an IPv4 peer of an IPv6 socket (RFC 4291, 2.5.5.2) as IPv4."""
    return address.removeprefix("::ffff:") if "." in address else address
