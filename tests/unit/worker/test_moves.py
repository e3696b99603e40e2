"""Rooms that move from one worker's host to another's, and rooms whose worker died."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from hokm import wire
from hokm.connection import Heartbeat
from hokm.control import messages as m
from hokm.room import clock as room_time
from hokm.room import room as rooms
from hokm.tasks import run
from hokm.worker import passage
from hokm.worker.departures import Departures
from hokm.worker.table import Table
from hokm.worker.transfers import Unmovable
from tests.tables import HOST_TOKEN
from tests.unit.worker.world import CODE, Person, Wire, World

RETRY = [0.2] * 3  # longer than the committer, and an opening, wait until they ask again


class Side:
    """One worker: its host, the rooms that it gives away, and what it told the supervisor.

    Attributes:
        resumed: How often a room that came here was told to go on.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.host = world.another()
        self.sent: list[m.FromWorker] = []
        self.resumed = 0
        heartbeat = Heartbeat(clock=world.clock, interval=20.0, timeout=10.0)
        self.departures = Departures(host=self.host, heartbeat=heartbeat, send=self.sent.append)

    def begin(self, move: int = 1, room: str = CODE) -> None:
        """Be told to give a room away."""
        self.departures.begin(move, room)
        self.world.clock.advance(0)

    def offered(self) -> m.Offer:
        """Return the offer that was made."""
        [offer] = self.sent
        assert isinstance(offer, m.Offer)
        self.sent.clear()
        return offer

    def refusal(self) -> str:
        """Return why nothing was offered."""
        [refused] = self.sent
        assert isinstance(refused, m.Refused) and refused.move
        self.sent.clear()
        return refused.reason

    def land(self, offer: m.Offer, people: Sequence[Person]) -> None:
        """Restore who was offered, as `hokm.worker.arrivals` does, and go on with the room."""
        luggage = passage.decode(offer.payload)
        known = {person.player.number: person for person in people}
        for traveller in luggage.travellers:
            person = known[traveller.connection]
            person.far = person.far.restored(traveller.stream)
            person.player = self._make_player(person)
            person.player.restore(traveller.player)
            self.host.lower_guesses(person.player, traveller.player.guesses)
        came = [known[number] for number in offer.connections]
        waiting = [
            (known[number].player, rooms.Confirm() if text is None else wire.decode(text))
            for number, text in luggage.inbox
        ]
        self._take_on(came, waiting, opened=luggage.opened)

    def recover(self, *people: Person, room: str = CODE) -> None:
        """Go on with connections whose worker died: all that is known are their numbers."""
        for person in people:
            assert person.player.number
            watching = person.player.watching
            person.far = Wire(person.far.peer, person.far.heard)
            person.far.frozen = True
            person.player = self._make_player(person, room)
            person.player.recovered, person.player.watching = True, watching
        self._take_on(people, [], opened=True, room=room)

    def _make_player(self, person: Person, room: str = CODE) -> Any:
        number = person.player.number
        return self.host.make_player(cast(Any, person.far), number, room, lambda player: None)

    def _take_on(
        self, people: Sequence[Person], waiting: Any, *, opened: bool, room: str = CODE
    ) -> None:
        players = [person.player for person in people]
        self.host.transfers.take_on(room, players, waiting, self._goes_on if opened else None)
        for player in players:
            player.thaw()
        self.world.clock.advance(0)

    def _goes_on(self) -> None:
        self.resumed += 1

    @property
    def table(self) -> Table:
        """The one table of these tests."""
        return self.host._tables[CODE]


class Two:
    """Two workers on one store."""

    def __init__(self, **settings: Any) -> None:
        self.world = World(**settings)
        self.clock, self.store = self.world.clock, self.world.store
        self.one, self.other = Side(self.world), Side(self.world)

    def sit(self, **join: Any) -> Person:
        """Connect somebody who joins at the first worker."""
        return self.world.sit(self.one.host, **join)

    def come(self) -> Person:
        """Connect somebody to the first worker, who says nothing yet."""
        return self.world.come(self.one.host)

    def move(self, *people: Person) -> None:
        """Move the room from the first worker to the other one, as the supervisor does."""
        self.one.begin()
        offer = self.one.offered()
        olds = [person.far for person in people]
        self.one.departures.release(1)
        assert all(old.gone for old in olds)
        self.other.land(offer, people)


@pytest.fixture
def two() -> Two:
    """Make two workers and a table."""
    return Two()


def test_a_move_ends_though_the_table_cannot_be_opened(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor hears that the room came, whatever goes wrong then."""
    person = two.sit(token=HOST_TOKEN)
    monkeypatch.setattr(two.other.host, "_make_table", None)  # not to be called
    two.move(person)
    assert two.other.resumed == 1


def texts(person: Person) -> list[str]:
    """Return what a person has heard others say."""
    return [message["text"] for message in person.far.heard if message["type"] == "said"]


def notices(person: Person) -> list[str]:
    return [message["kind"] for message in person.far.heard if message["type"] == "notice"]


def seqs(person: Person) -> list[int]:
    """Return the numbers of the events that a person was told."""
    return [message["seq"] for message in person.far.heard if "seq" in message]


def freeze_slowly(two: Two) -> None:
    """Begin a move while the store is slow: the room stands still, and is not offered yet."""
    two.store.slow = True
    two.one.begin()
    assert two.one.sent == []


def answer_all(two: Two) -> None:
    """Let the store answer all that it was asked, and be quick again."""
    while two.store._unanswered:
        two.store.answer()
        two.clock.advance(0)
    two.store.slow = False


# --- a move ------------------------------------------------------------------------------


def test_a_room_moves(two: Two) -> None:
    """Nobody notices: what is said goes on to everybody, in order, without a gap."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    host.say("say", text="1")
    heard = len(guest.far.heard)
    two.move(host, guest)
    assert len(guest.far.heard) == heard
    assert guest.answer(guest.say("say", text="2"))
    assert texts(host) == texts(guest) == ["1", "2"]
    assert seqs(guest)[-1] == seqs(host)[-1] == seqs(guest)[-2] + 1
    assert (two.one.host.census().rooms, two.one.host.census().connections) == (0, 0)
    census = two.other.host.census()
    assert (census.rooms, census.connections, census.players) == (1, 2, 2)
    assert two.other.resumed == 1


def test_a_move_tells_nobody_that_anybody_was_away(two: Two) -> None:
    """Seats keep their players: the log knows who is connected by the connection's number."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    two.move(host, guest)
    assert [player.seat for player in (host.player, guest.player)] == [0, 1]
    assert all(seat is None or seat.present for seat in two.other.table.room.seats)
    assert two.world.idle == []


def test_a_room_moves_there_and_back(two: Two) -> None:
    """As often as one likes, under a new epoch each time."""
    host = two.sit(token=HOST_TOKEN)
    for n in range(4):
        two.move(host)
        assert host.answer(host.say("say", text=str(n)))
        two.one, two.other = two.other, two.one
    assert texts(host) == ["0", "1", "2", "3"]


def test_commands_that_wait_travel(two: Two) -> None:
    """They are decided at the new owner, once and in order, and answered once."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    two.store.slow = True
    flying = host.say("say", text="1")
    two.one.begin()
    ids = guest.say("say", text="2"), host.say("say", text="3"), guest.say("say", text="4")
    answer_all(two)
    offer = two.one.offered()
    assert texts(guest) == ["1"] and host.answer(flying)
    assert guest.answer(ids[0]) is None
    two.one.departures.release(1)
    two.other.land(offer, (host, guest))
    assert texts(host) == texts(guest) == ["1", "2", "3", "4"]
    assert guest.answer(ids[0]) and host.answer(ids[1]) and guest.answer(ids[2])
    assert seqs(host) == sorted(set(seqs(host)))


def test_a_join_that_waits_travels(two: Two) -> None:
    """Who has asked for a seat while the room stood still gets it at the new owner."""
    host, late = two.sit(token=HOST_TOKEN), two.come()
    freeze_slowly(two)
    id = late.say("join", name="Bita")
    answer_all(two)
    offer = two.one.offered()
    two.one.departures.release(1)
    two.other.land(offer, (host, late))
    assert late.answer(id) == {"type": "ok", "id": id}
    assert late.player.seat == 1
    assert "player_joined" in host.far.kinds()


def test_a_pong_confirms_after_the_move(two: Two) -> None:
    """The answer to the ping of the old owner counts at the new one: the old token is void."""
    host = two.sit(token=HOST_TOKEN)
    proof = host.far.pings[-1]
    two.move(host)
    host.player.on_pong(b"another")
    assert two.other.table.room.seat(0).fresh is not None
    host.player.on_pong(proof)
    assert two.other.table.room.seat(0).fresh is None


def test_a_pong_that_waits_travels(two: Two) -> None:
    """One that came while the room stood still is no command, and travels all the same."""
    host = two.sit(token=HOST_TOKEN)
    freeze_slowly(two)
    host.player.on_pong(host.far.pings[-1])
    answer_all(two)
    offer = two.one.offered()
    assert passage.decode(offer.payload).inbox == ((host.player.number, None),)
    two.one.departures.release(1)
    two.other.land(offer, [host])
    assert two.other.table.room.seat(0).fresh is None


def test_a_spectator_keeps_his_place(two: Two) -> None:
    """He hears what goes on, and still is one."""
    host, watcher = two.sit(token=HOST_TOKEN), two.sit(role="spectator")
    assert two.world.watching == [watcher.player.number]
    two.move(host, watcher)
    host.say("say", text="1")
    assert texts(watcher) == ["1"]
    assert (watcher.player.seat, watcher.player.watching) == (None, True)
    id = watcher.say("say", text="2")
    assert (watcher.answer(id) or {})["code"] == "not_seated"


def test_the_time_left_travels(two: Two) -> None:
    """The room's clock stands still from the freeze on, and goes on where it stood."""
    host = two.sit(token=HOST_TOKEN)
    host.say("start", fill=True)
    two.clock.advance(0.3)
    freeze_slowly(two)
    before = two.one.table._time.now()
    due = room_time.deadline(two.one.table.room)
    two.clock.advance(2.0)
    answer_all(two)
    offer = two.one.offered()
    two.clock.advance(2.0)
    two.one.departures.release(1)
    two.other.land(offer, [host])
    assert two.other.table._time.now() == pytest.approx(before)
    assert room_time.deadline(two.other.table.room) == due
    two.clock.advance(0.2)
    assert two.other.table._time.now() == pytest.approx(before + 0.2)


def test_nobody_has_joined(two: Two) -> None:
    """There is no table to move, only somebody who may still join."""
    person = two.come()
    two.one.begin()
    offer = two.one.offered()
    assert not passage.decode(offer.payload).opened
    two.one.departures.release(1)
    two.other.land(offer, [person])
    assert two.other.host.census().rooms == 0
    person.say("join", name="Sara", token=HOST_TOKEN)
    assert person.player.seat == 0
    assert two.world.idle == []


# --- limits travel -----------------------------------------------------------------------


def test_the_rate_limit_travels() -> None:
    """A move refills no bucket, and time does."""
    two = Two(messages_per_second=1.0, burst=5)
    host = two.sit(token=HOST_TOKEN)
    for _ in range(4):
        assert host.answer(host.say("say", text="x"))
    two.move(host)
    assert (host.answer(host.say("say", text="x")) or {})["code"] == "rate_limited"
    two.clock.advance(1.0)
    assert (host.answer(host.say("ready")) or {})["type"] == "ok"


def test_patience_travels() -> None:
    """So many refusals in a row and no more, whoever refuses."""
    two = Two(messages_per_second=0.001, burst=5)
    host = two.sit(token=HOST_TOKEN)
    for _ in range(4):
        host.say("ready")
    for _ in range(3):
        assert (host.answer(host.say("ready")) or {})["code"] == "rate_limited"
    two.move(host)
    for _ in range(2):
        assert (host.answer(host.say("ready")) or {})["code"] == "rate_limited"
    assert host.far.closed is None
    host.say("ready")
    assert host.far.closed == wire.POLICY


def test_the_deadline_for_join_travels() -> None:
    """The time that is left is left, and time on the way does not count."""
    two = Two(join_seconds=5.0)
    host, silent = two.sit(token=HOST_TOKEN), two.come()
    two.clock.advance(3.0)
    old = silent.far
    two.one.begin()
    offer = two.one.offered()
    two.clock.advance(60.0)
    two.one.departures.release(1)
    two.other.land(offer, (host, silent))
    two.clock.advance(1.9)
    two.other.host.tend()
    assert silent.far.closed is None
    two.clock.advance(0.2)
    two.other.host.tend()
    assert silent.far.closed == wire.POLICY
    assert host.far.closed is None and old.closed is None


def test_the_deadline_for_join_goes_on_at_home() -> None:
    """Where the move fails it is the same."""
    two = Two(join_seconds=5.0)
    silent = two.come()
    two.clock.advance(3.0)
    two.one.begin()
    two.one.offered()
    two.clock.advance(60.0)
    two.one.departures.abort(1)
    two.clock.advance(1.9)
    two.one.host.tend()
    assert silent.far.closed is None
    two.clock.advance(0.2)
    two.one.host.tend()
    assert silent.far.closed == wire.POLICY


def test_guesses_travel() -> None:
    """An address that has guessed wrong at one worker has fewer guesses left at the next."""
    two = Two(wrong_joins_per_minute=3)
    host, guesser = two.sit(token=HOST_TOKEN), two.come()
    for _ in range(2):
        guesser.say("join", name="Eve", token="f" * 64)
    two.move(host, guesser)
    guesser.say("join", name="Eve", token="f" * 64)
    assert guesser.far.heard[-1]["code"] == "bad_token"
    guesser.say("join", name="Eve", token="f" * 64)
    assert guesser.far.closed == wire.POLICY


# --- a move that does not happen ---------------------------------------------------------


def test_a_room_that_is_not_here(two: Two) -> None:
    """It is refused."""
    two.one.begin()
    assert two.one.refusal() == "no_room"


def test_a_room_that_is_just_being_opened(two: Two) -> None:
    """It is refused: nobody knows yet what there will be."""
    person = two.come()
    two.store.away = True
    person.say("join", name="Sara")
    two.one.begin()
    assert two.one.refusal() == "no_room"
    two.store.away = False
    two.clock.pump(RETRY)
    assert person.player.seat is not None


def test_the_store_is_away(two: Two) -> None:
    """The room stays, paused, and goes on when the store is back."""
    host = two.sit(token=HOST_TOKEN)
    two.store.away = True
    id = host.say("say", text="1")
    two.one.begin()
    assert two.one.refusal() == "store_away"
    two.store.away = False
    two.clock.pump(RETRY)
    assert host.answer(id) and notices(host) == ["paused", "resumed"]
    assert host.answer(host.say("say", text="2"))


def test_the_store_dies_while_the_room_freezes(two: Two) -> None:
    """It is told to stay; nothing is lost, and it goes on when the store is back."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    two.store.away = True
    two.one.begin()
    id = guest.say("say", text="1")
    two.clock.pump([0.2] * 5)
    assert two.one.sent == [] and notices(guest) == ["paused"]
    two.one.departures.abort(1)
    assert guest.answer(id) is None
    two.store.away = False
    two.clock.pump(RETRY)
    assert two.one.sent == []
    assert guest.answer(id) and texts(host) == ["1"]
    assert notices(guest) == ["paused", "resumed"]
    two.move(host, guest)
    assert host.answer(host.say("say", text="2"))


def test_the_store_is_back_before_the_room_is_told_to_stay(two: Two) -> None:
    """It was offered by then; back at home it goes on as if nothing had been."""
    host = two.sit(token=HOST_TOKEN)
    two.store.away = True
    two.one.begin()
    two.store.away = False
    two.clock.pump(RETRY)
    two.one.offered()
    two.one.departures.abort(1)
    assert host.answer(host.say("say", text="1"))
    assert notices(host) == ["paused", "resumed"]


def test_the_store_is_back_before_the_room_has_moved(two: Two) -> None:
    """Who was told of a pause by the old owner is told of its end, by one of them."""
    host = two.sit(token=HOST_TOKEN)
    two.store.away = True
    two.one.begin()
    two.store.away = False
    two.clock.pump(RETRY)
    offer = two.one.offered()
    two.one.departures.release(1)
    two.other.land(offer, [host])
    assert host.answer(host.say("say", text="1"))
    assert notices(host) == ["paused", "resumed"]


def test_the_store_dies_after_the_offer(two: Two) -> None:
    """Back at home the room pauses with a notice, and goes on with the store."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    two.one.begin()
    two.one.offered()
    two.store.away = True
    two.one.host.tend()
    two.one.departures.abort(1)
    assert notices(guest) == ["paused"]
    id = host.say("say", text="1")
    two.store.away = False
    two.clock.pump(RETRY)
    assert host.answer(id) and texts(guest) == ["1"]
    assert notices(guest) == ["paused", "resumed"]


def test_the_store_dies_before_the_new_owner_has_claimed(two: Two) -> None:
    """Who comes from the old owner is told of the pause, and of its end; nothing is lost."""
    host = two.sit(token=HOST_TOKEN)
    two.one.begin()
    offer = two.one.offered()
    two.one.departures.release(1)
    two.store.away = True
    two.other.land(offer, [host])
    id = host.say("say", text="1")
    assert (notices(host), two.other.resumed) == (["paused"], 0)
    two.store.away = False
    two.clock.pump(RETRY)
    assert (notices(host), two.other.resumed) == (["paused", "resumed"], 1)
    assert host.answer(id) and host.answer(host.say("say", text="2"))


def test_told_to_stay_before_the_offer(two: Two) -> None:
    """The room goes on at once with what waited; no offer follows."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    freeze_slowly(two)
    id = guest.say("say", text="1")
    two.one.departures.abort(1)
    answer_all(two)
    assert two.one.sent == []
    assert guest.answer(id) and texts(host) == ["1"]
    assert not host.far.frozen


def test_told_to_stay_after_the_offer(two: Two) -> None:
    """The room is as it was, with commands, places and limits; what waited is done once."""
    host, guest, watcher = two.sit(token=HOST_TOKEN), two.sit(), two.sit(role="spectator")
    freeze_slowly(two)
    ids = guest.say("say", text="1"), host.say("say", text="2")
    answer_all(two)
    two.one.offered()
    assert two.one.host.census().connections == 0 and host.far.frozen
    two.one.departures.abort(1)
    two.clock.advance(0)
    assert guest.answer(ids[0]) and host.answer(ids[1])
    assert texts(host) == texts(watcher) == ["1", "2"]
    census = two.one.host.census()
    assert (census.rooms, census.connections, census.players) == (1, 3, 2)
    two.move(host, guest, watcher)
    host.say("say", text="3")
    assert texts(watcher) == ["1", "2", "3"]


def test_a_refused_join_that_waited_may_be_tried_again(two: Two) -> None:
    """At home, too, it is as if it had been refused without a move: the next one is a first."""
    two.sit(token=HOST_TOKEN)
    eve = two.come()
    freeze_slowly(two)
    eve.say("join", name="Eve", token="f" * 64)
    answer_all(two)
    two.one.offered()
    two.one.departures.abort(1)
    two.clock.advance(0)
    assert eve.far.heard[-1]["code"] == "bad_token"
    assert not eve.player.export().asked


def test_moves_that_are_not_known(two: Two) -> None:
    """To release or keep what is not on its way changes nothing."""
    host = two.sit(token=HOST_TOKEN)
    two.one.departures.release(9)
    two.one.departures.abort(9)
    assert host.answer(host.say("say", text="1")) and two.one.sent == []


# --- who is just leaving -----------------------------------------------------------------


def test_who_is_just_closing_does_not_travel(two: Two) -> None:
    """His connection ends where it is; the new owner tells the others that he is away."""
    host, leaver = two.sit(token=HOST_TOKEN), two.sit()
    leaver.far.closing = True
    two.one.begin()
    offer = two.one.offered()
    assert offer.connections == (host.player.number,)
    two.one.departures.release(1)
    two.other.land(offer, [host])
    assert host.far.kinds()[-1] == "player_left"
    leaver.player.on_closed(None, False)
    assert two.one.host.census().connections == 0
    assert two.one.host.census().rooms == 0


def test_who_closes_while_the_room_is_offered(two: Two) -> None:
    """If it stays, the room hears of it: his seat is not held by nobody for ever."""
    host, leaver = two.sit(token=HOST_TOKEN), two.sit()
    leaver.far.closing = True
    two.one.begin()
    two.one.offered()
    leaver.player.on_closed(None, False)
    two.one.departures.abort(1)
    two.clock.advance(0)
    assert host.far.kinds()[-1] == "player_left"
    assert two.one.host.census().players == 1


def test_who_closes_while_the_room_freezes(two: Two) -> None:
    """What he asked for does not travel, and the new owner notes that he is away."""
    host, leaver = two.sit(token=HOST_TOKEN), two.sit()
    freeze_slowly(two)
    leaver.say("say", text="1")
    leaver.player.on_closed(None, False)
    answer_all(two)
    offer = two.one.offered()
    assert passage.decode(offer.payload).inbox == ()
    two.one.departures.release(1)
    two.other.land(offer, [host])
    assert host.far.kinds()[-1] == "player_left" and texts(host) == []


def test_who_is_lost_before_he_has_arrived(two: Two) -> None:
    """A connection that was never taken on is nobody's loss, and its room is not idle for it."""
    host = two.sit(token=HOST_TOKEN)
    player = two.one.host.make_player(cast(Any, Wire()), 99, CODE, lambda player: None)
    player.on_closed(None, False)
    assert two.one.host.census().connections == 1
    assert host.answer(host.say("say", text="1")) and two.world.idle == []


def test_a_room_is_idle_when_the_last_has_gone(two: Two) -> None:
    """Nobody had joined, so that there never was a table."""
    first, last = two.come(), two.come()
    first.player.on_closed(None, False)
    assert two.world.idle == []
    last.player.on_closed(None, False)
    assert two.world.idle == [CODE]


# --- two owners --------------------------------------------------------------------------


def test_the_old_owner_writes_nothing_any_more(two: Two) -> None:
    """Once another one has taken a room on, its own plays are refused and not acknowledged."""
    host = two.sit(token=HOST_TOKEN)
    old, player = host.far, host.player
    two.other.recover(host)
    stale = Person(two.world, old, player)
    stale.id = host.id
    id = stale.say("say", text="ghost")
    assert stale.answer(id) is None
    assert old.closed == wire.RESUME
    assert two.one.host.census().rooms == 0
    assert host.answer(host.say("say", text="1")) and texts(host) == ["1"]


def test_a_claim_waits_for_the_commit(two: Two) -> None:
    """A new owner that only looks leaves the old one its epoch."""
    host = two.sit(token=HOST_TOKEN)
    two.one.begin()
    two.one.offered()
    looked: list[object] = []
    run(two.other.host.transfers.look_up(CODE), "look").addCallback(looked.append)
    assert looked == [None]
    two.one.departures.abort(1)
    assert host.answer(host.say("say", text="1"))


@pytest.mark.parametrize(
    ("code", "fault", "reason"),
    [
        (CODE, "", None),
        ("NONE2345", "", None),  # it may never have been made: whoever joins will hear so
        (CODE, "away", "store_away"),
        (CODE, "spoilt", "unreadable"),
    ],
)
def test_whether_a_room_could_be_gone_on_with(
    two: Two, code: str, fault: str, reason: str | None
) -> None:
    """What this release cannot read, or the store cannot give, is left where it is."""
    two.store.away = fault == "away"
    if fault == "spoilt":
        run(two.store.create("OTHER234", b"\xff"), "create")
        code = "OTHER234"
    found: list[str | None] = []

    async def look() -> None:
        try:
            await two.other.host.transfers.look_up(code)
            found.append(None)
        except Unmovable as refusal:
            found.append(refusal.reason)

    run(look(), "look")
    assert found == [reason]


def test_commands_that_travel_to_a_room_that_is_open_already(two: Two) -> None:
    """Somebody new has opened it there: what waited is decided all the same."""
    host = two.sit(token=HOST_TOKEN)
    freeze_slowly(two)
    id = host.say("say", text="1")
    answer_all(two)
    offer = two.one.offered()
    two.one.departures.release(1)
    two.world.sit(two.other.host, role="spectator")
    two.other.land(offer, [host])
    assert two.other.resumed == 1
    assert host.answer(id) is not None


def test_a_room_that_the_store_has_lost_meanwhile(two: Two) -> None:
    """The move comes to an end all the same; who says something hears that there is no room."""
    host = two.sit(token=HOST_TOKEN)
    two.one.begin()
    offer = two.one.offered()
    two.one.departures.release(1)
    two.store._rooms.clear()
    two.other.land(offer, [host])
    assert two.other.resumed == 1
    host.say("say", text="1")
    assert host.far.heard[-1]["code"] == "no_such_room"


# --- after a crash -----------------------------------------------------------------------


def test_the_seated_are_told_the_whole_state(two: Two) -> None:
    """Unasked, with the last of their commands that was done; then all goes on."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    host.say("say", text="1")
    id = host.say("say", text="2")
    two.other.recover(host, guest)
    told = host.far.heard[-1]
    assert (told["type"], told["last_id"], told["state"]["seat"]) == ("state", id, 0)
    assert told["state"]["seq"] == seqs(host)[-1]
    assert guest.far.heard[-1]["state"]["seat"] == 1
    assert two.other.resumed == 1
    assert guest.answer(guest.say("say", text="3")) and texts(host) == ["1", "2", "3"]


def test_a_spectator_is_told_the_state(two: Two) -> None:
    """As a spectator, and he hears what follows."""
    host, watcher = two.sit(token=HOST_TOKEN), two.sit(role="spectator")
    two.other.recover(host, watcher)
    told = watcher.far.heard[-1]
    assert (told["type"], told["state"]["seat"]) == ("state", None)
    host.say("say", text="1")
    assert texts(watcher) == ["1"]


def test_who_had_no_place_is_told_so(two: Two) -> None:
    """Unasked; he may join as before."""
    host, nobody = two.sit(token=HOST_TOKEN), two.come()
    two.other.recover(host, nobody)
    told = nobody.far.heard[-1]
    assert (told["type"], told["code"], told["id"]) == ("error", "not_joined", None)
    id = nobody.say("join", name="Bita")
    assert nobody.answer(id) == {"type": "ok", "id": id} and nobody.player.seat == 1


def test_what_was_done_is_not_done_twice(two: Two) -> None:
    """A command whose answer went down with the worker is answered when it comes again."""
    host, guest = two.sit(token=HOST_TOKEN), two.sit()
    two.store.slow = True
    id = host.say("say", text="1")  # the store has it; the worker never hears so
    two.store.slow = False
    assert host.answer(id) is None
    two.other.recover(host, guest)
    assert host.far.heard[-1]["last_id"] == id
    host.id = id - 1
    host.say("say", text="1")
    assert host.answer(id) == {"type": "ok", "id": id}
    assert texts(guest) == [] and two.other.table.room.seat(0).last_id == id
    assert host.answer(host.say("say", text="2")) and texts(guest) == ["2"]


def test_what_was_not_done_is_done_when_it_comes_again(two: Two) -> None:
    """It lies above the `last_id` that he was told."""
    host = two.sit(token=HOST_TOKEN)
    two.store.away = True
    id = host.say("say", text="1")
    two.store.away = False
    two.other.recover(host)
    assert host.far.heard[-1]["last_id"] == id - 1
    host.id = id - 1
    host.say("say", text="1")
    assert host.answer(id) and texts(host) == ["1"]


def test_a_join_whose_answer_was_lost(two: Two) -> None:
    """Whoever has his place by then, and joins again, is welcomed anew, with a new token."""
    host, joiner = two.sit(token=HOST_TOKEN), two.come()
    two.store.slow = True
    joiner.say("join", name="Bita")
    two.store.slow = False
    assert joiner.far.heard == []
    two.other.recover(host, joiner)
    assert joiner.far.kinds() == ["state"]
    joiner.id = 0
    joiner.say("join", name="Bita")
    assert joiner.far.kinds()[-2:] == ["welcome", "ok"]
    welcome = joiner.far.heard[-2]
    assert welcome["seat"] == 1 and joiner.far.closed is None
    again = two.world.sit(two.other.host, token=welcome["token"])
    assert again.far.heard[0]["seat"] == 1


def test_the_lobby_s_people_are_asked_to_join_again(two: Two) -> None:
    """Whatever was lost: a place, the word of it, or that a table was found."""

    def search(*, stored: bool = True) -> Person:
        one = two.world.come(two.one.host, code=wire.LOBBY)
        two.store.away = not stored
        one.say("join", name="Bita")
        two.store.away = False
        return one

    def token(person: Person) -> str:
        return str(next(m["token"] for m in person.far.heard if m["type"] == "queued"))

    waits = search()
    two.store.slow = True
    unanswered = search()
    two.store.slow = False
    unstored = search(stored=False)
    assert unanswered.far.heard == unstored.far.heard == []
    people = [waits, unanswered, unstored]
    two.other.recover(*people, room=wire.LOBBY)
    for person in people:
        assert person.far.heard[-1]["code"] == "not_joined"
    waits.say("join", name="Bita", token=token(waits))
    unanswered.say("join", name="Bita")
    unstored.say("join", name="Bita")
    assert [m["people"] for m in waits.far.heard if m["type"] == "queue"][-1] == 3
    two.store.slow = True
    last = two.world.come(two.other.host, code=wire.LOBBY)
    last.say("join", name="Bita")  # the store has their table; they never hear so
    two.store.slow = False
    assert "matched" not in waits.far.kinds()
    two.one = Side(two.world)
    two.one.recover(*people, last, room=wire.LOBBY)
    found = set()
    for person in people:
        person.say("join", name="Bita", token=token(person))
        *_, matched, answer = person.far.heard
        assert answer["type"] == "ok"
        found.add(matched["room_code"])
    assert len(found) == 1 and person.far.closed == wire.LEFT


def test_only_those_who_came_along_are_there(two: Two) -> None:
    """Whose connection was lost with the worker is away from then on."""
    host, lost = two.sit(token=HOST_TOKEN), two.sit()
    two.other.recover(host)
    assert host.far.kinds()[-2:] == ["state", "player_left"]
    token = lost.far.heard[0]["token"]
    back = two.world.sit(two.other.host, token=token)
    assert back.far.heard[0]["seat"] == 1


def test_a_room_that_a_newcomer_has_opened_already(two: Two) -> None:
    """Those whose worker died get their places from it; nobody is told twice."""
    host, watcher = two.sit(token=HOST_TOKEN), two.sit(role="spectator")
    newer = two.world.sit(two.other.host)
    two.other.recover(host, watcher)
    assert newer.player.seat == 1
    assert watcher.far.heard[-1]["type"] == "state"
    assert two.other.resumed == 1


def test_the_store_is_away_when_the_worker_dies(two: Two) -> None:
    """Its players are told of the pause, and of its end, and get the state then."""
    host = two.sit(token=HOST_TOKEN)
    two.store.away = True
    two.other.recover(host)
    assert notices(host) == ["paused"] and two.other.resumed == 0
    id = host.say("say", text="1")
    two.store.away = False
    two.clock.pump(RETRY)
    assert notices(host) == ["paused", "resumed"]
    assert host.answer(id) and two.other.resumed == 1
    assert "state" in host.far.kinds()
