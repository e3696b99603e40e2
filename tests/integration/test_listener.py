# mypy: disallow-untyped-decorators=False
"""The public port over real sockets."""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor
from twisted.internet.task import deferLater

from hokm import origin as proxy
from hokm.control.refusal import turn_away
from hokm.origin import Origin
from hokm.supervisor import listener as module
from hokm.supervisor.head import Head
from hokm.supervisor.listener import Listener

REQUEST = b"GET /ws?room_code=abcd HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"

SECRET = b"of this instance"


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until *condition* holds; fail after *seconds*."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("did not happen in time")


class Site:
    """A listener, those whom it handed on, and those who came."""

    def __init__(self, family: int, address: str, pending: int, pending_per_peer: int) -> None:
        port = socket.create_server((address, 0), family=family, backlog=1000)
        self.address = port.getsockname()
        self.family = family
        self.websockets: list[tuple[Head, socket.socket, Origin]] = []
        self.others: list[tuple[Head, socket.socket, Origin]] = []
        self.clients: list[socket.socket] = []
        self.refused: Counter[str] = Counter()
        self.listener = Listener(
            reactor=reactor,
            sock=port,
            on_websocket=lambda *request: self.websockets.append(request),
            on_http=lambda *request: self.others.append(request),
            on_refused=lambda why: self.refused.update([why]),
            pending=pending,
            pending_per_peer=pending_per_peer,
            is_proxy=lambda peer: peer == self.proxy,
            secret=SECRET,
        )
        self.proxy = ""
        self.listener.start()

    def client(self, first: bytes = b"") -> socket.socket:
        """Connect and send *first*."""
        sock = socket.socket(self.family)
        sock.settimeout(5)
        sock.connect(self.address)
        sock.sendall(first)
        self.clients.append(sock)
        return sock

    def close(self) -> None:
        """Close everything."""
        self.listener.stop()
        for sock in self.clients:
            sock.close()
        for _, sock, _ in self.websockets + self.others:
            sock.close()


@pytest_twisted.async_yield_fixture
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A listener, by default on 127.0.0.1 and with room for 1,000 heads."""
    arguments = getattr(request, "param", (socket.AF_INET, "127.0.0.1", 1000, 1000))
    site = Site(*arguments)
    yield site
    site.close()


def both_families(function: Callable[..., object]) -> Callable[..., object]:
    """Run a test on IPv4 and on IPv6."""
    sites = [(socket.AF_INET, "127.0.0.1", 9, 9), (socket.AF_INET6, "::1", 9, 9)]
    marked: Callable[..., object] = pytest.mark.parametrize("site", sites, indirect=True)(function)
    return marked


@both_families
@pytest_twisted.ensureDeferred
async def test_a_request_is_handed_on_unread(site: Site) -> None:
    """The new owner gets the head, the peer's address and a socket with all its bytes."""
    site.client(REQUEST + b"more")
    await until(lambda: site.websockets)
    head, sock, origin = site.websockets[0]
    assert head == Head("GET", "/ws", "ABCD", True, REQUEST)
    assert origin == Origin(site.address[0])
    assert not sock.getblocking()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.recv(1000) == REQUEST + b"more"


@pytest_twisted.ensureDeferred
async def test_ordinary_requests_go_elsewhere(site: Site) -> None:
    """What asks for no WebSocket is given to the other callback."""
    site.client(b"GET / HTTP/1.1\r\n\r\n")
    await until(lambda: site.others)
    assert not site.websockets


@pytest_twisted.ensureDeferred
async def test_a_dribbled_head(site: Site) -> None:
    """A head that comes byte by byte is complete with its last; the socket is as new then."""
    client = site.client()
    for index in range(len(REQUEST)):
        assert not site.websockets
        client.sendall(REQUEST[index : index + 1])
        await deferLater(reactor, 0.001)
    await until(lambda: site.websockets)
    _, sock, _ = site.websockets[0]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    assert sock.recv(1000) == REQUEST
    assert site.listener.pending == 0


@pytest.mark.parametrize("sent", [b"", b"GET /ws"])
@pytest_twisted.ensureDeferred
async def test_who_closes_in_mid_head_is_dropped(site: Site, sent: bytes) -> None:
    """The end of the stream before the head's end drops the connection at once."""
    client = site.client(sent)
    await until(lambda: site.listener.pending)
    client.shutdown(socket.SHUT_WR)
    await until(lambda: not site.listener.pending, 2)
    assert site.refused == {"gone": 1}
    with contextlib.suppress(ConnectionResetError):  # when some of its bytes were unread
        assert client.recv(10) == b""


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        (b"\x16\x03\x01", b"400", "bad_request"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 9000, b"431", "head_too_large"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_bad_heads_are_answered(site: Site, sent: bytes, status: bytes, why: str) -> None:
    """What is no request, or too large, hears why before the connection ends."""
    client = site.client(sent)
    await until(lambda: site.refused)
    assert site.refused == {why: 1}
    assert client.recv(1000).startswith(b"HTTP/1.1 " + status)


@pytest_twisted.ensureDeferred
async def test_silence_ends_at_the_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that is not complete in time is answered with 408."""
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.3)
    silent, slow = site.client(), site.client(b"GET")
    await until(lambda: site.refused["head_timeout"] == 2, 3)
    assert silent.recv(1000).startswith(b"HTTP/1.1 408")
    assert slow.recv(1000).startswith(b"HTTP/1.1 408")
    assert site.listener.pending == 0


@pytest.mark.parametrize(
    "site",
    [(socket.AF_INET, "127.0.0.1", 1000, 5), (socket.AF_INET, "127.0.0.1", 5, 1000)],
    indirect=True,
)
@pytest_twisted.ensureDeferred
async def test_too_many_silent_ones_displace_one_another(site: Site) -> None:
    """Above a bound the oldest incomplete head goes; one that is complete by now is served."""
    for _ in range(5):
        site.client(b"GET")
    await until(lambda: site.listener.pending == 5)
    site.clients[0].sendall(REQUEST[3:])  # perhaps seen only when its place is needed
    site.client(b"GET")
    site.client(b"GET")
    await until(lambda: site.refused["crowded"] == 1)
    assert len(site.websockets) == 1
    assert site.listener.pending == 5
    assert site.clients[1].recv(1000).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("site", [(socket.AF_INET, "127.0.0.1", 9, 5)], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_proxys_connections_are_not_one_strangers(site: Site) -> None:
    """Only the bound for all holds where many players come from one address."""
    site.proxy = "127.0.0.1"
    for _ in range(9):
        site.client(b"GET")
    await until(lambda: site.listener.pending == 9)
    assert not site.refused
    site.client(b"GET")
    await until(lambda: site.refused["crowded"] == 1)
    assert site.listener.pending == 9


PLAYER = "192.0.2.7"
HEADERS = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", Origin(PLAYER, 0, 35)),
    (b"PROXY UNKNOWN\r\n", Origin("127.0.0.1", 0, 15)),
    (proxy.write(PLAYER, hops=2), Origin(PLAYER, 2, 32)),
]


@pytest.mark.parametrize(("header", "origin"), HEADERS)
@pytest_twisted.ensureDeferred
async def test_a_proxys_header(site: Site, header: bytes, origin: Origin) -> None:
    """Exactly its bytes are taken out, at once or byte by byte; the origin is what it says."""
    site.proxy = "127.0.0.1"
    site.client(header + REQUEST + b"more")
    await until(lambda: site.websockets)
    slow = site.client()
    for byte in header + REQUEST:
        slow.sendall(bytes((byte,)))
        await deferLater(reactor, 0.0005)
    await until(lambda: len(site.websockets) == 2)
    for (head, sock, told), rest in zip(site.websockets, (b"more", b""), strict=True):
        assert (head.room_code, told) == ("ABCD", origin)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
        assert sock.recv(1000) == REQUEST + rest


@pytest_twisted.ensureDeferred
async def test_a_gate_is_known_by_its_secret(site: Site) -> None:
    """From whatever address it comes; with another secret it is nobody."""
    site.client(proxy.write(PLAYER, secret=SECRET) + REQUEST)
    await until(lambda: site.websockets)
    assert site.websockets[0][2].address == PLAYER
    site.client(proxy.write(PLAYER, secret=b"guessed") + REQUEST)
    await until(lambda: site.refused["bad_request"] == 1)


@pytest.mark.parametrize(
    ("trusted", "sent"),
    [
        ("", HEADERS[0][0] + REQUEST),
        ("", HEADERS[2][0] + REQUEST),
        ("", HEADERS[2][0]),
        ("127.0.0.1", HEADERS[0][0] * 2 + REQUEST),
        ("127.0.0.1", HEADERS[2][0] * 2 + REQUEST),
        ("127.0.0.1", b"PROXY NONSENSE\r\n" + REQUEST),
    ],
)
@pytest_twisted.ensureDeferred
async def test_headers_that_are_refused(site: Site, trusted: str, sent: bytes) -> None:
    """A stranger's, a second one, a malformed one: 400."""
    site.proxy = trusted
    client = site.client(sent)
    await until(lambda: site.refused)
    assert site.refused == {"bad_request": 1}
    assert client.recv(1000).startswith(b"HTTP/1.1 400")


@pytest_twisted.ensureDeferred
async def test_half_sent_headers_are_bounded_by_their_player(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy, once it has told whose they are; who sends half of one has to be quick."""
    site.proxy = "127.0.0.1"
    site.listener._pending._most_per_peer = 3
    half = site.client(HEADERS[2][0][:20])
    for _ in range(5):
        site.client(HEADERS[2][0] + b"GET")
    await until(lambda: site.refused["crowded"] == 2)
    assert [told for _, told in site.listener.waiting()] == [None, *[HEADERS[2][1]] * 3]
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.5)
    await until(lambda: site.refused["head_timeout"] == 4, 3)
    assert half.recv(1000).startswith(b"HTTP/1.1 408")


@pytest_twisted.ensureDeferred
async def test_half_sent_heads_cost_nothing(site: Site) -> None:
    """300 half-sent heads take less than 5 % of a core, and others are served meanwhile."""
    gc.collect()
    alone = await used()
    for _ in range(300):
        site.client(b"GET /ws?room_code=abcd HTTP/1.1\r\n")
    await until(lambda: site.listener.pending == 300)
    assert await used() - alone < 0.05
    site.client(REQUEST)
    await until(lambda: site.websockets)
    assert site.listener.pending == 300


async def used() -> float:
    """Return which part of a core this process uses all the time: in the calmer of two windows.

    Heads that wait cost something in both, what is left of an earlier test in one of them.
    """
    windows = []
    for _ in range(2):
        before, began = time.process_time(), time.monotonic()
        await deferLater(reactor, 0.5)
        windows.append((time.process_time() - before) / (time.monotonic() - began))
    return min(windows)


class Exhausted:
    """A listening socket of a process without descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.tries = 0

    def accept(self) -> None:
        """Fail."""
        self.tries += 1
        raise OSError(errno.EMFILE, "Too many open files")

    def fileno(self) -> int:
        """Return the real socket's."""
        return self.sock.fileno()


@pytest_twisted.ensureDeferred
async def test_without_descriptors_accepting_pauses(site: Site) -> None:
    """Out of descriptors nothing spins: it is tried again a second later, and then served."""
    real = site.listener._sock
    exhausted = Exhausted(real)
    site.listener._sock = exhausted  # type: ignore[assignment]
    site.client(REQUEST)
    await until(lambda: exhausted.tries)
    await deferLater(reactor, 0.3)
    assert exhausted.tries == 1
    site.listener._sock = real
    await until(lambda: site.websockets, 3)


@pytest_twisted.ensureDeferred
async def test_a_failing_route_costs_one_connection(site: Site) -> None:
    """What the owner raises closes that connection; the next one is served."""

    def fail(*_: object) -> None:
        raise RuntimeError("of one connection")

    site.listener._on_http = fail
    client = site.client(b"GET / HTTP/1.1\r\n\r\n")
    site.client(REQUEST)
    await until(lambda: site.websockets)
    with pytest.raises(ConnectionResetError):  # its bytes were unread
        client.recv(10)


@pytest_twisted.ensureDeferred
async def test_stop_closes_what_waits(site: Site) -> None:
    """After stop nobody can connect and no incomplete head is left; a second stop is fine."""
    waiting = site.client(b"GET")
    await until(lambda: site.listener.pending)
    site.listener.stop()
    site.listener.stop()
    with pytest.raises(ConnectionResetError):
        waiting.recv(10)
    with pytest.raises(ConnectionRefusedError):
        site.client()


def test_turn_away_reaches_the_client() -> None:
    """The answer arrives although the request was never read."""
    ours, theirs = socket.socketpair()
    theirs.sendall(REQUEST)
    ours.setblocking(False)
    turn_away(ours, 404, "Not Found")
    with theirs:
        assert theirs.recv(1000).startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert theirs.recv(1000) == b""
