"""Group commit, as far as it is not seen through a host."""

from __future__ import annotations

from twisted.internet.task import Clock

from hokm import wire
from hokm.metrics import Metrics
from hokm.room import room as rooms
from hokm.room.state import Room, freeze
from hokm.store.store import Claimed, Entry
from hokm.tasks import run
from hokm.worker.committer import Committer
from hokm.worker.step import Step
from tests.tables import HOST_TOKEN
from tests.unit.worker.memory_store import MemoryStore


class Lobby:
    """The lobby's table, as the committer sees it."""

    code = wire.LOBBY
    pending = 0

    def secure(self) -> None:
        """Nothing of it is in doubt."""


def claim(store: MemoryStore, room: Room) -> Claimed:
    """Return what a store holds of a room, and own it."""
    found: list[Claimed | None] = []
    run(store.create(room.code, freeze(room)), "create")
    run(store.claim(room.code, "test"), "claim").addCallback(found.append)
    assert found[0] is not None
    return found[0]


def test_a_lobby_that_was_lost_makes_a_table() -> None:
    """The gap is closed by the lobby's snapshot, and the table's stays its own."""
    clock, store, table, landed = Clock(), MemoryStore(), Lobby(), list[str]()
    committer = Committer(
        store=store,
        clock=clock,
        metrics=Metrics(),
        at_end_of_turn=lambda call: clock.callLater(0.1, call),
        on_lost=landed.append,
        on_away=lambda: None,
        on_back=lambda: None,
        may_answer=lambda: True,
    )
    lobby = rooms.open_lobby(wire.TableOptions(), 5.0)
    made = rooms.open_room("MADE2345", wire.TableOptions(), HOST_TOKEN, b"r" * 32)
    epoch = claim(store, lobby).epoch
    bring = Entry(made.code, 0, 0, b"", freeze(made))
    note = Entry(lobby.code, epoch, 7, b"record")  # the store holds no record: seven were lost
    committer.submit(Step(table, lobby, bring, [], released=lambda: landed.append("made")))
    committer.submit(Step(table, lobby, note, [], released=lambda: landed.append("noted")))
    clock.pump([0.1] * 5)
    assert (landed, store.calls, table.pending) == (["made", "noted"], 2, 0)
    assert claim(store, made).snapshot == freeze(made)
    assert claim(store, lobby).position == 8
