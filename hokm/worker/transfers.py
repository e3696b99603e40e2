"""Rooms on their way between this worker's host and others': taken out, put back, taken on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from hokm.room import room as rooms
from hokm.store.store import Store, StoreAway
from hokm.worker.committer import Committer
from hokm.worker.guests import Guests
from hokm.worker.openings import Openings, Waiting, recovered
from hokm.worker.player import Player
from hokm.worker.table import PAUSED, Hold, Table

_log = Logger()


class Unmovable(Exception):
    """A room cannot be moved now. The caller refuses; the room goes on where it is.

    Attributes:
        reason: One of `hokm.control.messages.REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Company:
    """A room on its way: its table and all who are connected to it.

    Attributes:
        table: None where nobody has joined.
    """

    code: str
    table: Table | None
    players: Sequence[Player]


class Transfers:
    """What happens to a host's rooms when they move; who decides about moves is elsewhere."""

    def __init__(
        self,
        *,
        tables: dict[str, Table],
        guests: Guests,
        openings: Openings,
        committer: Committer,
        store: Store,
        take_up: Callable[[Table, Iterable[Player]], None],
    ) -> None:
        """Work on a host's own tables, guests and openings.

        Args:
            take_up: Gives connections from another worker their places at a table.
        """
        self._tables = tables
        self._guests = guests
        self._openings = openings
        self._committer = committer
        self._store = store
        self._take_up = take_up

    async def freeze(self, code: str) -> None:
        """Let a room stand still, stored as it stands, its connections included in what follows.

        Raises:
            Unmovable: See there; nothing was changed.
        """
        if code in self._openings:
            raise Unmovable("no_room")
        if self._committer.away:
            raise Unmovable("store_away")
        table = self._tables.get(code)
        if table is not None:
            table.hold(Hold.MOVE)
            await table.settle()
        elif not self._guests.of(code):
            raise Unmovable("no_room")

    def unfreeze(self, code: str) -> None:
        """Let a room go on that `freeze` was asked for."""
        table = self._tables.get(code)
        if table is not None:
            table.resume(Hold.MOVE)

    def players(self, code: str) -> list[Player]:
        """Return all who are connected for a room, seated or not."""
        return self._guests.of(code)

    def detach(self, code: str, players: Sequence[Player]) -> Company:
        """Take a frozen room out: nothing that happens here reaches it any more.

        Args:
            players: Those of its players who can go; the others are just closing.
        """
        for player in players:
            self._guests.remove(player)
        return Company(code, self._tables.pop(code, None), players)

    def attach(self, company: Company) -> None:
        """Put a room back that was taken out and did not move, and let it go on."""
        for player in company.players:
            self._guests.add(player)
        table = company.table
        if table is None:
            return
        self._tables[company.code] = table
        for recipient in list(table.seating):
            if recipient.dismissed:  # closed meanwhile
                table.lost(recipient)
        if self._committer.away:
            table.hold(Hold.STORE, PAUSED)
        table.secure()  # who knows what happened to our lease meanwhile
        table.resume(Hold.MOVE)

    async def look_up(self, code: str) -> None:
        """See whether this worker could go on with a room.

        Raises:
            Unmovable: It could not.
        """
        try:
            found = await self._store.read(code)
        except StoreAway:
            raise Unmovable("store_away") from None
        try:
            if found is not None:
                recovered(found)
        except Exception:  # noqa: BLE001 - whatever it is, the room is better off where it is
            _log.failure("room {code}: what the store holds cannot be read", code=code)
            raise Unmovable("unreadable") from None

    def take_on(
        self,
        code: str,
        players: Sequence[Player],
        waiting: Sequence[Waiting],
        on_open: Callable[[], None] | None,
    ) -> None:
        """Go on with a room's connections, which are another worker's no more.

        Args:
            waiting: Commands of theirs that were not decided.
            on_open: Is called when the table goes on; None where there is no table yet.
        """
        for player in players:
            self._guests.add(player)
        table = self._tables.get(code)
        if table is not None:
            self._take_up(table, players)
            hand_on(table, waiting)
            if on_open is not None:
                on_open()
        elif on_open is not None:
            self._openings.open(code, waiting, on_open)


def hand_on(table: Table, waiting: Sequence[Waiting]) -> None:
    """Have a table decide what waited for it, in order."""
    for player, what in waiting:
        if isinstance(what, rooms.Confirm):
            table.confirm(player)
        else:
            table.receive(player, what)
