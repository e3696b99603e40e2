"""New tables and the history of old ones: what the public site asks of the store."""

from __future__ import annotations

import msgspec

from hokm import wire
from hokm.metrics import Metrics
from hokm.room.opening import ROOT_BYTES, open_room, room_code
from hokm.room.state import Chance, freeze
from hokm.store.showcase import StoredShowcase
from hokm.store.store import Store

TOKEN_BYTES = 32  # 256 bits, as all seat tokens
_CODES_TRIED = 8  # 2^40 codes: two in a row taken will not happen

_hand = msgspec.json.Decoder(wire.FinishedHand)


class NoCode(Exception):
    """No free room code was found; which is as good as impossible."""


class Tables:
    """Makes tables, and reads their histories.

    Attributes:
        created: How many it has made.
    """

    def __init__(
        self, *, store: Store, showcase: StoredShowcase, chance: Chance, metrics: Metrics
    ) -> None:
        """Make the tables' front desk.

        Args:
            showcase: Of the public tables.
            chance: The operating system's randomness.
        """
        self.created = 0
        self._store = store
        self._showcase = showcase
        self._chance = chance
        self._metrics = metrics

    async def create(self, options: wire.TableOptions, *, public: bool) -> wire.RoomCreated:
        """Make a table; a *public* one is shown to everybody once somebody is there.

        Raises:
            StoreAway: The store cannot be reached; nothing was made.
        """
        token = self._chance.randbytes(TOKEN_BYTES).hex()
        root = self._chance.randbytes(ROOT_BYTES)
        for _ in range(_CODES_TRIED):
            code = room_code(self._chance)
            room = open_room(code, options, token, root, public=public)
            if await self._store.create(code, freeze(room)):
                self.created += 1
                self._metrics.games_created.inc()
                return wire.RoomCreated(code, f"/?room_code={code}", token, room.commitment())
        raise NoCode("no free room code")

    async def history(self, code: str) -> wire.History | None:
        """Return the finished hands of a table; None when there is no such table.

        Raises:
            StoreAway: The store cannot be reached.
        """
        hands = await self._store.hands(code)
        if hands is None:
            return None
        return wire.History(code, tuple(_hand.decode(hand) for hand in hands))

    async def public(self) -> wire.PublicTables:
        """Return the public tables, those first where most seats are taken and one is free.

        Raises:
            StoreAway: The store cannot be reached.
        """
        tables = await self._showcase.shown()
        tables.sort(key=lambda table: (table.free == 0, table.free, table.room_code))
        return wire.PublicTables(tuple(tables))
