"""What the service manager keeps while the program lives, so that a kill -9 closes no socket.

Listener and ledger are stored once. Connections are stored a few times a second, those that are
new together, as an estate and a parcel; now and then all of them anew, which gets rid of the
closed ones. The invariant: a connection is stored until it is stored again, or closed here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twisted.logger import Logger

from hokm.supervisor import estate as e
from hokm.supervisor.connections import Connections, Held
from hokm.supervisor.parcel import pack
from hokm.supervisor.systemd import ServiceManager

_log = Logger()

SECONDS: Final = 0.25  # between two looks: who came later is not kept yet
MOST_ESTATES: Final = 3  # of three descriptors each, and one more: FileDescriptorStoreMax=16
CLOSED: Final = 100  # closed connections, or as many as there are open ones, are got rid of


class Keeping:
    """Keeps a service manager's descriptor store as the connections are."""

    def __init__(
        self,
        *,
        manager: ServiceManager,
        connections: Connections,
        ports: Callable[[], Sequence[int]],
        earlier: Iterable[int] = (),
    ) -> None:
        """Keep nothing yet.

        Args:
            ports: Returns the descriptors of the sockets that listen for players.
            earlier: Numbers of the estates that are kept already.
        """
        self._manager = manager
        self._connections = connections
        self._ports = ports
        self._earlier = tuple(earlier)
        self._next = max(self._earlier, default=0) + 1
        self._estates: list[int] = []
        self._stored: set[tuple[int, bool]] = set()  # connections, and whether they watch
        self._failed = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the estates that are kept now."""
        return (*self._earlier, *self._estates)

    def start(self) -> None:
        """Store all there is; what an earlier life has stored is forgotten then."""
        self._manager.store(e.LEDGER_NAME, [self._connections.ledger.fd], poll=False)
        self._manager.store(e.LISTEN_NAME, list(self._ports()), poll=False)
        self._store_all()

    def look(self) -> None:
        """Store what is new."""
        now = self._connections.all()
        new = [held for held in now if (held.number, held.watching) not in self._stored]
        closed = len(self._stored) + len(new) - len(now)
        if closed > max(CLOSED, len(now)) or (new and len(self._estates) >= MOST_ESTATES):
            self._store_all()
        elif new:
            self._store(new)

    def leave(self, rooms: Sequence[e.KeptRoom], target: int) -> None:
        """Store all there is at the program's end.

        Args:
            rooms: What their last owners have exported.
            target: How many workers there are to be.
        """
        self._store_all(rooms, target)

    def _store_all(self, rooms: Sequence[e.KeptRoom] = (), target: int | None = None) -> None:
        before, stored = self.numbers, self._stored
        self._stored = set()
        if self._store(self._connections.all(), rooms, target):
            self._earlier, self._estates = (), self._estates[-1:]
            for number in before:
                forget(self._manager, number)
        else:
            self._stored = stored

    def _store(
        self,
        connections: Sequence[Held],
        rooms: Sequence[e.KeptRoom] = (),
        target: int | None = None,
    ) -> bool:
        """Store connections as one estate; False when the system refuses, which is logged once."""
        number, self._next = self._next, self._next + 1
        try:
            parcel = pack([held.sock.fileno() for held in connections])
        except OSError as error:
            if not self._failed:
                _log.error("not all connections are kept for a next life: {error}", error=error)
            self._failed = True
            return False
        self._failed = False
        kept = tuple(held.kept() for held in connections)
        left = e.Estate(
            ledger=-1, listening=-1, connections=kept, rooms=tuple(rooms), target=target
        )
        state = e.write(left)
        self._manager.store(f"{e.STATE_NAMES}{number}", [state], poll=False)
        ends = [end.fileno() for end in parcel]
        self._manager.store(f"{e.CONNECTIONS_NAMES}{number}", ends, poll=False)
        os.close(state)
        for end in parcel:
            end.close()
        self._estates.append(number)
        self._stored |= {(held.number, held.watching) for held in connections}
        return True


def forget(manager: ServiceManager, number: int) -> None:
    """Have a service manager keep an estate no longer."""
    for name in (e.STATE_NAMES, e.CONNECTIONS_NAMES):
        manager.remove(f"{name}{number}")


def forget_all(manager: ServiceManager, numbers: Iterable[int]) -> None:
    """Have a service manager keep nothing any more.

    Args:
        numbers: Of the estates.
    """
    for number in numbers:
        forget(manager, number)
    for name in (e.LEDGER_NAME, e.LISTEN_NAME):
        manager.remove(name)
