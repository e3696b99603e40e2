"""A worker's host: what it does with connections, commands, a store and time."""

from __future__ import annotations

import pytest

from hokm import wire
from hokm.tasks import run
from hokm.worker import table as tables
from tests.tables import HOST_TOKEN
from tests.unit.worker.world import CODE, World


@pytest.fixture
def world() -> World:
    """Make a world with one table."""
    return World()


def test_nothing_is_shown_before_it_is_stored(world: World) -> None:
    """A play's events and answer wait for the store's answer, the answer last."""
    host, guest = world.sit(token=HOST_TOKEN), world.sit()
    world.store.slow = True
    before = len(guest.far.heard)
    id = host.say("say", text="hello")
    assert host.answer(id) is None and len(guest.far.heard) == before
    world.store.answer()
    assert host.far.kinds()[-2:] == ["said", "ok"]
    assert guest.far.heard[-1]["text"] == "hello"


def test_one_call_at_a_time(world: World) -> None:
    """What is decided while a call is under way goes in the next one, all of it together."""
    host, guest = world.sit(token=HOST_TOKEN), world.sit()
    world.store.slow = True
    calls = world.store.calls
    ids = [host.say("say", text="1"), host.say("say", text="2"), guest.say("say", text="3")]
    assert world.store.calls == calls + 1
    world.store.answer()
    world.clock.advance(0)
    assert world.store.calls == calls + 2
    assert host.answer(ids[0]) and not host.answer(ids[1])
    world.store.answer()
    assert host.answer(ids[1]) and guest.answer(ids[2])
    told = [m["text"] for m in guest.far.heard if m["type"] == "said"]
    assert told == ["1", "2", "3"]


def test_questions_wait_behind_what_they_ask_about(world: World) -> None:
    """A `sync` that follows a play is answered after it."""
    host = world.sit(token=HOST_TOKEN)
    world.store.slow = True
    host.say("say", text="1")
    id = host.say("sync")
    assert host.answer(id) is None
    world.store.answer()
    world.clock.advance(0)
    assert host.answer(id) == {"type": "ok", "id": id}
    assert host.far.kinds()[-3:] == ["ok", "state", "ok"]


def test_the_store_goes_away_and_comes_back(world: World) -> None:
    """Tables pause with a notice, commands wait, each is answered once; the clock stands still."""
    host = world.sit(token=HOST_TOKEN)
    host.say("start", fill=True)
    world.store.away = True
    id = host.say("say", text="1")
    assert host.far.heard[-1]["kind"] == "paused"
    later = host.say("say", text="2")
    table = world.host._tables[CODE]
    stood = table._time.now()
    for _ in range(50):
        world.clock.advance(0.2)
    assert table._time.now() == stood
    assert host.answer(id) is None and host.answer(later) is None
    world.store.away = False
    world.clock.pump([0.2] * 3)
    assert [m["kind"] for m in host.far.heard if m["type"] == "notice"] == ["paused", "resumed"]
    assert host.answer(id) and host.answer(later)
    assert [m["text"] for m in host.far.heard if m["type"] == "said"] == ["1", "2"]


def test_the_store_answers_a_claim_with_what_nobody_expects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is asked for again, until it can be had."""
    monkeypatch.setattr(world.store, "claim", fails)
    player = world.sit(token=HOST_TOKEN)
    world.clock.advance(0.2)
    assert player.far.kinds() == ["notice"]
    monkeypatch.undo()
    world.clock.advance(0.2)
    assert "welcome" in player.far.kinds()


async def fails(*asked: object) -> None:
    """Answer as a store does that is of another version, or in other hands."""
    raise RuntimeError("ERR unknown command")


def test_who_closes_while_his_join_waits_gets_no_place(world: World) -> None:
    """A join that is decided after its connection has closed seats and queues nobody."""
    for code in (CODE, wire.LOBBY):
        here, gone = world.come(code=code), world.come(code=code)
        here.say("join", name="Sara")
        world.store.away = True
        world.host.tend()
        gone.say("join", name="Reza")
        gone.player.on_closed(None, False)
        world.store.away = False
        world.clock.pump([0.2] * 3)
        assert [m["kind"] for m in here.far.heard if m["type"] == "notice"] == ["paused", "resumed"]
        room = world.host._tables[code].room
        waiting = () if room.queue is None else room.queue.waiting
        assert [one.name for one in (*room.seats, *waiting) if one] == ["Sara"]


def test_an_answer_of_the_store_is_lost(world: World) -> None:
    """What it did and could not say is sent again, and stored once."""
    host = world.sit(token=HOST_TOKEN)
    world.store.swallow = True
    id = host.say("say", text="1")
    assert host.answer(id) is None
    world.store.swallow = False
    world.clock.pump([0.2] * 3)
    assert host.answer(id)
    assert world.seq_for_another() == host.seq


def test_the_store_loses_its_end(world: World) -> None:
    """A gap is closed by a snapshot: another worker finds all that was acknowledged."""
    host = world.sit(token=HOST_TOKEN)
    for text in ("1", "2"):
        host.say("say", text=text)
    world.store.forget_last(CODE)
    id = host.say("say", text="3")
    world.clock.pump([0.0] * 3)
    assert host.answer(id)
    assert world.seq_for_another() == host.seq


def test_the_store_comes_back_without_its_end(world: World) -> None:
    """When the store is back, rooms are stored whole, before anybody does anything."""
    host = world.sit(token=HOST_TOKEN)
    host.say("say", text="1")
    world.store.away = True
    world.host.tend()
    assert host.far.heard[-1]["kind"] == "paused"
    world.store.forget_last(CODE)
    world.store.away = False
    world.clock.pump([0.2] * 3)
    assert world.seq_for_another() == host.seq


def test_another_worker_owns_the_room(world: World) -> None:
    """Whose epoch is old drops the table: 1012, and no play of his is acknowledged."""
    host = world.sit(token=HOST_TOKEN)
    world.sit(world.another(), role="spectator")
    id = host.say("say", text="1")
    assert host.answer(id) is None
    assert host.far.closed == wire.RESUME
    assert world.host.census().rooms == 0


def test_a_room_is_opened_once(world: World) -> None:
    """Many who come at once find one table."""
    people = [world.come() for _ in range(6)]
    for person in people:
        person.say("join", name="Sara")
    assert world.host.census().rooms == 1
    answers = [(person.answer(1) or {})["type"] for person in people]
    assert answers == ["ok"] * 4 + ["error"] * 2


def test_no_such_room(world: World) -> None:
    """The answer says so, then 1008; the supervisor hears that nothing is held."""
    person = world.come(code="ZZZZ2222")
    person.say("join", name="Sara")
    assert person.far.heard[-1]["code"] == "no_such_room"
    assert person.far.closed == wire.POLICY
    assert world.idle == ["ZZZZ2222"]


def test_guesses_are_limited() -> None:
    """An address that guesses is shut out, others are not."""
    world = World(wrong_joins_per_minute=3)
    for _ in range(3):
        person = world.come()
        person.say("join", name="Eve", token="f" * 64)
        assert person.far.heard[-1]["code"] == "bad_token"
    shut = world.come()
    shut.say("join", name="Eve", token="f" * 64)
    assert shut.far.heard[-1]["code"] == "rate_limited" and shut.far.closed == wire.POLICY
    other = world.come(peer="192.0.2.2")
    other.say("join", name="Sara")
    assert other.answer(1) == {"type": "ok", "id": 1}


def test_who_says_nothing_is_closed() -> None:
    """The first message must come in time."""
    world = World(join_seconds=5.0)
    person = world.come()
    world.clock.advance(4.9)
    world.host.tend()
    assert person.far.closed is None
    world.clock.advance(0.2)
    world.host.tend()
    assert person.far.closed == wire.POLICY


def test_a_deserted_table_is_put_away() -> None:
    """After the idle time nothing is held; whoever comes finds it as it was."""
    world = World(idle_seconds=60.0)
    host = world.sit(token=HOST_TOKEN)
    world.clock.advance(100.0)
    world.host.tend()
    assert world.host.census().rooms == 1
    host.player.on_closed(None, False)
    world.clock.pump([1.0] * 59)
    world.host.tend()
    assert world.idle == []
    world.clock.advance(2.0)
    world.host.tend()
    assert world.idle == [CODE]
    assert world.host.census().rooms == 0
    token = host.far.heard[0]["token"]
    again = world.sit(token=token)
    assert again.far.heard[0]["seat"] == 0


def test_time_stands_still_while_nobody_is_there() -> None:
    """A turn's time is the same after a day without anybody."""
    world = World(idle_seconds=3600.0)
    host = world.sit(token=HOST_TOKEN)
    host.say("start", fill=True)
    table = world.host._tables[CODE]
    stood = table._time.now()
    host.player.on_closed(None, False)
    world.clock.advance(3000.0)
    assert table._time.now() == stood


@pytest.mark.parametrize("leaves", [True, False])
def test_bots_do_not_play_for_spectators(leaves: bool) -> None:
    """Without a player the match stands still, and the table stays open; it goes on with him."""
    world = World(idle_seconds=60.0)
    host, watcher = world.sit(token=HOST_TOKEN), world.sit(role="spectator")
    host.say("start", fill=True)
    world.clock.pump([1.0] * 10)
    if leaves:
        host.say("leave")
    else:
        host.player.on_closed(None, False)
    table = world.host._tables[CODE]
    before, records = table._time.now(), table.records
    for _ in range(100):
        world.clock.advance(1.0)
        world.host.tend()
    assert (table._time.now(), table.records) == (before, records)
    assert watcher.answer(watcher.say("sync"))
    if not leaves:
        world.sit(token=host.far.heard[0]["token"])
        world.clock.pump([1.0] * 100)
        assert table._time.now() == before + 100.0 and table.records > records + 1


def test_a_seat_is_taken_over(world: World) -> None:
    """The older connection gets 4001 and no word more; what it still sends is ignored."""
    host = world.sit(token=HOST_TOKEN)
    newer = world.sit(token=host.far.heard[0]["token"])
    assert host.far.closed == wire.TAKEN_OVER
    assert newer.far.heard[0]["seat"] == 0
    heard = len(host.far.heard)
    host.say("say", text="ghost")
    assert len(host.far.heard) == heard
    assert not [m for m in newer.far.heard if m["type"] == "said"]


def test_a_proven_token_voids_the_older_one(world: World) -> None:
    """Once the ping after the welcome is answered, the token before it opens nothing."""
    host = world.sit(token=HOST_TOKEN)
    first = host.far.heard[0]["token"]
    host.player.on_pong(host.far.pings[-1])
    world.clock.advance(0)
    second = world.sit(token=first)  # still good, and so is the new one
    fresh = second.far.heard[0]["token"]
    assert fresh != first
    second.player.on_pong(second.far.pings[-1])
    world.clock.advance(0)
    assert world.sit(token=first).far.heard[-1]["code"] == "bad_token"
    assert world.sit(token=fresh).far.heard[0]["seat"] == 0


def test_watchers_are_limited() -> None:
    """A table has room for so many spectators."""
    world = World(max_spectators=2)
    people = [world.sit(role="spectator") for _ in range(3)]
    assert [(p.answer(1) or {}).get("code") for p in people] == [None, None, "room_full"]


def test_the_end_of_a_worker(world: World) -> None:
    """What was decided is stored and answered, then everybody gets 1012; nothing more is done."""
    host = world.sit(token=HOST_TOKEN)
    world.store.slow = True
    id = host.say("say", text="1")
    done: list[None] = []
    run(world.host.stop(5.0), "stop").addCallback(done.append)
    late = host.say("say", text="2")
    assert done == []
    world.store.answer()
    world.clock.pump([0.01] * 3)
    assert done == [None]
    assert host.answer(id) and host.answer(late) is None
    assert host.far.closed == wire.RESUME


def test_the_inbox_is_bounded(world: World) -> None:
    """While a table stands still, so many commands wait and no more."""
    people = [world.sit(token=HOST_TOKEN), *(world.sit() for _ in range(3))]
    world.store.away = True
    people[0].say("say", text="1")
    for number in range(tables.INBOX_COMMANDS + 10):
        world.host.receive(people[1].player, wire.Ready(id=number + 10))
    assert len(world.host._tables[CODE]._inbox) == tables.INBOX_COMMANDS
    assert not world.host.receive(people[1].player, wire.Ready(id=9999))


def test_nobody_new_searches_an_overloaded_server(world: World) -> None:
    """Who looks for a table is told to try later; who has a place keeps it, and tables go on."""
    early = world.come(code=wire.LOBBY)
    early.say("join", name="Sara")
    token = next(m["token"] for m in early.far.heard if m["type"] == "queued")
    world.host.overloaded = True
    late = world.come(code=wire.LOBBY)
    late.say("join", name="Reza")
    assert late.far.heard[-1]["code"] == "try_later"
    back = world.come(code=wire.LOBBY)
    back.say("join", name="Sara", token=token)
    assert [m["type"] for m in back.far.heard] == ["queued", "queue", "ok"]
    assert world.sit().far.heard[0]["type"] == "welcome"
    world.host.overloaded = False
    late.say("join", name="Reza")
    assert late.far.heard[-1]["type"] == "ok"
