"""What an instance tells the others of itself, in the store and in the status."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

State: TypeAlias = Literal["active", "leaving"]


class Member(Struct, frozen=True, kw_only=True):
    """One instance. Releases exchange it: fields are only ever added, with a default.

    Attributes:
        id: Unique in the fleet.
        holder: Tells this server from any other that claims the same id.
        address: HOST:PORT where the others relay players to.
        source: Numeric address from which it relays.
        state: `leaving` gets no new rooms.
        started: When the server started, UTC, as ISO 8601 has it; for people who look.
    """

    id: str
    holder: str
    address: str
    source: str = ""
    version: str = ""
    state: State = "active"
    workers: int = 0
    rooms: int = 0
    connections: int = 0
    started: str = ""

    def endpoint(self) -> tuple[str, int]:
        """Return host and port of the address."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)
