"""Moves of rooms in any order of messages, deadlines and deaths: nobody is lost, nobody doubled."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.task import Clock

from hokm.control import messages as m
from hokm.supervisor.child import State
from hokm.supervisor.connections import Held
from hokm.supervisor.moves import DEADLINE_SECONDS, Moves, Outcome, adopt
from hokm.supervisor.placement import Placement, RoomCode, WorkerId
from tests.unit.supervisor.fakes import close_all, connections

ROOMS = st.integers(1, 2).map(lambda n: RoomCode(f"ROOM{n}"))
NTH = st.integers(0, 5)  # one of those that there are
WORKERS = 3
PAYLOAD = b"luggage"


class Peer:
    """A worker that does as it is told, in its own time; what it says takes its time, too.

    Attributes:
        serves: Connections that it reads from and writes to now.
        draining: Moves for which its room is to be offered, with the room.
        frozen: Connections of the moves that it has offered.
        prepared: Connections of the moves that it has adopted.
        unready: Those moves for which it has not said so.
        heard: What it was told and has not read yet.
        said: What it said and nobody has read yet.
        told: All that it was told of moves, in short.
    """

    def __init__(self, id: int) -> None:
        self.id = WorkerId(id)
        self.state: State = "ready"
        self.serves: dict[int, str] = {}
        self.draining: dict[int, str] = {}
        self.frozen: dict[int, dict[int, str]] = {}
        self.prepared: dict[int, dict[int, str]] = {}
        self.unready: set[int] = set()
        self.heard: deque[m.ToWorker] = deque()
        self.said: deque[m.FromWorker] = deque()
        self.told: set[tuple[str, int]] = set()

    def tell(self, message: m.ToWorker, fds: Sequence[int] = ()) -> None:
        if self.state != "dead":
            self.heard.append(message)
            self.told.add((type(message).__name__, getattr(message, "move", 0)))

    def read(self) -> None:
        """Do all that it was told."""
        while self.heard:
            self.do(self.heard.popleft())

    def do(self, message: m.ToWorker) -> None:
        match message:
            case m.Connection(room=room, arrival=arrival):
                self.serves[arrival.connection] = room
            case m.Adopt(room=room, move=move, arrivals=arrivals):
                going = {arrival.connection: room for arrival in arrivals}
                if move:
                    self.prepared[move] = going
                    self.unready.add(move)
                else:
                    self.serves |= going
            case m.Drain(room=room, move=move):
                self.draining[move] = room
            case m.Release(move=move):
                self.frozen.pop(move, None)
            case m.Abort(move=move):
                self.draining.pop(move, None)
                self.serves |= self.frozen.pop(move, {})
            case m.Commit(move=move):
                going = self.prepared.pop(move, {})
                self.serves |= going
                resumed = m.Resumed(room="", move=move, connections=len(going), pause_s=0.01)
                self.said.append(resumed)
            case m.Cancel(move=move):
                self.prepared.pop(move, None)
                self.unready.discard(move)

    def prepare(self, move: int) -> None:
        self.unready.remove(move)
        self.said.append(m.Prepared(move=move))

    def offer(self, move: int) -> None:
        room = self.draining.pop(move)
        going = self.frozen[move] = {n: r for n, r in self.serves.items() if r == room}
        for number in going:
            del self.serves[number]
        self.said.append(m.Offer(move=move, connections=tuple(going), payload=PAYLOAD, since=0))


class Moving(RuleBasedStateMachine):
    """A supervisor's moves, as its routing uses them, and workers that answer when they like."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.placement = Placement()
        self.connections = connections()
        self.peers: list[Peer] = []
        self.asked = 0  # moves that were begun
        self.ended: list[Outcome] = []
        self.counted: list[str | None] = []
        self.parked: set[int] = set()
        self.moves = Moves(
            reactor=self.clock,
            connections=self.connections,
            placement=self.placement,
            observer=self,
            on_parked=self.let_in,
            on_orphaned=lambda room, helds: self.take_over(helds),
        )

    @initialize()
    def start(self) -> None:
        for id in range(1, WORKERS + 1):
            self.hire(id)
        for n in (1, 1, 2):
            self.arrive(RoomCode(f"ROOM{n}"))

    def hire(self, id: int) -> None:
        self.peers.append(Peer(id))
        self.placement.add(WorkerId(id))

    # --- what the supervisor does beside ---

    def moved(self, pause_s: float) -> None:
        self.counted.append(None)

    def not_moved(self, reason: str) -> None:
        self.counted.append(reason)

    def peer(self, id: WorkerId) -> Any:
        [found] = [peer for peer in self.peers if peer.id == id]
        return found

    def place(self, held: Held) -> None:
        if held.room in self.moves:
            assert held.number not in self.parked
            self.parked.add(held.number)
            self.moves.park(held)
            return
        id = self.placement.worker_for(held.room)
        self.connections.assign(held, id)
        self.peer(id).tell(m.Connection(room=held.room, arrival=held.arrival()))

    def let_in(self, held: Held) -> None:
        self.parked.remove(held.number)  # once, and only who was parked
        assert held.room not in self.moves
        self.place(held)

    def take_over(self, helds: Sequence[Held]) -> None:
        rooms: dict[RoomCode, list[Held]] = {}
        for held in helds:
            assert held.worker is not None
            self.connections.assign(held, None)
            rooms.setdefault(held.room, []).append(held)
        for room, group in rooms.items():
            id = self.placement.worker_for(room)
            for held in group:
                self.connections.assign(held, id)
            arrivals = [(held, held.arrival(read=True)) for held in group]
            adopt(self.peer(id), room, arrivals, since=0)

    def hear(self, peer: Peer) -> None:
        message = peer.said.popleft()
        real: Any = peer
        if self.moves.on_message(real, message):
            return
        assert isinstance(message, m.Closed)
        held = self.connections.get(message.connection)
        if held is not None and held.worker == peer.id:
            self.connections.close(held)

    # --- what happens ---

    def nth(self, found: Sequence[Any], n: int) -> Any:
        return found[n % len(found)]

    def offering(self) -> list[tuple[Peer, int]]:
        return [(peer, move) for peer in self.peers for move in peer.draining]

    def adopting(self) -> list[tuple[Peer, int]]:
        return [(peer, move) for peer in self.peers for move in sorted(peer.unready)]

    def serving(self) -> list[tuple[Peer, int]]:
        return [(peer, number) for peer in self.peers for number in peer.serves]

    @rule(steps=st.integers(1, 9))
    def all_goes_well(self, steps: int) -> None:
        """Let everybody do as he is told, for a while; alone the small steps seldom get far."""
        for step in range(steps):
            if step % 3 == 0:
                for peer in self.peers:
                    peer.read()
            elif step % 3 == 1:
                for peer, move in self.offering():
                    peer.offer(move)
                for peer, move in self.adopting():
                    peer.prepare(move)
            else:
                for peer in self.peers:
                    while peer.said:
                        self.hear(peer)

    @rule(room=ROOMS)
    def arrive(self, room: RoomCode) -> None:
        self.place(self.connections.add(room, b"GET", socket.socket(socket.AF_UNIX)))

    @precondition(lambda self: self.placement.rooms)
    @rule(room=ROOMS, n=NTH)
    def begin(self, room: RoomCode, n: int) -> None:
        where = self.placement.where(room)
        if where is None or room in self.moves:
            return
        source = self.peer(where)
        target = self.nth([peer for peer in self.peers if peer is not source], n)
        self.asked += 1
        self.moves.begin(room, source, target).addCallback(self.ended.append)

    @precondition(lambda self: any(peer.heard for peer in self.peers))
    @rule(n=NTH)
    def a_worker_reads(self, n: int) -> None:
        self.nth([peer for peer in self.peers if peer.heard], n).read()

    @precondition(lambda self: any(peer.said for peer in self.peers))
    @rule(n=NTH)
    def a_worker_is_heard(self, n: int) -> None:
        self.hear(self.nth([peer for peer in self.peers if peer.said], n))

    @precondition(lambda self: self.offering())
    @rule(n=NTH, ready=st.sampled_from([True, True, True, False]))
    def offer(self, n: int, ready: bool) -> None:
        peer, move = self.nth(self.offering(), n)
        if ready:
            peer.offer(move)
        else:
            room = peer.draining.pop(move)
            peer.said.append(m.Refused(room=room, move=move, reason="store_away"))

    @precondition(lambda self: self.adopting())
    @rule(n=NTH, ready=st.sampled_from([True, True, True, False]))
    def prepare(self, n: int, ready: bool) -> None:
        peer, move = self.nth(self.adopting(), n)
        if ready:
            peer.prepare(move)
        else:
            peer.unready.remove(move)
            del peer.prepared[move]
            peer.said.append(m.Refused(room="", move=move, reason="unreadable"))

    @precondition(lambda self: self.serving())
    @rule(n=NTH)
    def close(self, n: int) -> None:
        peer, number = self.nth(self.serving(), n)
        del peer.serves[number]
        peer.said.append(m.Closed(connection=number))

    @rule(n=NTH)
    def die(self, n: int) -> None:
        """End a worker; its last words are heard, and a spare is there at once."""
        dead = self.nth(self.peers, n)
        used = {peer.id for peer in self.peers}
        self.hire(next(id for id in range(1, WORKERS + 2) if id not in used))
        while dead.said:
            self.hear(dead)
        dead.state = "dead"
        self.peers.remove(dead)
        self.placement.remove(dead.id)
        self.moves.on_gone(dead)
        self.take_over(self.connections.of_worker(dead.id))

    @precondition(lambda self: self.clock.getDelayedCalls())
    @rule(seconds=st.sampled_from([DEADLINE_SECONDS / 3, DEADLINE_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # --- what always holds ---

    @invariant()
    def nobody_is_served_twice(self) -> None:
        served = [number for peer in self.peers for number in peer.serves]
        assert len(served) == len(set(served))

    @invariant()
    def a_move_ends_one_way(self) -> None:
        told = [pair for peer in self.peers for pair in peer.told if pair[1]]
        for move in {number for _, number in told}:
            said = {what for what, number in told if number == move}
            assert not ({"Commit", "Release"} & said and {"Abort", "Cancel"} & said)

    @invariant()
    def each_connection_is_somewhere(self) -> None:
        for held in self.connections.all():
            if held.worker is None:
                assert held.number in self.parked
            else:
                assert held.number not in self.parked
                assert held.worker in {peer.id for peer in self.peers}

    @invariant()
    def who_is_closed_is_nobodys(self) -> None:
        for peer in self.peers:
            for held in self.connections.of_worker(peer.id):
                assert self.connections.get(held.number) is held

    def teardown(self) -> None:
        """Let all that is under way come to its end: everybody is served then, by whom it says."""
        while any(peer.heard or peer.said for peer in self.peers) or len(self.moves):
            for peer in self.peers:
                peer.read()
                while peer.said:
                    self.hear(peer)
            self.clock.advance(DEADLINE_SECONDS)
        assert len(self.ended) == self.asked
        assert not self.parked and self.clock.getDelayedCalls() == []
        served = {number: peer.id for peer in self.peers for number in peer.serves}
        assert served == {held.number: held.worker for held in self.connections.all()}
        for held in self.connections.all():
            assert held.worker == self.placement.where(held.room)
        assert not any(peer.frozen or peer.prepared for peer in self.peers)
        close_all(self.connections)


def test_moves_machine() -> None:
    """No order of events serves a connection twice, loses one, or leaves a move without an end."""
    run_state_machine_as_test(
        Moving, settings=settings(max_examples=150, stateful_step_count=60, deadline=None)
    )
