"""Rooms that are being claimed, and what waits for each: commands, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hokm import wire
from hokm.room import room as rooms
from hokm.room.events import decode
from hokm.room.state import Room, freeze, thaw
from hokm.store.store import Claimed, OwnedElsewhere, Store, StoreAway
from hokm.tasks import run
from hokm.worker.player import Player

_log = Logger()

RETRY_SECONDS: Final = 0.2  # between two tries while the store is away

Waiting: TypeAlias = tuple[Player, wire.Command | rooms.Confirm]


@dataclass(slots=True)
class Opening:
    """One room that is being claimed.

    Attributes:
        waiting: What came for it meanwhile.
        was_away: Whether the store was, so that those who had a place were told of a pause.
        failed: Whether the store answered what nobody expects; it is logged once.
        on_open: Are called when the table goes on, or is known to be no more.
    """

    code: str
    waiting: list[Waiting] = field(default_factory=list)
    was_away: bool = False
    failed: bool = False
    on_open: list[Callable[[], None]] = field(default_factory=list)


class Opener(Protocol):
    """Who makes tables of claimed rooms: the host."""

    def opened(self, opening: Opening, claimed: Claimed | None) -> None:
        """Go on with a room that is claimed; None where there is none of that code."""

    def new_lobby(self) -> Room:
        """Make the lobby, which is not there yet."""

    def elsewhere(self, code: str) -> None:
        """Hear that a room cannot be had: another instance has it."""

    def delayed(self, code: str) -> None:
        """Hear that the store is away while a room is being claimed."""


class Openings:
    """All rooms that this worker is about to have."""

    def __init__(
        self,
        *,
        store: Store,
        clock: IReactorTime,
        owner: str,
        opener: Opener,
    ) -> None:
        """Make an empty list.

        Args:
            owner: Names this worker in the store, for people who look.
        """
        self._store = store
        self._clock = clock
        self._owner = owner
        self._opener = opener
        self._openings: dict[str, Opening] = {}
        self._stopping = False

    def __contains__(self, code: str) -> bool:
        return code in self._openings

    def waiting(self, code: str) -> int:
        """Return how many commands wait for a room."""
        opening = self._openings.get(code)
        return 0 if opening is None else len(opening.waiting)

    def open(
        self,
        code: str,
        waiting: Sequence[Waiting] = (),
        on_open: Callable[[], None] | None = None,
    ) -> None:
        """Claim a room, unless that is under way, and let *waiting* wait for it."""
        opening = self._openings.get(code)
        begin = opening is None
        if opening is None:
            opening = self._openings[code] = Opening(code)
        opening.waiting.extend(waiting)
        if on_open is not None:
            opening.on_open.append(on_open)
        if begin:
            run(self._open(opening), "opening of a table", code=code)

    def stop(self) -> None:
        """Open nothing more."""
        self._stopping = True

    async def _open(self, opening: Opening) -> None:
        """Claim the room, however long the store is away, or answers what nobody expects."""
        while not self._stopping:
            try:
                claimed = await self._claim(opening.code)
            except OwnedElsewhere:
                del self._openings[opening.code]
                self._opener.elsewhere(opening.code)
                _tell(opening)
                return
            except Exception as error:  # noqa: BLE001 - the room would never be answered again
                if not (opening.failed or isinstance(error, StoreAway)):
                    opening.failed = True
                    _log.failure("room {code} is not claimed yet", code=opening.code)
                if not opening.was_away:
                    opening.was_away = True
                    self._opener.delayed(opening.code)
                await deferLater(self._clock, RETRY_SECONDS)
                continue
            if not self._stopping:
                del self._openings[opening.code]
                try:
                    self._opener.opened(opening, claimed)
                finally:  # whatever went wrong, a move that brought the room here has ended
                    _tell(opening)
            return

    async def _claim(self, code: str) -> Claimed | None:
        """Claim a room; the lobby is made where there is none yet."""
        claimed = await self._store.claim(code, self._owner)
        if claimed is None and code == wire.LOBBY:
            await self._store.create(code, freeze(self._opener.new_lobby()))
            claimed = await self._store.claim(code, self._owner)
        return claimed


def _tell(opening: Opening) -> None:
    for tell in opening.on_open:
        tell()


def recovered(claimed: Claimed) -> Room:
    """Fold what the store holds of a room.

    Raises:
        UnknownSnapshot: Another release wrote it.
        msgspec.DecodeError: Another release wrote it.
    """
    room = thaw(claimed.snapshot)
    for record in claimed.records:
        room = rooms.replay(room, decode(record))
    return room
