"""The control messages."""

from __future__ import annotations

import pytest
from msgspec import ValidationError
from msgspec.msgpack import encode

from hokm.control import messages as m

ARRIVAL = m.Arrival(
    connection=2**53 - 1, cookie=2**63, line=7, head=b"GET", answered=True, watching=True
)
TO_WORKER = [
    m.Configure(worker=3, store="unix:/x", settings=b"{}"),
    m.Connection(room="ABCD", arrival=ARRIVAL),
    m.Adopt(room="ABCD", move=3, arrivals=(ARRIVAL,), since=1.5, payload=b"x", more=True),
    m.Drain(room="ABCD", move=3),
    m.Release(move=3),
    m.Abort(move=3),
    m.Commit(move=3),
    m.Cancel(move=3),
    m.Stop(grace_s=1.5),
    m.Ping(n=1),
]
FROM_WORKER = [
    m.Hello(pid=1),
    m.Ready(),
    m.Misconfigured(message="no store"),
    m.NotTaken(connection=1, reason="full"),
    m.Watching(connection=1),
    m.Closed(connection=1),
    m.RoomIdle(room="ABCD"),
    m.Offer(move=3, connections=(1, 2), payload=b"x", since=1.5),
    m.Prepared(move=3),
    m.Refused(room="ABCD", move=3, reason="store_away"),
    m.Resumed(room="ABCD", move=3, connections=4, pause_s=0.01),
    m.Stats(rooms=1, connections=2, players=2, active_games=1, loop_lag_ms=0.5),
    m.Pong(n=1),
    m.Stopped(),
]


@pytest.mark.parametrize("message", TO_WORKER)
def test_the_worker_reads_what_it_is_told(message: m.ToWorker) -> None:
    """Each message to a worker comes back as it was."""
    assert m.TO_WORKER.decode(encode(message)) == message


@pytest.mark.parametrize("message", FROM_WORKER)
def test_the_supervisor_reads_what_workers_report(message: m.FromWorker) -> None:
    """Each message of a worker comes back as it was."""
    assert m.FROM_WORKER.decode(encode(message)) == message


def test_messages_have_a_direction() -> None:
    """A worker does not take its own kind of messages."""
    with pytest.raises(ValidationError):
        m.TO_WORKER.decode(encode(m.Ready()))


def test_another_protocol_is_refused_in_words() -> None:
    """A different version names both; the own one passes."""
    m.check_protocol(m.PROTOCOL)
    with pytest.raises(m.WrongProtocol, match=f"version {m.PROTOCOL} .* other {m.PROTOCOL + 1}"):
        m.check_protocol(m.PROTOCOL + 1)
