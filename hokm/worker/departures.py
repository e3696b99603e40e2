"""Rooms that this worker gives away: frozen, offered, and let go of or kept.

From the offer on only the supervisor decides how a move ends: this side never goes on by itself,
since the other side may have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from hokm import wire
from hokm.connection import Heartbeat
from hokm.control import messages as m
from hokm.room import room as rooms
from hokm.tasks import run
from hokm.worker import passage
from hokm.worker.host import Host
from hokm.worker.player import Player
from hokm.worker.transfers import Company, Unmovable

_log = Logger()


@dataclass(slots=True)
class _Departure:
    """A room on its way out; *company* and *records* are there once it is offered."""

    room: str
    freezing: Deferred[object] | None = None
    company: Company | None = None
    records: Sequence[passage.Traveller] = ()


class Departures:
    """All moves of rooms from here to elsewhere."""

    def __init__(
        self, *, host: Host, heartbeat: Heartbeat, send: Callable[[m.FromWorker], None]
    ) -> None:
        """Make an empty list.

        Args:
            send: Tells the supervisor.
        """
        self._transfers = host.transfers
        self._heartbeat = heartbeat
        self._send = send
        self._departures: dict[int, _Departure] = {}

    def begin(self, move: int, room: str) -> None:
        """Freeze a room and offer it."""
        departure = self._departures[move] = _Departure(room)
        departure.freezing = run(self._offer(move, departure), "offer of a room", room=room)

    async def _offer(self, move: int, departure: _Departure) -> None:
        since = time.monotonic()  # the same clock in all processes of a host
        try:
            await self._transfers.freeze(departure.room)
        except Unmovable as refusal:
            self._departures.pop(move, None)
            self._send(m.Refused(room=departure.room, move=move, reason=refusal.reason))
            return
        except CancelledError:
            self._transfers.unfreeze(departure.room)
            return
        self._pack(departure)
        assert departure.company is not None
        luggage = passage.Passage(
            opened=departure.company.table is not None,
            travellers=tuple(departure.records),
            inbox=_inbox(departure.company),
        )
        self._send(
            m.Offer(
                move=move,
                connections=tuple(record.connection for record in departure.records),
                payload=passage.encode(luggage),
                since=since,
            )
        )

    def _pack(self, departure: _Departure) -> None:
        """Freeze the connections of a frozen room, and take all out of the host."""
        here = self._transfers.players(departure.room)
        frozen = [player for player in here if player.connection.freeze()]
        departure.records = [self._record(player) for player in frozen]
        departure.company = self._transfers.detach(departure.room, frozen)

    def _record(self, player: Player) -> passage.Traveller:
        silent_s, stuck_s = self._heartbeat.ages(player.connection)
        self._heartbeat.remove(player.connection)
        return passage.Traveller(
            connection=player.number,
            stream=player.connection.export(silent_s=silent_s, stuck_s=stuck_s),
            player=player.export(),
        )

    def release(self, move: int) -> None:
        """Let go of an offered room: another worker has it."""
        departure = self._departures.pop(move, None)
        if departure is not None and departure.company is not None:
            for player in departure.company.players:
                player.connection.let_go()

    def abort(self, move: int) -> None:
        """Go on with a room, offered or not."""
        departure = self._departures.pop(move, None)
        if departure is None:
            return
        if departure.company is None:
            if departure.freezing is not None:
                departure.freezing.cancel()
            return
        players = departure.company.players
        for player, record in zip(players, departure.records, strict=True):
            player.restore(record.player)
            stream = record.stream
            self._heartbeat.add(player.connection, silent_s=stream.silent_s, stuck_s=stream.stuck_s)
        self._transfers.attach(departure.company)
        for player in players:
            player.thaw()


def _inbox(company: Company) -> tuple[tuple[int, bytes | None], ...]:
    """Write what waited at the table for those who travel."""
    if company.table is None:
        return ()
    travelling = {player.number for player in company.players}
    return tuple(
        (sender.number, None if isinstance(what, rooms.Confirm) else wire.encode(what))
        for sender, what in company.table.inbox()
        if sender.number in travelling
    )
