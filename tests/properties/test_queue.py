"""The lobby's queue: whoever waits gets a table, once, in time, whatever people do meanwhile."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hokm import wire
from hokm.room import clock
from hokm.room import events as e
from hokm.room import room as rooms
from hokm.room.effects import Reply, Tell, Whisper
from hokm.room.lobby import digest
from hokm.room.queue import AWAY_SECONDS
from hokm.room.state import SEATS, Room, freeze, thaw

MOST = 12  # people
FILL_SECONDS = 10.0


class Searching(RuleBasedStateMachine):
    """People who come, lose their connection, come back, leave; and time."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(7)
        self.first = rooms.open_lobby(wire.TableOptions(), FILL_SECONDS)
        self.room = self.first
        self.now = 0.0
        self.log: list[bytes] = []
        self.connection = 0
        self.tokens: dict[int, str] = {}  # of those who wait, by connection
        self.away: list[str] = []  # tokens whose connection is lost
        self.tables: dict[str, Room] = {}
        self.heard: dict[str, str] = {}  # token -> table

    def do(self, command: rooms.Command, connection: int = 0) -> list[Any]:
        outcome = rooms.advance(self.room, None, command, self.now, self.chance, connection)
        if outcome.record is not None:
            self.log.append(e.encode(outcome.record))
        self.room = outcome.room
        for table in outcome.tables:
            assert table.code not in self.tables
            self.tables[table.code] = table
        for effect in outcome.effects:
            if isinstance(effect, Reply) and isinstance(effect.message, wire.Queued):
                self.tokens[connection] = effect.message.token
            elif isinstance(effect, Whisper) and effect.code is not None:
                token = self.tokens.pop(effect.connection, "")
                if isinstance(effect.message, wire.Matched):
                    assert self.heard.setdefault(token, effect.message.room_code)
        return outcome.effects

    def join(self, token: str | None = None) -> None:
        self.connection += 1
        self.do(wire.Join(id=1, name="Somebody", token=token), self.connection)

    @rule()
    def come(self) -> None:
        """Somebody comes."""
        if len(self.tokens) < MOST:
            self.join()

    @rule(pick=st.integers(0, 99))
    def lose(self, pick: int) -> None:
        """A connection is lost."""
        if self.tokens:
            connection = sorted(self.tokens)[pick % len(self.tokens)]
            self.away.append(self.tokens.pop(connection))
            self.do(rooms.Lost(), connection)

    @rule(pick=st.integers(0, 99))
    def return_(self, pick: int) -> None:
        """Somebody comes back with the token: to his old place, to his table, or to a new place."""
        if self.away:
            token = self.away.pop(pick % len(self.away))
            known = any(t.key == digest(token) for t in self._waiting())
            met = {key: m.code for m in self._queue().met for key in m.keys}.get(digest(token))
            last = self._queue().last
            self.connection += 1
            effects = self.do(wire.Join(id=1, name="Somebody", token=token), self.connection)
            if met is not None:
                [whisper] = effects
                assert isinstance(whisper, Whisper)
                assert whisper.message == wire.Matched(met)
            else:
                assert self._queue().last == last + (0 if known else 1)

    @rule(pick=st.integers(0, 99))
    def take_over(self, pick: int) -> None:
        """A second connection takes a place over; the first is closed."""
        if self.tokens:
            old = sorted(self.tokens)[pick % len(self.tokens)]
            token = self.tokens[old]
            self.join(token)
            assert old not in self.tokens

    @rule(pick=st.integers(0, 99))
    def leave(self, pick: int) -> None:
        """Somebody gives up."""
        if self.tokens:
            connection = sorted(self.tokens)[pick % len(self.tokens)]
            self.do(wire.Leave(id=2), connection)
            assert connection not in self.tokens

    @rule(seconds=st.floats(0.1, 12.0))
    def wait(self, seconds: float) -> None:
        """Time passes, and the room is woken whenever it wants to be."""
        until = self.now + seconds
        while (due := clock.deadline(self.room)) is not None and due <= until:
            assert due >= self.now - 1e-6
            self.now = max(self.now, due)
            before = freeze(self.room)
            self.do(rooms.Tick())
            assert freeze(self.room) != before, "it is woken for nothing, and again at once"
        self.now = until

    @rule()
    def restart(self) -> None:
        """Another worker goes on with it: by snapshot, or by the log."""
        self.room = thaw(freeze(self.room))
        replayed = self.first
        for record in self.log:
            replayed = rooms.replay(replayed, e.decode(record))
        assert freeze(replayed) == freeze(self.room)

    def _queue(self) -> Any:
        assert self.room.queue is not None
        return self.room.queue

    def _waiting(self) -> Any:
        return self._queue().waiting

    @invariant()
    def whoever_waits_has_a_connection_or_is_missed(self) -> None:
        here = {t.connection: t for t in self._waiting() if t.away_since is None}
        assert set(here) == set(self.tokens)
        for connection, ticket in here.items():
            assert ticket.key == digest(self.tokens[connection])
        assert len(here) < SEATS, "four are a table"
        for ticket in self._waiting():
            if ticket.away_since is None:
                assert self.now - ticket.since <= SEATS * FILL_SECONDS + AWAY_SECONDS + 1e-6
            else:
                assert self.now - ticket.away_since <= AWAY_SECONDS + 1e-6

    @invariant()
    def each_has_one_seat_at_one_table(self) -> None:
        met = [key for m in self._queue().met for key in m.keys]
        assert len(met) == len(set(met))
        for token, code in self.heard.items():
            table = self.tables[code]
            keys = [seat.key for seat in table.seats if seat is not None]
            assert keys.count(digest(token)) == 1
            assert table.playing and None not in table.seats


Searching.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_searching = Searching.TestCase


def told(effects: list[Any]) -> list[Any]:
    return [wire.decode_message(effect.public) for effect in effects if isinstance(effect, Tell)]


def test_the_longer_one_waits_the_fewer_people_it_takes() -> None:
    """Alone: three bots after 30 s; two: after 20 s; three: after 10 s; four at once."""
    for people in range(1, SEATS + 1):
        machine = Searching()
        for _ in range(people):
            machine.join()
        due = FILL_SECONDS * (SEATS - people)
        if due:
            assert clock.deadline(machine.room) == due
            machine.now = due - 0.001
            assert not machine.do(rooms.Tick()) or not machine.tables
            machine.now = due
            machine.do(rooms.Tick())
        [table] = machine.tables.values()
        assert sum(seat.bot for seat in table.seats if seat) == SEATS - people
        assert set(machine.heard.values()) == {table.code}


def test_others_are_told_how_things_stand() -> None:
    """With each who comes or goes, those who wait hear how many they are, and when they begin."""
    machine = Searching()
    machine.join()
    machine.now = 4.0
    machine.connection += 1
    effects = machine.do(wire.Join(id=1, name="Two"), machine.connection)
    assert told(effects) == [wire.QueueMessage(2, 16.0)]
    assert told(machine.do(wire.Leave(id=2), 1)) == [wire.QueueMessage(1, 30.0)]


def test_what_the_lobby_refuses() -> None:
    """Nobody watches it, nobody plays in it, and an empty name is none."""
    machine = Searching()
    for command, code in (
        (wire.Join(id=1, name="x", role="spectator"), "wrong_phase"),
        (wire.Join(id=1, name=" "), "bad_message"),
        (wire.Play(id=1, card="AS"), "wrong_phase"),
        (wire.Leave(id=1), "not_seated"),
    ):
        try:
            machine.do(command, 1)
        except rooms.Refused as refused:
            assert refused.code == code
        else:
            raise AssertionError("it was not refused")
    assert machine.room is machine.first
