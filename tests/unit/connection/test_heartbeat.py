"""The wheel that finds dead and stuck connections."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock

from hokm.connection.heartbeat import STALL_SECONDS, Heartbeat


class Peer:
    """A connection, as far as the wheel sees it."""

    def __init__(self) -> None:
        self.said = False
        self.buffered = 0
        self.done: list[str] = []

    def was_heard(self) -> bool:
        said, self.said = self.said, False
        return said

    def ping(self, payload: bytes) -> None:
        self.done.append("ping")

    def abort(self) -> None:
        self.done.append("abort")

    def give_up(self) -> None:
        self.done.append("give up")


def wait(clock: Clock, seconds: float) -> None:
    """Let time pass in the steps of the wheel."""
    clock.pump([0.125] * int(8 * seconds))


def make() -> tuple[Clock, Heartbeat, Peer]:
    clock = Clock()
    wheel = Heartbeat(clock=clock, interval=20.0, timeout=10.0)
    wheel.start()
    peer = Peer()
    wheel.add(cast(Any, peer))
    return clock, wheel, peer


def test_who_speaks_is_left_alone() -> None:
    """No ping goes to somebody who sends anyhow."""
    clock, _, peer = make()
    for _ in range(100):
        peer.said = True
        wait(clock, 1)
    assert peer.done == []


def test_who_is_silent_is_pinged_and_given_up() -> None:
    """After the interval pings, after the timeout the end; an answer in time saves him."""
    clock, _, peer = make()
    wait(clock, 20)
    assert peer.done == []
    wait(clock, 2)
    assert set(peer.done) == {"ping"}
    peer.said = True
    wait(clock, 20)
    assert "abort" not in peer.done
    wait(clock, 12)
    assert "abort" in peer.done


def test_who_does_not_read_is_given_up() -> None:
    """Bytes may wait for some seconds and no longer."""
    clock, _, peer = make()
    peer.buffered = 100
    seen = 1  # turns of the wheel, until it has seen that bytes wait
    for _ in range(seen + int(STALL_SECONDS)):
        peer.said = True
        wait(clock, 1)
    peer.buffered = 0
    wait(clock, 1)
    peer.buffered = 100
    for _ in range(seen + int(STALL_SECONDS)):
        peer.said = True
        wait(clock, 1)
    assert peer.done == []
    wait(clock, 1)
    assert peer.done == ["give up"]


def test_who_is_gone_is_forgotten() -> None:
    """A removed connection is not touched, and a stopped wheel touches nobody."""
    clock, wheel, peer = make()
    wheel.remove(cast(Any, peer))
    wait(clock, 60)
    wheel.add(cast(Any, peer))
    wheel.stop()
    wait(clock, 60)
    assert peer.done == []


def test_ages_go_on_on_another_wheel() -> None:
    """Silence and stuck bytes are as old there as they were here, and end at the same time."""
    clock, wheel, peer = make()
    peer.buffered = 100
    wait(clock, 4)
    assert wheel.ages(cast(Any, peer)) == (4.0, 3.0)  # stuck since the wheel saw it
    wheel.remove(cast(Any, peer))
    other = Heartbeat(clock=clock, interval=20.0, timeout=10.0)
    other.start()
    other.add(cast(Any, peer), silent_s=4.0, stuck_s=3.0)
    assert other.ages(cast(Any, peer)) == (4.0, 3.0)
    wait(clock, 2)
    assert peer.done == []
    wait(clock, 1)
    assert peer.done == ["give up"]
    wait(clock, 23)
    assert "abort" not in peer.done
    wait(clock, 1)
    assert peer.done[-2:] == ["abort", "give up"]


def test_who_was_just_heard_has_no_age() -> None:
    """What came since the wheel's last turn counts, too."""
    clock, wheel, peer = make()
    wait(clock, 4)
    clock.advance(0.5)
    peer.said = True
    assert wheel.ages(cast(Any, peer)) == (0.0, 0.0)
    clock.advance(0.25)
    assert wheel.ages(cast(Any, peer)) == (0.25, 0.0)


def test_who_is_not_looked_after_has_no_age() -> None:
    """A connection that was removed, as one that is closing is, can still be asked for."""
    _, wheel, peer = make()
    wheel.remove(cast(Any, peer))
    assert wheel.ages(cast(Any, peer)) == (0.0, 0.0)
