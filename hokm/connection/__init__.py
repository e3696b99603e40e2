"""A player's WebSocket: adoption of its descriptor, fast ways in and out, Autobahn for the rest."""

from hokm.connection.connection import Connection, Player, adopt
from hokm.connection.frames import text_frame
from hokm.connection.heartbeat import Heartbeat
from hokm.connection.site import Site

__all__ = ["Connection", "Heartbeat", "Player", "Site", "adopt", "text_frame"]
