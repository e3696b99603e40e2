"""The host: all tables of this worker, opened when somebody comes and put away when nobody does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm import wire
from hokm.config import WorkerSettings
from hokm.connection import Connection, text_frame
from hokm.limits import Buckets
from hokm.metrics import Metrics
from hokm.room import room as rooms
from hokm.room.events import decode
from hokm.room.state import Chance, Room, thaw
from hokm.store.store import Claimed, Store, StoreAway
from hokm.tasks import run
from hokm.worker.committer import Committer
from hokm.worker.errors import ErrorRate
from hokm.worker.player import Player
from hokm.worker.step import Ending
from hokm.worker.table import INBOX_COMMANDS, Table

_log = Logger()

PAUSED: Final = wire.Notice("paused", "the server cannot store plays; the clocks stand still")
RESUMED: Final = wire.Notice("resumed", "play goes on")
MOVED: Final = Ending(wire.RESUME, "this table has moved; connect again")
STOPPING: Final = Ending(wire.RESUME, "the server is restarting; connect again")
_POLL_SECONDS: Final = 0.01  # while the last commits end
RETRY_SECONDS: Final = 0.2  # between two tries to open a table while the store is away


@dataclass(frozen=True, slots=True)
class Census:
    """How many there are of what.

    Attributes:
        players: Seats whose player is connected.
        matches: Tables in the middle of a match.
    """

    rooms: int
    connections: int
    players: int
    matches: int


class Host:
    """All tables and players of one worker.

    Attributes:
        errors: Of the messages that came.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: IReactorTime,
        chance: Chance,
        metrics: Metrics,
        settings: WorkerSettings,
        owner: str,
        on_idle: Callable[[str], None],
    ) -> None:
        """Make a host without tables.

        Args:
            chance: The operating system's randomness.
            owner: Names this worker in the store, for people who look.
            on_idle: Is told the code of a room that this worker holds no more.
        """
        self._store = store
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._settings = settings
        self._owner = owner
        self._on_idle = on_idle
        self._tables: dict[str, Table] = {}
        self._opening: dict[str, list[tuple[Player, wire.Command]]] = {}
        self._players: dict[Player, None] = {}
        self._comers: Counter[str] = Counter()  # connections by room code
        self._guesses = Buckets(
            settings.wrong_joins_per_minute / 60, settings.wrong_joins_per_minute
        )
        self._stopping = False
        self.errors = ErrorRate()
        self.committer = Committer(
            store=store,
            clock=clock,
            metrics=metrics,
            on_lost=self._lost,
            on_away=self._pause,
            on_back=self._go_on,
        )

    # --- connections ----------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as this worker may have."""
        return len(self._players) >= self._settings.max_connections

    def admit(
        self, connection: Connection, room_code: str, on_gone: Callable[[Connection], None]
    ) -> Player:
        """Take a new connection, whose URL names *room_code*.

        Args:
            on_gone: Is told when the connection is closed.
        """
        player = Player(
            connection,
            room_code=room_code,
            tables=self,
            on_gone=on_gone,
            clock=self._clock,
            chance=self._chance,
            settings=self._settings,
        )
        self._players[player] = None
        self._comers[room_code] += 1
        return player

    def receive(self, player: Player, command: wire.Command) -> bool:
        """Hand a command to the player's table, which is opened if need be.

        Returns:
            False, with nothing done, when too many commands wait already.
        """
        self.errors.messages += 1
        table = self._tables.get(player.room_code)
        if table is not None:
            return table.receive(player, command)
        waiting = self._opening.setdefault(player.room_code, [])
        if len(waiting) >= INBOX_COMMANDS:
            return False
        waiting.append((player, command))
        if len(waiting) == 1:
            run(self._open(player.room_code), "opening of a table", code=player.room_code)
        return True

    def confirm(self, player: Player) -> None:
        """Hear that a player has received his welcome."""
        table = self._tables.get(player.room_code)
        if table is not None:
            table.confirm(player)

    def gone(self, player: Player) -> None:
        """Hear that a connection is closed."""
        self._players.pop(player, None)
        player.dismiss()
        code = player.room_code
        self._comers[code] -= 1
        if not self._comers[code]:
            del self._comers[code]
        table = self._tables.get(code)
        if table is not None:
            table.lost(player)
        elif code not in self._opening and code not in self._comers:
            self._on_idle(code)  # nobody has joined: there never was a table

    def refused(self, code: str) -> None:
        """Count a message that was refused before it came to a table."""
        self._metrics.messages_refused.labels(code).inc()

    def may_guess(self, player: Player) -> bool:
        """Say whether the player's address may try a room code or a token."""
        return self._guesses.has(player.peer, self._clock.seconds())

    def wrong_join(self, player: Player) -> bool:
        """Note a wrong room code or token; False when the address has used up its guesses."""
        return self._guesses.take(player.peer, self._clock.seconds())

    # --- tables ---------------------------------------------------------------------------

    async def _open(self, code: str) -> None:
        """Claim and read a room, and hand it the commands that wait for it."""
        claimed = await self._claim(code)
        waiting = self._opening.pop(code)
        present = [(player, command) for player, command in waiting if not player.dismissed]
        if self._stopping:
            return
        if claimed is None:
            self._turn_away(present)
            self._on_idle(code)
            return
        try:
            room = _recovered(claimed)
        except Exception:  # noqa: BLE001 - one spoilt room is not everybody's
            _log.failure("room {code}: what the store holds cannot be read", code=code)
            self._failed()
            for player, _ in present:
                self._end(player, Ending(wire.FAILED, "this table cannot be opened"))
            self._on_idle(code)
            return
        table = self._tables[code] = Table(
            room=room,
            epoch=claimed.epoch,
            position=claimed.position,
            keeper=self.committer,
            clock=self._clock,
            chance=self._chance,
            max_watchers=self._settings.max_spectators,
            on_failure=self._failed,
        )
        for player, command in present:
            table.receive(player, command)
        if not self.committer.away:
            table.resume()

    async def _claim(self, code: str) -> Claimed | None:
        """Claim the room, however long the store is away."""
        while not self._stopping:
            try:
                return await self._store.claim(code, self._owner)
            except StoreAway:
                await deferLater(self._clock, RETRY_SECONDS)
        return None

    def _turn_away(self, waiting: list[tuple[Player, wire.Command]]) -> None:
        for player, command in waiting:
            self.refused("no_such_room")
            player.turned_away("no_such_room")
            player.put(text_frame(wire.encode(wire.error(command.id, "no_such_room"))))
            self._end(player, Ending(wire.POLICY, "no such room"))

    def _end(self, player: Player, ending: Ending) -> None:
        player.dismiss()
        player.put(ending)
        player.flush()

    def _lost(self, code: str) -> None:
        """Drop a table that has another owner now."""
        _log.warn("room {code} has another owner", code=code)
        for player in self._tables.pop(code).end(MOVED):
            player.flush()

    def _failed(self) -> None:
        self.errors.failures += 1

    def _pause(self) -> None:
        _log.warn("the store is away: {tables} tables pause", tables=len(self._tables))
        for table in self._tables.values():
            table.hold(PAUSED)

    def _go_on(self) -> None:
        _log.info("the store is back: {tables} tables go on", tables=len(self._tables))
        if self._stopping:
            return
        for table in list(self._tables.values()):
            table.secure()
            table.resume(RESUMED)

    def tend(self) -> None:
        """Do what is due now and then, once a second: ask for the store, put tables away."""
        self.committer.check()
        for code, table in list(self._tables.items()):
            if table.deserted_for() >= self._settings.idle_seconds:
                table.end(MOVED)
                del self._tables[code]
                self._on_idle(code)

    def census(self) -> Census:
        """Count rooms and connections."""
        return Census(
            rooms=len(self._tables),
            connections=len(self._players),
            players=sum(table.seating.players for table in self._tables.values()),
            matches=sum(table.room.playing for table in self._tables.values()),
        )

    async def stop(self, seconds: float) -> None:
        """Decide nothing more, have stored what was decided, and close all connections.

        Commands that were not decided are not acknowledged: clients send them again.

        Args:
            seconds: How long the store may take.
        """
        self._stopping = True
        for table in self._tables.values():
            table.hold()
        until = self._clock.seconds() + seconds
        while not self.committer.quiet and self._clock.seconds() < until:
            await deferLater(self._clock, _POLL_SECONDS)
        if not self.committer.quiet:
            _log.warn("the store did not take all plays in {seconds} s", seconds=seconds)
        for table in self._tables.values():
            table.end(STOPPING)
        for player in list(self._players):
            player.dismiss()
            player.put(STOPPING)
            player.flush()


def _recovered(claimed: Claimed) -> Room:
    """Fold what the store holds of a room.

    Raises:
        UnknownSnapshot: Another release wrote it.
        msgspec.DecodeError: Another release wrote it.
    """
    room = thaw(claimed.snapshot)
    for record in claimed.records:
        room = rooms.replay(room, decode(record))
    return room
