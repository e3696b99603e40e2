"""Connections that come to this worker: new ones, and those that another worker has served so far.

After a move their owner exported what they are made of; after a crash only the request and the
ledger are left. Both are restored frozen, seated by the room's log, and thawed; a move waits for
the supervisor's word in between. Nothing here may harm a socket that is not ours yet: what cannot
be restored is let go of.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.logger import Logger

from hokm import wire
from hokm.connection import Connection, Gone, Heartbeat, Record, Site, Unrestorable, adopt
from hokm.control import messages as m
from hokm.control.ledger import Ledger
from hokm.control.refusal import turn_away
from hokm.control.stream import cookie
from hokm.room import room as rooms
from hokm.tasks import run
from hokm.worker import passage
from hokm.worker.host import Host
from hokm.worker.openings import Waiting
from hokm.worker.player import Player
from hokm.worker.transfers import Unmovable

_log = Logger()


@dataclass(slots=True)
class _Adoption:
    """A room on its way to here.

    Attributes:
        since: Since when it stands still, as `hokm.control.messages.Adopt` has it.
        opened: Whether there is a table to open.
        gone: Numbers of connections that were reset on the way; to be told once the room is
            ours, and by its old owner if it stays.
        given_up: Whether it is not to come any more.
    """

    room: str
    move: int
    since: float
    players: list[Player] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    opened: bool = True
    given_up: bool = False


class Arrivals:
    """All that comes to this worker by descriptor."""

    def __init__(
        self,
        *,
        host: Host,
        site: Site,
        ledger: Ledger,
        heartbeat: Heartbeat,
        send: Callable[[m.FromWorker], None],
        on_resumed: Callable[[float], None],
    ) -> None:
        """Make an empty list.

        Args:
            send: Tells the supervisor.
            on_resumed: Is told how long a room that moved to here stood still, in seconds.
        """
        self._host = host
        self._transfers = host.transfers
        self._site = site
        self._ledger = ledger
        self._heartbeat = heartbeat
        self._send = send
        self._on_resumed = on_resumed
        self._parts: list[tuple[m.Arrival, socket.socket]] = []
        self._parts_of: tuple[str, int] | None = None  # room and move
        self._prepared: dict[int, _Adoption] = {}

    # --- new ones -------------------------------------------------------------------------

    def take(self, message: m.Connection, descriptors: list[int]) -> bool:
        """Adopt a player's socket whose request nobody has read.

        Returns:
            Whether it was turned away, because there are as many connections as there may be.
        """
        number = message.arrival.connection
        [(arrival, sock)] = _sockets((message.arrival,), descriptors)
        if cookie(sock) != arrival.cookie:
            sock.close()
            self._send(m.NotTaken(connection=number, reason="it is not the one announced"))
            return False
        if self._host.is_full:
            # Its room is here and nowhere else: another worker could not do better.
            turn_away(sock, 503, "Service Unavailable")
            self._send(m.Closed(connection=number))
            return True
        try:
            player = self._adopt(arrival, sock, message.room, frozen=False)
        except OSError as error:  # no descriptor is left for Twisted's copy
            self._send(m.NotTaken(connection=number, reason=str(error)))
            return False
        self._host.admit(player)
        self._heartbeat.add(player.connection)
        return False

    def _adopt(self, arrival: m.Arrival, sock: socket.socket, room: str, *, frozen: bool) -> Player:
        made: list[Player] = []

        def make(connection: Connection) -> Player:
            made.append(self._host.make_player(connection, arrival.connection, room, self._closed))
            return made[0]

        connection = adopt(sock, self._site, self._ledger.line(arrival.line), make, frozen=frozen)
        connection.peer = arrival.origin or connection.peer
        return made[0]

    def _closed(self, player: Player) -> None:
        self._heartbeat.remove(player.connection)
        self._send(m.Closed(connection=player.number))

    # --- a room's -------------------------------------------------------------------------

    def adopt(self, message: m.Adopt, descriptors: list[int]) -> None:
        """Restore the connections of a room; after a crash or restart, go on with it at once."""
        parts = self._collect(message, descriptors)
        if message.more:
            return
        self._parts = []
        adoption = _Adoption(message.room, message.move, message.since)
        try:
            if any(cookie(sock) != arrival.cookie for arrival, sock in parts):
                raise Unrestorable("a socket is not the one announced")
            if message.payload:
                self._restore(adoption, parts, passage.decode(message.payload))
            else:
                self._recover(adoption, parts)
        except Exception:  # noqa: BLE001 - whatever it is, the room is better off where it is
            _log.failure("room {room} cannot be adopted", room=message.room)
            _close_all(parts)
            self._let_go(adoption)
            self._refuse(message, [arrival for arrival, _ in parts], "unreadable")
            return
        if message.move:
            self._prepared[message.move] = adoption
            run(self._prepare(adoption), "preparation of a room", room=message.room)
        else:
            self._take_on(adoption)

    def _collect(
        self, message: m.Adopt, descriptors: list[int]
    ) -> list[tuple[m.Arrival, socket.socket]]:
        """Put the packets of one room together; what is left of another never became whole."""
        key = message.room, message.move
        if key != self._parts_of:
            _close_all(self._parts)
            self._parts, self._parts_of = [], key
        self._parts += _sockets(message.arrivals, descriptors)
        return self._parts

    def refuse(self, message: m.Adopt) -> None:
        """Refuse a room whose descriptors did not fit into this process."""
        arrivals = [arrival for arrival, _ in self._parts]
        _close_all(self._parts)
        self._parts = []
        self._refuse(message, [*arrivals, *message.arrivals], "descriptors")

    def _refuse(self, message: m.Adopt, arrivals: Sequence[m.Arrival], reason: str) -> None:
        numbers = tuple(arrival.connection for arrival in arrivals)
        self._send(
            m.Refused(room=message.room, move=message.move, reason=reason, connections=numbers)
        )

    def _restore(
        self,
        adoption: _Adoption,
        parts: Sequence[tuple[m.Arrival, socket.socket]],
        luggage: passage.Passage,
    ) -> None:
        """Make the players as their last worker exported them."""
        by_number: dict[int, Player] = {}
        records = {traveller.connection: traveller for traveller in luggage.travellers}
        for arrival, sock in parts:
            record = records[arrival.connection]
            try:
                player = self._adopt(arrival, sock, adoption.room, frozen=True)
            except Gone:
                adoption.gone.append(arrival.connection)
                continue
            adoption.players.append(player)
            by_number[player.number] = player
            player.connection.restore(record.stream)
            player.restore(record.player)
            self._host.lower_guesses(player, record.player.guesses)
            self._heartbeat.add(
                player.connection,
                silent_s=record.stream.silent_s,
                stuck_s=record.stream.stuck_s,
            )
        adoption.opened = luggage.opened
        adoption.waiting = [
            (by_number[number], rooms.Confirm() if text is None else wire.decode(text))
            for number, text in luggage.inbox
            if number in by_number
        ]

    def _recover(
        self, adoption: _Adoption, parts: Sequence[tuple[m.Arrival, socket.socket]]
    ) -> None:
        """Make the players of a worker that died: their places stand in the room's log."""
        for arrival, sock in parts:
            try:
                player = self._adopt(arrival, sock, adoption.room, frozen=True)
            except Gone:
                self._send(m.Closed(connection=arrival.connection))
                continue
            try:
                if arrival.answered:
                    player.connection.recover(arrival.head)
                    player.recovered = True
                    player.watching = arrival.watching
                else:
                    player.connection.restore(Record(head=arrival.head, answer=b""))
            except Unrestorable:
                _log.failure("a connection of room {room} is lost", room=adoption.room)
                player.connection.let_go()
                self._send(m.Closed(connection=player.number))
                continue
            adoption.players.append(player)
            self._heartbeat.add(player.connection)

    async def _prepare(self, adoption: _Adoption) -> None:
        """See whether the room can be gone on with, and tell."""
        try:
            await self._transfers.look_up(adoption.room)
        except Unmovable as refusal:
            if self._prepared.pop(adoption.move, None) is not None:
                self._let_go(adoption)
                self._send(m.Refused(room=adoption.room, move=adoption.move, reason=refusal.reason))
            return
        if not adoption.given_up:
            self._send(m.Prepared(move=adoption.move))

    def commit(self, move: int) -> None:
        """Go on with a prepared room: it is ours."""
        adoption = self._prepared.pop(move, None)
        if adoption is not None:
            self._take_on(adoption)

    def cancel(self, move: int) -> None:
        """Let go of a room, prepared or not: it stays where it is."""
        adoption = self._prepared.pop(move, None)
        if adoption is not None:
            self._let_go(adoption)

    def _take_on(self, adoption: _Adoption) -> None:
        def resumed() -> None:
            pause = time.monotonic() - adoption.since
            if adoption.move:
                self._on_resumed(pause)
            self._send(
                m.Resumed(
                    room=adoption.room,
                    move=adoption.move,
                    connections=len(adoption.players),
                    pause_s=pause,
                )
            )

        self._transfers.take_on(
            adoption.room,
            adoption.players,
            adoption.waiting,
            resumed if adoption.opened else None,
        )
        if not adoption.opened:
            resumed()
        for player in adoption.players:
            player.thaw()
        for number in adoption.gone:
            self._send(m.Closed(connection=number))

    def _let_go(self, adoption: _Adoption) -> None:
        adoption.given_up = True
        for player in adoption.players:
            self._heartbeat.remove(player.connection)
            player.connection.let_go()


def _sockets(
    arrivals: Sequence[m.Arrival], descriptors: list[int]
) -> list[tuple[m.Arrival, socket.socket]]:
    """Pair arrivals with their sockets; all descriptors are owned by these from then on.

    Raises:
        ValueError: There are more or less than announced; all are closed.
    """
    if len(arrivals) != len(descriptors):
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError(f"{len(descriptors)} descriptors came for {len(arrivals)} connections")
    return [
        (arrival, socket.socket(fileno=descriptor))
        for arrival, descriptor in zip(arrivals, descriptors, strict=True)
    ]


def _close_all(parts: Sequence[tuple[m.Arrival, socket.socket]]) -> None:
    for _, sock in parts:
        sock.close()  # those that were adopted are closed already: this is our copy
