"""Looks into the store now and then: which worker owns each room, and in which epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy

from disturbance.checker import Owners
from hokm.store.address import parse
from hokm.store.endpoint import make_endpoint
from hokm.store.resp import RespFactory
from hokm.store.store import StoreAway

TIMEOUT_SECONDS: Final = 5.0


class EpochWatch:
    """Asks the store for the owners of rooms.

    Attributes:
        owners: Is told what the store says.
    """

    def __init__(self, *, url: str, reactor: Any) -> None:
        """Connect, now and whenever the connection is lost.

        Args:
            url: The store's address as `GET /api/status` tells it, without a password; a store
                that asks for one is not looked into.
        """
        self.owners = Owners()
        address = parse(url)
        self._factory = RespFactory(address=address, clock=reactor, timeout=TIMEOUT_SECONDS)
        endpoint = make_endpoint(address, reactor, TIMEOUT_SECONDS)
        again = backoffPolicy(0.1, 1.0, jitter=lambda: 0.05)
        self._service = ClientService(endpoint, self._factory, retryPolicy=again, clock=reactor)
        self._service.startService()

    async def look(self, rooms: Sequence[str]) -> None:
        """Hear of the owners of *rooms*; nothing while the store is away."""
        connection = self._factory.connection
        if connection is None:
            return
        keys = [f"hokm:{{{room}}}:owner" for room in rooms]
        asked = [connection.call("HMGET", key, "epoch", "owner") for key in keys]
        for room, answer in zip(rooms, asked, strict=True):
            try:
                epoch, owner = await answer
            except StoreAway:
                continue
            if epoch is not None and owner is not None:
                self.owners.hear(room, int(epoch), owner.decode())

    def close(self) -> None:
        """Let go of the store."""
        self._service.stopService()
