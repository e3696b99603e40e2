"""A room under any order of commands, losses and time: what must hold whatever people do."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hokm import wire
from hokm.game.cards import NAMES, SUITS
from hokm.room import clock, view
from hokm.room import events as e
from hokm.room import room as rooms
from hokm.room.evolve import evolve
from hokm.room.state import freeze, thaw
from tests.referee import Judge
from tests.tables import HOST_TOKEN, PureTable

SEATS = st.integers(0, 3)
OPTIONS = st.fixed_dictionaries(
    {
        "first_hakem": st.sampled_from(["ace", "ace_partner", "random"]),
        "deal_visible": st.sampled_from(["hakem_only", "all_five"]),
        "redeal": st.sampled_from(["none", "ten_low"]),
        "rotation": st.sampled_from(["right", "left", "winner_keeps"]),
        "target": st.integers(1, 3),
        "pause_seconds": st.sampled_from([0, 4]),
        "bot_seconds": st.sampled_from([0, 1]),
        "grace_seconds": st.sampled_from([0, 20]),
    }
)


class Room(RuleBasedStateMachine):
    """People who do what they like, refused or not."""

    @initialize(seed=st.integers(0, 2**32), options=OPTIONS)
    def make(self, seed: int, options: dict[str, Any]) -> None:
        self.table = PureTable(seed, **options)
        self.table.join("Ali", token=HOST_TOKEN)
        self.older: dict[str, str] = {}  # of each token, the one that it is to void
        self.void: list[str] = []
        self.judge = Judge(self.table.room.options)
        self.judged = 0

    def attempt(self, seat: int | None, kind: type[Any], /, **fields: Any) -> bool:
        """Send a command of whoever sits there; a refusal must change nothing."""
        room = self.table.room
        if seat is not None and (room.seats[seat] is None or not room.seat(seat).present):
            return False
        before = freeze(room)
        try:
            self.table.do(seat, kind, **fields)
        except rooms.Refused as refused:
            assert refused.code in wire.ERRORS
            assert freeze(self.table.room) == before
            return False
        return True

    def join(self, **fields: Any) -> None:
        try:
            self.table.join("Sara", **fields)
        except rooms.Refused as refused:
            assert refused.code in ("room_full", "seat_taken", "bad_token")

    @rule(seat=st.none() | SEATS, seed=st.none() | st.just("ab" * 16))
    def somebody_comes(self, seat: int | None, seed: str | None) -> None:
        self.join(seat=seat, seed=seed)

    @rule()
    def somebody_watches(self) -> None:
        welcome = self.table.join(role="spectator")
        assert welcome.seat is None and welcome.token is None
        assert welcome.state.hand == welcome.state.legal == ()

    @rule(seat=SEATS)
    def a_player_comes_back(self, seat: int) -> None:
        token = self.table.tokens.get(seat)
        if token is None:
            return
        try:
            self.table.join("Sara", token=token)
        except rooms.Refused as refused:
            assert refused.code == "bad_token"  # the seat was given up, or taken away
            return
        self.is_proven(token)
        self.older[self.table.tokens[seat]] = token

    def is_proven(self, token: str) -> None:
        """Note that a player is known to have *token*: the one before it opens nothing."""
        older = self.older.pop(token, None)
        if older is not None:
            self.void.append(older)

    @rule(seat=SEATS)
    def a_connection_is_lost(self, seat: int) -> None:
        if self.table.room.seats[seat] is not None:
            self.table.advance(seat, rooms.Lost())

    @rule(seat=SEATS)
    def a_welcome_arrives(self, seat: int) -> None:
        holder = self.table.room.seats[seat]
        if holder is None or holder.bot:
            return
        self.table.advance(seat, rooms.Confirm())
        self.is_proven(self.table.tokens[seat])

    @invariant()
    def void_tokens_open_nothing(self) -> None:
        for token in self.void[-3:]:
            join = wire.Join(id=1, name="Eve", token=token)
            with pytest.raises(rooms.Refused, match="bad_token"):
                rooms.advance(self.table.room, None, join, self.table.now, self.table.chance)

    @rule(seat=SEATS, free=st.none() | SEATS, level=st.sampled_from(["easy", "normal"]))
    def add_bot(self, seat: int, free: int | None, level: str) -> None:
        self.attempt(seat, wire.AddBot, seat=free, level=level)

    @rule(seat=SEATS, other=SEATS)
    def kick(self, seat: int, other: int) -> None:
        self.attempt(seat, wire.Kick, seat=other)

    @rule(seat=SEATS, other=SEATS)
    def sit(self, seat: int, other: int) -> None:
        self.attempt(seat, wire.Sit, seat=other)

    @rule(seat=SEATS, ready=st.booleans())
    def ready(self, seat: int, ready: bool) -> None:
        self.attempt(seat, wire.Ready, ready=ready)

    @rule(seat=SEATS, fill=st.booleans())
    def start(self, seat: int, fill: bool) -> None:
        self.attempt(seat, wire.Start, fill=fill)

    @rule(fill=st.just(True))
    def the_host_starts(self, fill: bool) -> None:
        if self.table.room.host is not None:
            self.attempt(self.table.room.host, wire.Start, fill=fill)

    @rule(seat=SEATS, suit=st.sampled_from([*SUITS, "X", ""]))
    def name_trump(self, seat: int, suit: str) -> None:
        self.attempt(seat, wire.ChooseTrump, suit=suit)

    @precondition(lambda self: self.table.room.turn is not None)
    @rule(choice=st.integers(0, 12))
    def do_what_may_be_done(self, choice: int) -> None:
        turn = self.table.room.turn
        assert turn is not None
        shown = self.table.view(turn.seat)
        if self.table.room.seat(turn.seat).by_bot or not self.table.room.seat(turn.seat).present:
            self.table.tick()
        elif turn.action == "choose_trump":
            assert self.attempt(turn.seat, wire.ChooseTrump, suit=SUITS[choice % 4])
        else:
            card = shown.legal[choice % len(shown.legal)]
            assert self.attempt(turn.seat, wire.Play, card=card)

    @rule(seat=SEATS, card=st.sampled_from([*NAMES, "1X", ""]))
    def play_any_card(self, seat: int, card: str) -> None:
        legal = self.table.view(seat).legal
        turn = self.table.room.turn
        if self.attempt(seat, wire.Play, card=card):
            assert turn is not None and turn.seat == seat and card in legal

    @rule(seat=SEATS)
    def refuse_the_deal(self, seat: int) -> None:
        may = self.table.view(seat).may_redeal
        assert self.attempt(seat, wire.Redeal) <= may

    @rule(seat=SEATS)
    def say(self, seat: int) -> None:
        self.attempt(seat, wire.Say, text="hello")

    @rule(seat=SEATS)
    def repeat_the_last_command(self, seat: int) -> None:
        holder = self.table.room.seats[seat]
        if holder is None or holder.bot or not holder.present:
            return
        if holder.last_id not in holder.skipped and holder.last_id > 0:
            before = self.table.room
            assert self.table.advance(seat, wire.Play(id=holder.last_id, card="AS")) == []
            assert self.table.room is before

    @rule(seat=SEATS)
    def leave(self, seat: int) -> None:
        if self.attempt(seat, wire.Leave):
            self.table.tokens.pop(seat, None)

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 31.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.table.now += seconds
        self.table.advance(None, rooms.Tick())

    @precondition(lambda self: clock.deadline(self.table.room) is not None)
    @rule(times=st.integers(1, 60))
    def wait_for_what_is_due(self, times: int) -> None:
        for _ in range(times):
            if clock.deadline(self.table.room) is None:
                return
            had = len(self.table.log)
            self.table.tick()
            assert len(self.table.log) > had  # what is due happens

    @invariant()
    def the_log_is_the_room(self) -> None:
        if len(self.table.log) < 200 or len(self.table.log) % 50 == 0:
            assert freeze(self.table.replayed()) == freeze(self.table.room)

    @invariant()
    def a_snapshot_is_the_room(self) -> None:
        assert thaw(freeze(self.table.room)) == self.table.room

    @invariant()
    def the_promise_is_the_secrets(self) -> None:
        room = self.table.room
        assert room.promise == dataclasses.replace(room, promise="").commitment()

    @invariant()
    def everybody_hears_all(self) -> None:
        told = self.table.told
        count = len(told[None])
        assert all(len(heard) == count for heard in told.values())
        assert [message.seq for message in told[None]] == list(range(1, count + 1))
        assert self.table.room.seq == count

    @invariant()
    def the_rules_are_kept(self) -> None:
        fresh = self.table.told[None][self.judged :]
        self.judged += len(fresh)
        for message in fresh:
            self.judge.hear(message)

    @invariant()
    def no_token_is_told(self) -> None:
        text = b"".join(
            wire.encode(message) for heard in self.table.told.values() for message in heard[-8:]
        )
        assert not any(token.encode() in text for token in self.table.tokens.values())
        assert not any(
            token.encode() in freeze(self.table.room) for token in self.table.tokens.values()
        )

    @invariant()
    def the_host_is_somebody(self) -> None:
        room = self.table.room
        people = [n for n, seat in enumerate(room.seats) if seat and not seat.bot]
        assert (room.host in people) if people else room.host is None

    @invariant()
    def nobody_waits_for_a_host_who_is_not_there(self) -> None:
        room = self.table.room
        if room.host is not None and not room.playing and room.seat(room.host).stand_in:
            assert not any(seat and seat.present for seat in room.seats)

    @invariant()
    def hidden_cards_stay_hidden(self) -> None:
        hand = self.table.room.hand
        if hand is None:
            return
        for reader in (None, 0, 1, 2, 3):
            shown = self.table.view(reader)
            own = hand.holding[reader] if reader is not None else 0
            assert all(own >> NAMES.index(card) & 1 for card in shown.hand)
            if self.table.room.turn is None or self.table.room.turn.seat != reader:
                assert shown.legal == ()


def test_room() -> None:
    """Invariants hold under any order of commands."""
    run_state_machine_as_test(
        Room,
        settings=settings(
            max_examples=200,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def seen_by(
    table: PureTable, records: list[e.Record], deck: tuple[int, ...], reader: int | None
) -> list[bytes]:
    """Replay a hand's first records with another deck; the bytes that *reader* is sent."""
    room = table.first
    sent: list[bytes] = []
    for record in records:
        room = room.at(record.time)
        for event in record.events:
            if isinstance(event, e.HandBegan):
                event = msgspec.structs.replace(event, deck=deck)
            before = room.seats
            evolve(room, event)
            told = view.project(before, room, event)
            if told is not None:
                sent.append((told.private or {}).get(reader, told.public))
    sent.append(wire.encode(view.state(room, reader, table.now)))
    return sent


def test_other_hands_change_nothing_that_a_reader_is_sent() -> None:
    """Swap test: with the cards of two others exchanged, the bytes sent to a reader are equal."""
    for seed in range(40):
        table = PureTable(
            seed, deal_visible=["hakem_only", "all_five"][seed % 2], first_hakem="random"
        )
        table.start()
        hand = table.room.hand
        assert hand is not None
        # What the hakem names follows his own cards, so only his are the same in both deals.
        table.call("H")
        records = [e.decode(record) for record in table.log]
        places = _places(hand.hakem)
        for reader in (None, 0, 1, 2, 3):
            one, other = [s for s in range(4) if s not in (reader, hand.hakem)][:2]
            deck = list(hand.deck)
            for a, b in zip(places[one], places[other], strict=True):
                deck[a], deck[b] = deck[b], deck[a]
            assert deck != list(hand.deck)
            same = seen_by(table, records, hand.deck, reader)
            assert seen_by(table, records, tuple(deck), reader) == same
            assert len(same) > 10


def _places(hakem: int) -> list[list[int]]:
    """Return where in a deck each seat's cards lie."""
    places: list[list[int]] = [[], [], [], []]
    place = 0
    for packet in (5, 4, 4):
        for turn in range(4):
            places[(hakem + turn) % 4] += range(place, place + packet)
            place += packet
    return places


@pytest.mark.parametrize(("gone", "back", "host"), [([0], None, 1), ([0, 1, 2, 3], 2, 2)])
def test_a_host_who_is_not_there(gone: list[int], back: int | None, host: int) -> None:
    """After a match somebody who is there is the host, or else the first who comes back."""
    table = PureTable(target=1, turn_seconds=30, grace_seconds=0)
    table.start()
    tokens = {seat: table.tokens[seat] for seat in gone}
    for seat in gone:
        table.advance(seat, rooms.Lost())
    while table.room.phase != "match_over":
        table.tick()
        assert table.room.host == 0 or table.room.phase == "match_over"
    if back is not None:
        assert table.room.host == 0
        table.join(token=tokens[back])
    assert [message.seat for message in table.heard(None, wire.HostChanged)][-1] == host
    assert table.room.host == host
    table.do(host, wire.Start)
    assert table.room.playing
    assert freeze(table.replayed()) == freeze(table.room)
