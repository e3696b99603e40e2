"""A client for bots and tools: `client = await join(url, code, "Name", reactor=reactor)`.

A `Client` keeps its own picture of the table (`client.state`), tells events, finds its way back
after a lost connection, and sends again what was not answered.
"""

from hokm.client.client import Client, join
from hokm.client.errors import CommandRefused, Disconnected
from hokm.client.rooms import create_room
from hokm.client.search import find_table

__all__ = ["Client", "CommandRefused", "Disconnected", "create_room", "find_table", "join"]
