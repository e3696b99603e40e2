"""Private parts of Twisted and Autobahn that hokm touches, pinned in this one place.

Passed with Twisted 26.10.0 and Autobahn 26.10.2.

| touched by | what |
| --- | --- |
| connection: send, buffered | dataBuffer, offset, _tempDataBuffer, _tempDataLen of a transport |
| connection: export, let_go | the same four are all that waits; emptied, nothing is written |
| connection: freeze | doWrite() tries once: None, or the error of a connection that is lost |
| connection: let_go | _shouldShutdown of tcp.Server and unix.Server; connectionLost(reason) |
| connection: send | a transport's getHandle() is the socket |
| connection: close | WebSocketProtocol.sendCloseFrame(code=, reasonUtf8=) |
| connection, client | STATE_OPEN, STATE_CONNECTING, state |
| connection.site | pformat, hltype, hlval of autobahn.websocket.protocol and .twisted.websocket |
| connection.site | WebSocketAdapterProtocol: connectionMade, _connectionMade, _transport_details |
| connection.site: settle | attributes that are left: tests/integration/test_settled.py |
| connection.site | is_open and is_closed of a WebSocketProtocol are nothing but resolved |
| connection | logstr and repstr of a transport are read for logs only |
| connection.site | CONFIG_ATTRS of WebSocketServerProtocol may be attributes of the class |
| worker.reactor | EPollReactor: _poller.poll, _selectables by descriptor, _doReadOrWrite |
| worker.reactor | EPollReactor: _add(reader, _reads, _writes, _selectables, event, antievent) |
| multiprocess | prometheus_client.values: ValueClass = MultiProcessValue(process_identifier) |
| multiprocess | prometheus_client.Histogram: _upper_bounds, _buckets, _sum |
| web.site | HTTPChannel.checkPersistence |

A test that fails here after an upgrade says which of these must be looked at again.
"""

from __future__ import annotations

import inspect
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import autobahn.twisted.websocket as adapter
import autobahn.websocket.protocol as protocol
import prometheus_client.metrics
import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from prometheus_client import values
from twisted.internet import reactor as installed
from twisted.internet import tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from hokm.connection import connection, site
from hokm.metrics import Metrics
from hokm.multiprocess import observe_all
from hokm.worker import reactor as module
from hokm.worker.reactor import WorkerReactor


class _NoReactor:
    """A reactor, as far as a transport that nothing happens to asks it."""

    def ignore(self, _: object) -> None:
        """Do nothing."""

    addReader = addWriter = removeReader = removeWriter = ignore


def test_the_buffers_of_a_transport() -> None:
    """Bytes that wait lie in dataBuffer from offset on, and in the list _tempDataBuffer."""
    reactor: Any = installed
    transport = FileDescriptor(reactor)
    transport.connected = True
    assert (transport.dataBuffer, transport.offset) == (b"", 0)
    assert (transport._tempDataBuffer, transport._tempDataLen) == ([], 0)
    transport.startWriting = lambda: None
    transport.write(b"12345")
    assert (transport._tempDataBuffer, transport._tempDataLen) == ([b"12345"], 5)
    transport.writeSomeData = lambda data: 2
    transport.doWrite()
    waiting = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    assert waiting == 3


def test_what_waits_is_written_in_one_order() -> None:
    """First dataBuffer from offset on, then _tempDataBuffer; emptied, there is nothing left."""
    transport: Any = FileDescriptor(cast(Any, _NoReactor()))
    transport.connected = True
    written = b""

    def write_two(data: bytes) -> int:
        nonlocal written
        written += bytes(data[:2])
        return 2

    transport.writeSomeData = write_two
    transport.SEND_LIMIT = 4
    for data in (b"1234", b"56"):
        transport.write(data)
        transport.doWrite()
    transport.write(b"78")
    waiting = transport.dataBuffer[transport.offset :] + b"".join(transport._tempDataBuffer)
    assert written + waiting == b"12345678"
    transport.dataBuffer, transport.offset = b"", 0
    transport._tempDataBuffer, transport._tempDataLen = [], 0
    transport.writeSomeData = lambda data: len(data)
    assert transport.doWrite() is None
    assert not transport.dataBuffer


@pytest.mark.parametrize("result", [0, 3, CONNECTION_LOST])
def test_a_write_says_what_is_lost(result: Any) -> None:
    """`doWrite` is None whether or not bytes are left, and an exception when nothing can follow."""
    transport: Any = FileDescriptor(cast(Any, _NoReactor()))
    transport.connected = True
    transport.writeSomeData = lambda data: result
    transport.write(b"123")
    assert transport.doWrite() is (None if isinstance(result, int) else CONNECTION_LOST)


@pytest.mark.parametrize("kind", [tcp.Server, unix.Server])
@pytest.mark.parametrize("let_go", [False, True])
def test_the_end_of_a_transport(kind: type[tcp.Server], let_go: bool) -> None:
    """An orderly end shuts the socket down for all its holders, unless `_shouldShutdown` is off."""
    assert kind._shouldShutdown is True
    ours, theirs = socket.socketpair()
    copy = ours.dup()
    with ours, theirs, copy:
        protocol = Protocol()
        transport: Any = kind(ours, protocol, ("", 0), cast(Any, None), 0, cast(Any, _NoReactor()))
        protocol.makeConnection(transport)
        transport._shouldShutdown = not let_go
        transport.connectionLost(Failure(ConnectionDone()))
        assert ours.fileno() == -1
        theirs.setblocking(False)
        if let_go:
            assert copy.send(b"alive") == len(theirs.recv(10))
        else:
            assert theirs.recv(10) == b""
        transport.connectionLost(Failure(ConnectionDone()))  # a second one does nothing


def test_the_handle_of_a_transport() -> None:
    """A TCP transport's handle is its socket."""
    ours, theirs = socket.socketpair()
    try:
        assert Connection(ours, None, installed).getHandle() is ours
    finally:
        ours.close()
        theirs.close()


def test_a_close_frame_of_any_code() -> None:
    """`sendCloseFrame` takes a code and a reason as bytes; `sendClose` refuses most codes."""
    parameters = inspect.signature(WebSocketServerProtocol.sendCloseFrame).parameters
    assert {"code", "reasonUtf8"} <= set(parameters)


def test_states() -> None:
    """The states are numbers of the class, told apart."""
    cls = WebSocketServerProtocol
    assert cls.STATE_OPEN == connection._OPEN
    states = {cls.STATE_CLOSED, cls.STATE_CONNECTING, cls.STATE_OPEN, cls.STATE_CLOSING}
    assert len(states) == 4


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (protocol, "pformat"),
        (protocol, "hltype"),
        (protocol, "hlval"),
        (adapter, "hltype"),
        (adapter, "hlval"),
    ],
)
def test_nothing_is_written_out_for_the_log(module: Any, name: str) -> None:
    """Autobahn makes texts for debug lines that nobody reads; here it costs nothing."""
    assert site.Socket is not None
    value = object()
    assert getattr(module, name)(value) is value
    assert f"{name}(" in inspect.getsource(module)


def test_nobody_waits_for_a_connections_end() -> None:
    """`is_open` and `is_closed` are made and resolved, so that one for all will do."""
    server = inspect.getsource(protocol)
    for name in ("is_open", "is_closed"):
        uses = re.findall(rf".*\b{name}\b.*", server)
        made = [use for use in uses if f"self.{name} = txaio.create_future()" in use]
        resolved = [use for use in uses if f"txaio.resolve(self.{name}, " in use]
        noted = [use for use in uses if use.lstrip().startswith("#")]
        assert len(made) == 1 and len(uses) == len(made + resolved + noted), uses


def test_the_names_of_a_transport() -> None:
    """The texts that a transport makes of its peer are for logs alone."""
    for kind in (tcp, unix):
        source = inspect.getsource(kind)
        uses = re.findall(r".*\b(?:self|transport)\.(?:logstr|repstr)\b.*", source)
        assert all(re.search(r"(return self\.|str(: str)? = )", use) for use in uses), uses


def test_the_beginning_of_a_connection() -> None:
    """`connectionMade` collects details of the transport and calls `_connectionMade`."""
    made = inspect.getsource(adapter.WebSocketAdapterProtocol.connectionMade)
    code = made.partition("# ok, done!")[0]
    found = set(re.findall(r"self\.(\w+(?:\.\w+)?)", code))
    assert found == {
        "transport",
        "is_server",
        "_transport_details",
        "_transport_details.channel_framing",
        "_transport_details.peer",
        "peer",
        "transport.setTcpNoDelay",  # the listener has done it
        "tcpNoDelay",
        "_connectionMade",
    }
    opened = inspect.getsource(adapter.WebSocketAdapterProtocol._onOpen)
    assert "if self._transport_details.is_secure:" in opened


def test_events_of_a_poll() -> None:
    """A poll hands each event of a descriptor to _doReadOrWrite; a fault ends that one alone."""
    reactor = WorkerReactor()
    ours, theirs = socket.socketpair()
    others = socket.socketpair()

    class Reader(FileDescriptor):
        def __init__(self, sock: socket.socket, fault: bool) -> None:
            super().__init__(reactor)
            self.sock, self.fault, self.read, self.lost = sock, fault, 0, 0
            self.startReading()

        def fileno(self) -> int:
            return self.sock.fileno()

        def doRead(self) -> None:
            self.read += len(self.sock.recv(10))
            if self.fault:
                raise ZeroDivisionError

        def connectionLost(self, reason: Failure) -> None:
            self.lost += 1

    good, bad = Reader(ours, False), Reader(others[0], True)
    theirs.send(b"12")
    others[1].send(b"123")
    reactor.doPoll(0)
    assert (good.read, good.lost, bad.read, bad.lost) == (2, 0, 3, 1)
    assert reactor.getReaders().count(good) == 1 and bad not in reactor.getReaders()
    reactor.removeAll()
    for sock in (ours, theirs, *others):
        sock.close()
    reactor._poller.close()


class _Reader(FileDescriptor):
    """A server's end of a TCP connection, which notes in *heard* what happens to it."""

    def __init__(self, reactor: Any, name: str, heard: list[str]) -> None:
        super().__init__(reactor)
        self.name, self.heard = name, heard
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.theirs = socket.create_connection(server.getsockname())
            self.sock, _ = server.accept()
        self.startReading()

    def fileno(self) -> int:
        return self.sock.fileno()

    def doRead(self) -> Exception | None:
        with suppress(ConnectionResetError):
            if self.sock.recv(10):
                self.heard.append(self.name)
                return None
        return CONNECTION_LOST

    def connectionLost(self, reason: Failure) -> None:
        self.heard.append(f"the end of {self.name}")
        self.sock.close()


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    "end", [socket.socket.close, lambda sock: sock.shutdown(socket.SHUT_WR), _reset]
)
def test_ends_come_after_what_is_said(
    end: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of connections that end, a few in each turn, after all that have something to say."""
    monkeypatch.setattr(module, "ENDS_PER_TURN", 1)
    reactor, heard = WorkerReactor(), list[str]()
    readers = [_Reader(reactor, name, heard) for name in ("one", "two", "three")]
    end(readers[0].theirs)
    end(readers[1].theirs)
    readers[2].theirs.send(b"12")
    reactor.doPoll(1)
    assert heard == ["three", "the end of one"]
    reactor.doPoll(1)
    assert heard[2:] == ["the end of two"]
    reactor.removeAll()
    for reader in readers:
        reader.theirs.close()
        reader.sock.close()
    reactor._poller.close()


def test_the_end_of_a_turn() -> None:
    """A call for the end of the turn comes before the next wait, which its timers shorten."""
    reactor = WorkerReactor()
    made: list[str] = []

    def call() -> None:
        made.append("call")
        reactor.at_end_of_turn(lambda: made.append("next turn"))
        reactor.callLater(0.01, made.append, "timer")

    reactor.at_end_of_turn(call)
    began = reactor.seconds()
    reactor.doPoll(60.0)
    assert made == ["call", "next turn"] and reactor.seconds() - began < 30.0
    reactor.removeAll()
    reactor._poller.close()


def test_the_identity_of_a_process_that_never_forks() -> None:
    """The value class that counts into files takes the function that names the process."""
    parameters = inspect.signature(values.MultiProcessValue).parameters
    assert list(parameters) == ["process_identifier"]
    assert "values.ValueClass(" in inspect.getsource(prometheus_client.metrics)


def test_many_observations_at_once() -> None:
    """`observe_all` counts as `observe` does, at the bounds of the buckets and beyond the last."""
    one_by_one, at_once = Metrics(), Metrics()
    amounts = (0.0, 0.0005, 0.00051, 0.1, 0.1, 5.0, 7.5)
    for amount in amounts:
        one_by_one.response_time.observe(amount)
    observe_all(at_once.response_time, amounts)
    assert at_once.render() == one_by_one.render()
    assert b'hokm_response_time_seconds_bucket{le="0.1"} 5.0' in at_once.render()


def test_persistence_is_asked_for() -> None:
    """Twisted's channel asks `checkPersistence` before it keeps a connection."""
    assert list(inspect.signature(HTTPChannel.checkPersistence).parameters) == [
        "self",
        "request",
        "version",
    ]
