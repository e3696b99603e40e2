"""What the program leaves to its next life, as far as it needs no process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import msgspec
import pytest

from hokm.control.ledger import Ledger
from hokm.control.stream import cookie
from hokm.origin import Origin
from hokm.supervisor import estate as e
from hokm.supervisor import succession
from hokm.supervisor.inherited import Inherited
from hokm.supervisor.parcel import pack
from hokm.supervisor.succession import command_line
from tests.movable import connect

ESTATE = e.Estate(
    ledger=5,
    listening=6,
    store_pid=7,
    store_path="/run/s",
    connections=(e.KeptConnection(1, "ABCD", b"GET", 8, 2**63, 3, None, True),),
    pins=(("ABCD", 1),),
    rooms=(e.KeptRoom("ABCD", b"x", 1.5, (1,)),),
    origins=((2**63, Origin("192.0.2.7", 1, 28)),),
    gates=(e.KeptGate(9, 10, open=True),),
    gate_secret=b"s",
    listening_tls=11,
    target=2,
)


@pytest.mark.parametrize("before", [["-n"], ["--nodaemon", "--logfile", "x"], ["-n", "--pidfile="]])
def test_the_same_command_line(before: list[str]) -> None:
    """It is that of the start, without a pid file; as often as the program executes itself."""
    started = ["python3", "/usr/bin/twistd", *before, "hokm", "--workers", "2"]
    again = command_line(started)
    assert again is not None
    assert again[:2] == [sys.executable, "/usr/bin/twistd"]
    assert again[-4:] == ["--pidfile=", "hokm", "--workers", "2"]
    assert command_line(again) == again


@pytest.mark.parametrize("started", [["python3", "twistd", "hokm"], ["python3", "-n"]])
def test_a_daemon_does_not_execute_itself(started: list[str]) -> None:
    """It would leave its process for another one; what is no server does not, either."""
    assert command_line(started) is None


def test_an_estate_is_read_as_it_was_written() -> None:
    """From a descriptor, which is closed."""
    fd = e.write(ESTATE)
    assert e.read(fd) == ESTATE
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_several_estates_are_one() -> None:
    """The newest knows best of a connection; what one says of rooms, no other takes back."""
    first = e.KeptConnection(1, "ABCD", b"GET", 8, 2**63, 3, None, False)
    second = e.KeptConnection(2, "ABCD", b"GET", 9, 5, 4, None, False)
    later = msgspec.structs.replace(ESTATE, target=None)
    earlier = e.Estate(ledger=-1, listening=-1, connections=(first, second), target=3)
    one = e.together([earlier, later])
    assert set(one.connections) == {*ESTATE.connections, second}
    assert (one.rooms, one.target) == (ESTATE.rooms, 3)
    assert e.together([]) == e.Estate(ledger=-1, listening=-1)


@pytest.mark.parametrize("data", [b"", b"\x01", b"nonsense"])
def test_what_is_no_estate(data: bytes) -> None:
    """Is refused, and its descriptor closed."""
    fd = os.memfd_create("test")
    os.write(fd, data)
    with pytest.raises(e.UnknownEstate):
        e.read(fd)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


# In a process of its own: it closes descriptors that it does not know.
STRANGER = """
import os, sys
from hokm.supervisor.succession import inherit
left, own = int(sys.argv[1]), os.memfd_create("own", os.MFD_CLOEXEC)
assert inherit(os.environ, b"", os.getpid()) is None
assert "HOKM_ESTATE" not in os.environ
os.fstat(own)
try:
    os.fstat(left)
except OSError:
    print("closed")
"""


@pytest.mark.parametrize("announced", ["", "x", "999999"])
def test_an_estate_that_is_not_there(announced: str) -> None:
    """The program starts as if there were none; what was left to it is closed, and no other."""
    left = os.memfd_create("left", 0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, str(left)],
            pass_fds=[left],
            env={**os.environ, e.VARIABLE: announced},
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        os.close(left)
    assert done.stdout == "closed\n", done.stderr


def test_another_releases_estate() -> None:
    """Its version is told."""
    fd = e.write(e.Estate(ledger=1, listening=2, version=e.VERSION + 1))
    with pytest.raises(e.UnknownEstate, match=f"version {e.VERSION + 1}"):
        e.read(fd)


def test_what_was_kept_cannot_be_read() -> None:
    """Its players are let go of, and the service manager will be; all others go on."""
    (ours, theirs), (others, stays), port = connect(), connect(), socket.create_server(("", 0))
    kept = e.KeptConnection(1, "ABCD", b"GET", -1, cookie(others), 3, None, False)
    states = (
        e.write(e.Estate(ledger=-1, listening=-1, version=e.VERSION + 1)),
        e.write(e.Estate(ledger=-1, listening=-1, connections=(kept,))),
    )
    parcels = [pack([sock.fileno()]) for sock in (ours, others)]
    address, number = port.getsockname(), cookie(others)
    found = [Inherited(e.LEDGER_NAME, Ledger.make().fd), Inherited(e.LISTEN_NAME, port.detach())]
    for at, (state, parcel) in enumerate(zip(states, parcels, strict=True), 4):
        found.append(Inherited(f"{e.STATE_NAMES}{at}", state))
        found += [Inherited(f"{e.CONNECTIONS_NAMES}{at}", end.detach()) for end in parcel]
    ours.close()
    others.close()
    heritage = succession._kept_by_manager(found)
    assert heritage is not None
    assert (heritage.estate.kept, heritage.estate.connections) == ((4, 5), (kept,))
    theirs.settimeout(5.0)
    assert theirs.recv(1) == b""
    left = succession.listening_socket(heritage, "", address[1])
    assert left is not None and set(heritage.sockets) == {number, cookie(left)}
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(states[0])
    for sock in (theirs, stays, *heritage.sockets.values()):
        sock.close()
    os.close(heritage.ledger)
