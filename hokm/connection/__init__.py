"""A player's WebSocket: adoption of its descriptor, fast ways in and out, Autobahn for the rest."""

from hokm.connection.adoption import Gone, adopt
from hokm.connection.connection import Connection
from hokm.connection.frames import ping_frame, text_frame
from hokm.connection.heartbeat import Heartbeat
from hokm.connection.player import Player
from hokm.connection.record import Record, Unrestorable
from hokm.connection.site import Site

__all__ = [
    "Connection",
    "Gone",
    "Heartbeat",
    "Player",
    "Record",
    "Site",
    "Unrestorable",
    "adopt",
    "ping_frame",
    "text_frame",
]
