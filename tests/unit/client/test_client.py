"""What the client makes of a server that recovers its table while the connection stays open."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from hokm import wire
from hokm.client import Client, CommandRefused
from hokm.room import room as rooms
from hokm.room.view import state
from tests.tables import HOST_TOKEN

CODE = "TABLE234"
STATE = state(rooms.open_room(CODE, wire.TableOptions(), HOST_TOKEN, b"r" * 32), 0, 0.0)
PLACELESS = wire.error(None, "not_joined")


class Wire:
    """A connection's far end: notes what the client sends."""

    STATE_OPEN = state = 3

    def __init__(self) -> None:
        self.commands: list[wire.Command] = []
        self.closed: int | None = None

    def sendMessage(self, payload: bytes) -> None:
        self.commands.append(wire.decode(payload))

    def sendClose(self, code: int) -> None:
        self.closed = code


class World:
    """A client and the far end of its one connection."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.client = Client("http://localhost", CODE, "Sara", reactor=self.clock, **options)
        self.far = Wire()
        self.client.opened(cast(Any, self.far))

    def hear(self, *messages: wire.Message) -> None:
        """Let the server say something."""
        for message in messages:
            self.client.heard(wire.encode(message))

    def sent(self) -> list[wire.Command]:
        """Return what the client has sent since this was asked last."""
        sent, self.far.commands = self.far.commands, []
        return sent

    def sit(self) -> wire.Join:
        """Have the client join and be welcomed."""
        (join,) = self.sent()
        assert isinstance(join, wire.Join)
        self.hear(welcome("first", join.id), wire.Ok(join.id))
        return join


@pytest.fixture
def world() -> World:
    """Make a client that has its place."""
    world = World()
    world.sit()
    return world


def welcome(token: str | None, last_id: int) -> wire.Welcome:
    """Make a welcome."""
    return wire.Welcome(CODE, None if token is None else 0, token and token * 4, last_id, STATE)


def outcome(answer: Deferred[None]) -> object:
    """Return ``ok``, the code of the refusal, or None where there is no answer yet."""
    found: list[object] = []
    answer.addCallbacks(lambda _: found.append("ok"), lambda failure: found.append(failure.value))
    if found and isinstance(found[0], CommandRefused):
        return found[0].code
    return found[0] if found else None


def test_a_state_answers_and_asks_again(world: World) -> None:
    """What was done is acknowledged; what was not is sent again, once, in order, as it was."""
    done, *open = [world.client.say(text) for text in "abc"]
    first, *others = world.sent()
    world.hear(wire.StateMessage(first.id, STATE))
    assert outcome(done) == "ok"
    assert world.sent() == others
    assert [outcome(answer) for answer in open] == [None, None]
    world.hear(wire.Ok(others[0].id), wire.Ok(others[1].id))
    assert [outcome(answer) for answer in open] == ["ok", "ok"]


def test_what_lies_below_the_last_that_was_done(world: World) -> None:
    """It may have been refused, and the refusal lost: the server is asked, not believed."""
    answers = [world.client.say(text) for text in "abc"]
    first, second, third = world.sent()
    world.hear(wire.StateMessage(second.id, STATE))
    assert world.sent() == [first, third]
    assert world.client.unanswered == 2
    world.hear(wire.error(first.id, "stale_id"), wire.Ok(third.id))
    assert [outcome(answer) for answer in answers] == ["stale_id", "ok", "ok"]


def test_old_commands_go_before_new_ones(world: World) -> None:
    """Who sends a command on hearing of an answer does not overtake what is sent again."""
    done, _ = world.client.say("a"), world.client.say("b")
    done.addCallback(lambda _: world.client.say("c") and None)
    first, second = world.sent()
    world.hear(wire.StateMessage(first.id, STATE))
    assert [command.id for command in world.sent()] == [second.id, second.id + 1]


def test_a_lost_refusal_comes_again(world: World) -> None:
    """A command whose refusal was lost fails, however the server words it the second time."""
    for code in ("wrong_phase", "stale_id"):
        answer = world.client.play("AS")
        (play,) = world.sent()
        world.hear(wire.StateMessage(play.id - 1, STATE))
        assert world.sent() == [play]
        world.hear(wire.error(play.id, code))
        assert outcome(answer) == code


def test_doubles_are_ignored(world: World) -> None:
    """Of several answers to a command the first one counts."""
    answer = world.client.say("a")
    (say,) = world.sent()
    world.hear(wire.Ok(say.id), wire.Ok(say.id), wire.error(say.id, "stale_id"))
    assert outcome(answer) == "ok"
    assert world.client.unanswered == 0


def test_a_sync_is_not_sent_again(world: World) -> None:
    """A state answers the oldest sync, so that its own answer does not double it."""
    answers = [world.client.sync(), world.client.sync()]
    _, second = world.sent()
    world.hear(wire.StateMessage(0, STATE))
    assert [outcome(answer) for answer in answers] == ["ok", None]
    assert world.sent() == [second]


def test_no_place_while_joining() -> None:
    """The same join is sent again, and only then what waited for it."""
    world = World()
    (join,) = world.sent()
    world.client.say("a")
    world.hear(PLACELESS)
    assert world.sent() == [join]
    world.hear(welcome("first", join.id), wire.Ok(join.id))
    assert world.client.token == "first" * 4
    assert world.client.resumes == 0
    assert [type(command) for command in world.sent()] == [wire.Say]


def test_a_state_while_joining() -> None:
    """The place was given but the welcome lost: the same join brings it again."""
    world = World()
    (join,) = world.sent()
    world.hear(wire.StateMessage(join.id, STATE))
    assert world.sent() == [join]
    assert world.client.token is None


@pytest.mark.parametrize("role", ["player", "spectator"])
@pytest.mark.parametrize("unasked", [True, False])
def test_a_place_that_is_gone(role: wire.Role, unasked: bool) -> None:
    """A player joins again by his token, a spectator as before; no command is lost meanwhile."""
    world = World(role=role)
    token = "first" if role == "player" else None
    (first,) = world.sent()
    world.hear(welcome(token, 0), wire.Ok(first.id))
    answer = world.client.say("a")
    (say,) = world.sent()
    world.hear(PLACELESS if unasked else wire.error(say.id, "not_joined"))
    (again,) = world.sent()
    assert isinstance(again, wire.Join)
    assert (again.token, again.role) == (token and token * 4, role)
    late = world.client.say("b")
    world.hear(wire.error(say.id, "not_joined"))
    assert world.sent() == []
    world.hear(welcome("second", 0), wire.Ok(again.id))
    assert world.client.resumes == 1
    assert [command.id for command in world.sent()] == [say.id, again.id + 1]
    assert [outcome(answer), outcome(late)] == [None, None]


def test_a_second_welcome(world: World) -> None:
    """Its token is the one to keep, and it is no resume; what was not done is sent again."""
    answers = [world.client.say("a"), world.client.say("b")]
    done, open = world.sent()
    world.hear(welcome("second", done.id), wire.Ok(1))
    assert world.client.token == "second" * 4
    assert world.client.resumes == 0
    assert world.sent() == [open]
    assert [outcome(answer) for answer in answers] == ["ok", None]


def test_a_refused_join_ends_the_client() -> None:
    """Also the join that was sent again may be refused."""
    world = World()
    (join,) = world.sent()
    world.hear(PLACELESS, wire.error(join.id, "room_full"))
    assert world.far.closed == wire.LEFT
    world.client.lost(cast(Any, world.far), wire.LEFT)
    assert world.client.closed.called


def test_an_end_between_two_connections(world: World) -> None:
    """No further one is made; one that was being made is closed, and asks for nothing."""
    world.client.lost(cast(Any, world.far), wire.RESUME)
    [again] = world.clock.getDelayedCalls()
    world.client.end()
    assert world.client.closed.called
    world.clock.advance(again.getTime())  # its reactor could not connect
    late = Wire()
    world.client.opened(cast(Any, late))
    assert (late.closed, late.commands) == (wire.LEFT, [])
    world.client.lost(cast(Any, late), wire.LEFT)
    assert not world.clock.getDelayedCalls()


def test_a_join_that_is_given_up() -> None:
    """Whoever waits for the place no more has none."""
    world = World()
    joined = world.client._joined
    assert joined is not None
    joined.addErrback(lambda failure: failure.trap(CancelledError) and None)
    joined.cancel()
    assert world.far.closed == wire.LEFT
    world.client.lost(cast(Any, world.far), wire.LEFT)
    assert world.client.closed.called and not world.clock.getDelayedCalls()
