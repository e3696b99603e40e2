"""Hosts with a clock, a store in memory and connections that only note what they do."""

from __future__ import annotations

import json
import random
from itertools import count
from typing import Any, cast

from twisted.internet.task import Clock

from hokm import wire
from hokm.config import WorkerSettings
from hokm.connection import Record, ping_frame
from hokm.connection.frames import read_text
from hokm.metrics import Metrics
from hokm.room import room as rooms
from hokm.room.state import freeze
from hokm.tasks import run
from hokm.worker.host import Host
from hokm.worker.player import Player
from tests.rawsocket import frame
from tests.tables import HOST_TOKEN
from tests.unit.worker.memory_store import MemoryShowcase, MemoryStore

CODE = "TABLE234"
PING = ping_frame(b"")[:1]


class Wire:
    """A connection, and what is heard at its far end.

    Attributes:
        heard: Messages, whoever sent them: the next owner's side notes into the same list.
        closed: The code that it was closed with.
        closing: Whether its close is under way, so that it cannot move.
        frozen: Whether it is to stand still.
        gone: Whether it was let go of: another owner has it.
    """

    def __init__(self, peer: str = "192.0.2.1", heard: list[dict[str, Any]] | None = None) -> None:
        self.peer = peer
        self.heard = [] if heard is None else heard
        self.closed: int | None = None
        self.pings: list[bytes] = []
        self.closing = self.frozen = self.gone = False
        self._held = b""

    def send(self, frames: bytes) -> None:
        assert self.closed is None and not self.gone
        if self.frozen:
            self._held += frames
            return
        while frames:
            size, head = frames[1], 2
            if size == 126:
                size, head = int.from_bytes(frames[2:4], "big"), 4
            payload = frames[head : head + size]
            if frames[:1] == PING:
                self.pings.append(payload)
            else:
                self.heard.append(json.loads(payload))
            frames = frames[head + size :]

    def close(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.closed = code

    def was_heard(self) -> bool:
        return False

    def freeze(self) -> bool:
        assert not self.frozen
        self.frozen = not self.closing
        return self.frozen

    def thaw(self) -> None:
        assert self.frozen and not self.gone
        self.frozen, held, self._held = False, self._held, b""
        self.send(held)

    def export(self, *, silent_s: float, stuck_s: float) -> Record:
        assert self.frozen
        return Record(head=b"GET", answer=b"101", unsent=self._held)

    def restored(self, record: Record) -> Wire:
        """Return the next owner's side, frozen."""
        other = Wire(self.peer, self.heard)
        other.frozen, other._held = True, record.unsent
        return other

    def let_go(self) -> None:
        assert self.frozen
        self.gone = True

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.heard]


class World:
    """A host and what surrounds it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.idle: list[str] = []
        self.left: list[str] = []
        self.leased = True
        self.watching: list[int] = []
        self.numbers = count(1)
        self.chance = random.Random(1)
        self.settings = settings
        self.host = self.another()
        room = rooms.open_room(CODE, wire.TableOptions(), HOST_TOKEN, b"r" * 32)
        made: list[bool] = []
        run(self.store.create(CODE, freeze(room)), "create").addCallback(made.append)
        assert made == [True]

    def another(self) -> Host:
        """Make another host on the same store, as another worker has."""
        return Host(
            store=self.store,
            clock=self.clock,
            chance=self.chance,
            metrics=Metrics(),
            settings=WorkerSettings(**self.settings),
            options=wire.TableOptions(),
            showcase=MemoryShowcase(),
            owner="test",
            at_end_of_turn=lambda call: self.clock.callLater(0, call),
            on_idle=self.idle.append,
            on_left=lambda room, numbers: self.left.append(room),
            on_watching=self.watching.append,
            may_answer=lambda: self.leased,
        )

    def seq_for_another(self) -> int:
        """Return the last event that another worker finds in the store, when it opens the room."""
        watcher = self.sit(self.another(), role="spectator")
        told_first = 1  # that the players' connections are not there
        return int(watcher.far.heard[0]["state"]["seq"]) - told_first

    def come(self, host: Host | None = None, code: str = CODE, peer: str = "192.0.2.1") -> Person:
        """Connect somebody."""
        far = Wire(peer)
        host = host or self.host
        player = host.make_player(cast(Any, far), next(self.numbers), code, lambda player: None)
        host.admit(player)
        player.on_open()
        return Person(self, far, player)

    def sit(self, host: Host | None = None, **join: Any) -> Person:
        """Connect somebody who joins."""
        person = self.come(host)
        person.say("join", **{"name": "Sara", **join})
        return person


class Person:
    """Somebody connected, who counts his ids."""

    def __init__(self, world: World, far: Wire, player: Player) -> None:
        self.world, self.far, self.player = world, far, player
        self.id = 0

    def say(self, kind: str, **fields: Any) -> int:
        """Send a command; the reactor's turn ends after it."""
        self.id += 1
        text = json.dumps({"type": kind, "id": self.id, **fields}).encode()
        read = read_text(frame(0x81, text), 0, 65535)
        assert read is not None
        self.player.on_text(read[0])
        self.world.clock.advance(0)
        return self.id

    @property
    def seq(self) -> int:
        """The last event that this person was told."""
        return max(int(message["seq"]) for message in self.far.heard if "seq" in message)

    def answer(self, id: int) -> dict[str, Any] | None:
        """Return what a command was answered with, if it was."""
        found = [m for m in self.far.heard if m["type"] in ("ok", "error") and m["id"] == id]
        assert len(found) <= 1
        return found[0] if found else None
