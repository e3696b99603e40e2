"""Private parts of Twisted and Autobahn that hokm touches, pinned in this one place.

Passed with Twisted 26.10.0 and Autobahn 26.10.2.

| touched by | what |
| --- | --- |
| connection: send, buffered | dataBuffer, offset, _tempDataBuffer, _tempDataLen of a transport |
| connection: send | a transport's getHandle() is the socket |
| connection: close | WebSocketProtocol.sendCloseFrame(code=, reasonUtf8=) |
| connection, client | STATE_OPEN, STATE_CONNECTING, state |
| connection.site | autobahn.websocket.protocol.pformat |
| web.site | HTTPChannel.checkPersistence |

A test that fails here after an upgrade says which of these must be looked at again.
"""

from __future__ import annotations

import inspect
import socket
from typing import Any

import autobahn.websocket.protocol as protocol
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet import reactor as installed
from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel

from hokm.connection import site


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
    states = {cls.STATE_CLOSED, cls.STATE_CONNECTING, cls.STATE_OPEN, cls.STATE_CLOSING}
    assert len(states) == 4


def test_settings_are_not_written_out() -> None:
    """Autobahn formats its settings with `pformat` for each connection; here it costs nothing."""
    assert site.Socket is not None
    value = object()
    assert protocol.pformat(value) is value
    assert "pformat(" in inspect.getsource(protocol)


def test_persistence_is_asked_for() -> None:
    """Twisted's channel asks `checkPersistence` before it keeps a connection."""
    assert list(inspect.signature(HTTPChannel.checkPersistence).parameters) == [
        "self",
        "request",
        "version",
    ]
