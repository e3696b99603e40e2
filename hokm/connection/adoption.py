"""Taking over a connected socket: a new one, or one that another process has served so far."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from hokm.connection.connection import Connection
from hokm.connection.player import Player
from hokm.connection.site import Site
from hokm.control.ledger import Line


class Gone(OSError):
    """The connection is not connected any more. The caller tells, and goes on without it."""


class _Adoption(Factory):
    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._connection


def adopt(
    sock: socket.socket,
    site: Site,
    line: Line,
    make_player: Callable[[Connection], Player],
    *,
    frozen: bool = False,
) -> Connection:
    """Go on with a connected socket; *sock* is closed.

    Args:
        line: The connection's line in the ledger.
        make_player: Is given the connection, makes its player.
        frozen: Whether nothing is read yet: the caller restores it, and thaws it in the end.

    Raises:
        Gone: The peer has reset it; *sock* is closed, and no player was made.
        OSError: No descriptor is left for a copy; *sock* is closed.
    """
    try:
        sock.getpeername()
    except OSError as error:
        sock.close()
        raise Gone(str(error)) from error
    connection = Connection(site, line, make_player)
    sock.setblocking(False)
    reactor: Any = site.reactor
    try:
        # Works on a duplicate: without the close the peer would never see ours.
        reactor.adoptStreamConnection(sock.fileno(), sock.family, _Adoption(connection))
    finally:
        sock.close()
    if frozen:
        connection.freeze()
    return connection
