"""A worker's host in a fleet: rooms that others have, may have, or are to have."""

from __future__ import annotations

from typing import Any

import pytest

from hokm import wire
from hokm.tasks import run
from tests.tables import HOST_TOKEN
from tests.unit.worker.world import CODE, Person, World


@pytest.fixture
def world() -> World:
    """Make a world with one table."""
    return World()


def states(person: Person) -> int:
    """Count how often somebody was told the whole state."""
    return person.far.kinds().count("state")


def test_the_room_is_another_instances(world: World) -> None:
    """Who has come for it is told to come again, and to where is found out then."""
    world.store.elsewhere = "another"
    person = world.sit(token=HOST_TOKEN)
    assert person.far.closed == wire.RESUME
    assert person.far.heard == []
    assert world.left == [CODE]


def test_who_was_sent_away_does_not_open_the_room_again(world: World) -> None:
    """What he still says finds no table."""
    world.store.elsewhere = "another"
    person = world.sit(token=HOST_TOKEN)
    world.store.elsewhere = None
    person.say("join", name="Sara")
    assert person.far.heard == []
    assert world.host.census().rooms == 0


def test_a_room_is_given_up(world: World) -> None:
    """Stored first, then nobody's, then its players are told; what was asked before is answered."""
    host, guest = world.sit(token=HOST_TOKEN), world.sit()
    world.store.slow = True
    id = host.say("say", text="bye")
    run(world.host.hand_over(CODE), "hand over")
    late = guest.say("say", text="too late")
    assert world.store.released == [] and host.far.closed is None
    while world.store.released == []:
        world.store.answer()
        world.clock.advance(0)
    assert world.store.released == [(CODE, 1)]
    assert host.answer(id) == {"type": "ok", "id": id}
    assert guest.answer(late) is None
    for person in (host, guest):
        assert person.far.heard[-1] == {
            "type": "notice",
            "kind": "moved",
            "message": "this table goes on on another server",
        }
        assert person.far.closed == wire.RESUME
    assert world.left == [CODE]


def test_a_room_where_nobody_has_joined_is_given_up(world: World) -> None:
    """There is nothing to store."""
    person = world.come()
    run(world.host.hand_over(CODE), "hand over")
    assert person.far.closed == wire.RESUME
    assert (world.left, world.store.released) == ([CODE], [])


def test_without_a_lease_a_question_waits_for_the_store(world: World) -> None:
    """Only the store knows whose room it is."""
    person = world.sit(token=HOST_TOKEN)
    world.leased = False
    world.store.slow = True
    calls = world.store.calls
    person.say("sync")
    assert states(person) == 0
    assert world.store.calls == calls + 1
    world.store.answer()
    assert states(person) == 1


@pytest.mark.parametrize("doubted", [False, True], ids=["asked", "told"])
def test_without_a_lease_nothing_old_is_said(world: World, doubted: bool) -> None:
    """Another instance has gone on with the room: its players are told to come again."""
    person = world.sit(token=HOST_TOKEN)
    run(world.store.claim(CODE, "another"), "claim")
    world.leased = False
    if doubted:
        world.host.doubt()
        world.leased = True
    person.say("sync")
    world.clock.advance(0)
    assert states(person) == 0
    assert person.far.closed == wire.RESUME
    assert world.left == [CODE]


def test_rooms_in_doubt_go_on_when_the_store_says_that_they_are_ours(world: World) -> None:
    """They stand still until then."""
    person = world.sit(token=HOST_TOKEN)
    world.store.slow = True
    world.host.doubt()
    person.say("sync")
    assert [notice["kind"] for notice in notices(person)] == ["paused"]
    world.store.slow = False
    world.store.answer()
    world.clock.advance(0)
    assert [notice["kind"] for notice in notices(person)] == ["paused", "resumed"]
    assert states(person) == 1


def notices(person: Person) -> list[dict[str, Any]]:
    """Return the notices that somebody was sent."""
    return [message for message in person.far.heard if message["type"] == "notice"]
