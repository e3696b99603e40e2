"""The host: all tables of this worker, opened when somebody comes and put away when nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm import wire
from hokm.config import WorkerSettings
from hokm.connection import Connection, text_frame
from hokm.limits import Buckets
from hokm.metrics import Metrics
from hokm.room import room as rooms
from hokm.room.state import Chance, Room
from hokm.store.showcase import Showcase
from hokm.store.store import Claimed, Store, StoreAway
from hokm.worker.census import Census, take_census
from hokm.worker.committer import Committer
from hokm.worker.errors import ErrorRate
from hokm.worker.guests import Guests
from hokm.worker.openings import Opening, Openings, Waiting, recovered
from hokm.worker.player import Player
from hokm.worker.shown import Shown
from hokm.worker.step import Ending
from hokm.worker.table import INBOX_COMMANDS, PAUSED, RESUMED, Hold, Table
from hokm.worker.transfers import Transfers, hand_on
from hokm.worker.workload import Workload

_log = Logger()

MOVED: Final = Ending(wire.RESUME, "this table has moved; connect again")
MOVING: Final = text_frame(
    wire.encode(wire.Notice("moved", "this table goes on on another server"))
)
STOPPING: Final = Ending(wire.RESUME, "the server is restarting; connect again")
_POLL_SECONDS: Final = 0.01  # while the last commits end


class Host:
    """All tables and players of one worker.

    Attributes:
        errors: Of the messages that came.
        overloaded: Whether nobody new may look for a table.
        transfers: Rooms from and to other workers.
        workload: Which tables are busy.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: IReactorTime,
        chance: Chance,
        metrics: Metrics,
        settings: WorkerSettings,
        options: wire.TableOptions,
        showcase: Showcase,
        owner: str,
        at_end_of_turn: Callable[[Callable[[], None]], None],
        on_idle: Callable[[str], None],
        on_left: Callable[[str, Sequence[int]], None],
        on_watching: Callable[[int], None],
        may_answer: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make a host without tables.

        Args:
            chance: The operating system's randomness.
            options: By which tables that are found in the lobby are played.
            showcase: Where public tables are shown.
            owner: Names this worker in the store, for people who look.
            at_end_of_turn: Makes a call once this turn of the reactor has handled its events.
            on_idle: Is told the code of a room that this worker holds no more.
            on_left: Is told the code of a room that another instance has or may have now, and the
                numbers of its connections here, which are closing.
            on_watching: Is told the number of a connection that has a spectator's place.
            may_answer: Says whether this instance's lease holds, where there is a fleet.
        """
        self._store = store
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._settings = settings
        self._options = options
        self._shown = Shown(showcase=showcase, clock=clock)
        self._on_idle = on_idle
        self._on_left = on_left
        self._on_watching = on_watching
        self._tables: dict[str, Table] = {}
        self._guests = Guests()
        self._guesses = Buckets(
            settings.wrong_joins_per_minute / 60, settings.wrong_joins_per_minute
        )
        self.overloaded = False
        self._stopping = False
        self._openings = Openings(store=store, clock=clock, owner=owner, opener=self)
        self.errors = ErrorRate()
        self.workload = Workload(self._tables, clock)
        self.committer = Committer(
            store=store,
            clock=clock,
            metrics=metrics,
            at_end_of_turn=at_end_of_turn,
            on_lost=self._lost,
            on_away=self._pause,
            on_back=self._go_on,
            may_answer=may_answer,
        )
        self.transfers = Transfers(
            tables=self._tables,
            guests=self._guests,
            openings=self._openings,
            committer=self.committer,
            store=store,
            take_up=self._take_up,
        )

    # --- connections ----------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as this worker may have."""
        return len(self._guests) >= self._settings.max_connections

    def make_player(
        self,
        connection: Connection,
        number: int,
        room_code: str,
        on_gone: Callable[[Player], None],
    ) -> Player:
        """Make the player of a connection, whose URL names *room_code*; see `admit`.

        Args:
            number: Of the connection.
            on_gone: Is told when the connection is closed.
        """
        return Player(
            connection,
            number=number,
            room_code=room_code,
            tables=self,
            on_gone=on_gone,
            clock=self._clock,
            chance=self._chance,
            settings=self._settings,
        )

    def admit(self, player: Player) -> None:
        """Take a player in."""
        self._guests.add(player)

    def receive(self, player: Player, command: wire.Command) -> bool:
        """Hand a command to the player's table, which is opened if need be.

        Returns:
            False, with nothing done, when too many commands wait already.
        """
        self.errors.messages += 1
        table = self._tables.get(player.room_code)
        if table is not None:
            return table.receive(player, command)
        if player.dismissed:
            return True  # his room is elsewhere; so will he be
        if self._openings.waiting(player.room_code) >= INBOX_COMMANDS:
            return False
        self._openings.open(player.room_code, [(player, command)])
        return True

    def confirm(self, player: Player) -> None:
        """Hear that a player has received his welcome."""
        table = self._tables.get(player.room_code)
        if table is not None:
            table.confirm(player)
        elif player.room_code in self._openings:
            self._openings.open(player.room_code, [(player, rooms.Confirm())])

    def watches(self, player: Player) -> None:
        """Hear that a player has a spectator's place."""
        self._on_watching(player.number)

    def gone(self, player: Player) -> None:
        """Hear that a connection is closed."""
        player.dismiss()
        code = player.room_code
        if player not in self._guests:
            return  # not taken in yet: its room is only on its way to here
        self._guests.remove(player)
        table = self._tables.get(code)
        if table is not None:
            table.lost(player)
        elif code not in self._openings and not self._guests.of(code):
            self._on_idle(code)  # nobody has joined: there never was a table

    def refused(self, code: str) -> None:
        """Count a message that was refused before it came to a table."""
        self._metrics.messages_refused.labels(code).inc()

    def guesses(self, player: Player) -> float:
        """Return how many guesses at a room or token the player's address has left."""
        return self._guesses.level(player.peer, self._clock.seconds())

    def lower_guesses(self, player: Player, guesses: float) -> None:
        """Leave the player's address at most *guesses*, as its last worker knew it."""
        self._guesses.lower(player.peer, guesses, self._clock.seconds())

    def may_search(self, player: Player) -> bool:
        """Say whether somebody may look for a table, if that is what he came for."""
        return not (self.overloaded and player.room_code == wire.LOBBY)

    def wrong_join(self, player: Player) -> bool:
        """Note a wrong room code or token; False when the address has used up its guesses."""
        return self._guesses.take(player.peer, self._clock.seconds())

    # --- tables ---------------------------------------------------------------------------

    def opened(self, opening: Opening, claimed: Claimed | None) -> None:
        """Make a table of a room that is claimed: seat who was seated, hand on what waits."""
        code = opening.code
        present = [(player, what) for player, what in opening.waiting if not player.dismissed]
        if claimed is None:
            self._turn_away(present)
            self._on_idle(code)
            return
        try:
            room = recovered(claimed)
        except Exception:  # noqa: BLE001 - one spoilt room is not everybody's
            _log.failure("room {code}: what the store holds cannot be read", code=code)
            self._failed()
            for player in self._guests.of(code):
                self._end(player, Ending(wire.FAILED, "this table cannot be opened"))
            self._on_idle(code)
            return
        table = self._tables[code] = self._make_table(room, claimed)
        self._take_up(table, self._guests.of(code))
        hand_on(table, present)
        notice = RESUMED if opening.was_away else None
        if self.committer.away:
            table.hold(Hold.STORE)
            notice = None
        table.resume(Hold.OPENING, notice)

    def new_lobby(self) -> Room:
        """Make the lobby, which is not there yet."""
        return rooms.open_lobby(self._options, self._settings.fill_seconds)

    def _make_table(self, room: Room, claimed: Claimed) -> Table:
        if room.queue is not None:  # settings of now, not of the day when the lobby was made
            room.options = self._options
            room.queue = replace(room.queue, fill_seconds=self._settings.fill_seconds)
        return Table(
            room=room,
            epoch=claimed.epoch,
            position=claimed.position,
            keeper=self.committer,
            clock=self._clock,
            chance=self._chance,
            max_watchers=self._settings.max_spectators,
            on_failure=self._failed,
        )

    def _take_up(self, table: Table, players: Iterable[Player]) -> None:
        """Give connections from another worker their places; tell those whose worker died.

        In the lobby the latter have none: it cannot tell what they were told last. They ask again,
        and are matched if they met, or have a place with a token that they know.
        """
        lobby = table.room.queue is not None
        table.take_up(player for player in players if not (lobby and player.recovered))
        for player in players:
            if player.recovered:
                player.recovered = False
                table.greet(player)

    def delayed(self, code: str) -> None:
        """Tell those whose table comes from another worker why it stands still."""
        for player in self._guests.of(code):
            if player.placed:
                player.put(text_frame(wire.encode(PAUSED)))
                player.flush()

    def _turn_away(self, waiting: Sequence[Waiting]) -> None:
        for player, command in waiting:
            if isinstance(command, rooms.Confirm):
                continue
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
        self._part(code)

    def elsewhere(self, code: str) -> None:
        """Send those away who came for a room that another instance has."""
        _log.info("room {code} is another instance's", code=code)
        self._part(code)

    async def hand_over(self, code: str) -> None:
        """Give a room up, stored as it stands: whoever is asked for it next may have it."""
        if code in self._openings:
            return  # it is asked for again
        table = self._tables.get(code)
        if table is not None:
            table.hold(Hold.MOVE)
            await table.settle()
            if self._tables.get(code) is not table:
                return
            with suppress(StoreAway):  # then they wait until our lease ends
                await self._store.release(code, table.epoch)
        self._part(code, MOVING)

    def _part(self, code: str, notice: bytes | None = None) -> None:
        """Let go of a room: its players find it elsewhere.

        Args:
            notice: Frame that its players are sent first.
        """
        table = self._tables.pop(code, None)
        if table is not None:
            table.end(MOVED)
        players = self._guests.of(code)
        for player in players:
            if notice is not None and player.placed:
                player.put(notice)
            self._end(player, MOVED)
        self._on_left(code, [player.number for player in players])

    def doubt(self) -> None:
        """Hear that others may have got our rooms meanwhile: the store is asked before any word."""
        if self._tables:
            self.committer.doubt()

    def _failed(self) -> None:
        self.errors.failures += 1

    def _pause(self) -> None:
        _log.warn("the store is away: {tables} tables pause", tables=len(self._tables))
        for table in self._tables.values():
            table.hold(Hold.STORE, PAUSED)

    def _go_on(self) -> None:
        _log.info("the store is back: {tables} tables go on", tables=len(self._tables))
        if self._stopping:
            return
        for table in list(self._tables.values()):
            table.secure()
            table.resume(Hold.STORE, RESUMED)

    def tend(self) -> None:
        """Do what is due once a second: ask for the store, close the silent, put tables away."""
        self.committer.check()
        self.committer.publish()
        self.workload.look()
        now = self._clock.seconds()
        for player in self._guests:
            player.check(now)
        for code, table in list(self._tables.items()):
            if table.deserted_for() >= self._settings.idle_seconds:
                table.end(MOVED)
                del self._tables[code]
                self._on_idle(code)
        self._shown.tend(self._tables)

    def census(self) -> Census:
        """Count rooms and connections."""
        return take_census(self._tables.values(), self._guests, self.committer.made)

    async def settle(self, seconds: float) -> None:
        """Decide nothing more, and have stored what was decided.

        Commands that were not decided are not acknowledged: clients send them again.

        Args:
            seconds: How long the store may take.
        """
        self._stopping = True
        self._openings.stop()
        for table in self._tables.values():
            table.hold(Hold.STOP)
        until = self._clock.seconds() + seconds
        while not self.committer.quiet and self._clock.seconds() < until:
            await deferLater(self._clock, _POLL_SECONDS)
        if not self.committer.quiet:
            _log.warn("the store did not take all plays in {seconds} s", seconds=seconds)
        self.committer.publish()

    async def stop(self, seconds: float) -> None:
        """Settle, as above, and close all connections."""
        await self.settle(seconds)
        for table in self._tables.values():
            table.end(STOPPING)
        for player in self._guests:
            player.dismiss()
            player.put(STOPPING)
            player.flush()
