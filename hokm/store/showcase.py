"""The public tables, as everybody may see them. A hint, never the truth about a table."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from hokm import wire
from hokm.store.redis import RedisStore, Script

FORGET_SECONDS: Final = 90  # after the last `show`: its worker died, or nobody came back
MOST_SHOWN: Final = 200

_KEYS: Final = ("hokm:{tables}:seen", "hokm:{tables}:like")

_table = msgspec.json.Decoder(wire.PublicTable)


class Showcase(Protocol):
    """Where workers show their public tables; fails with `StoreAway`, and may be repeated."""

    async def show(self, code: str, table: wire.PublicTable | None) -> None:
        """Show a table as it is, or (None) no more; to be repeated well within `FORGET_SECONDS`."""


class StoredShowcase:
    """The showcase in the store, one for all instances."""

    def __init__(self, store: RedisStore) -> None:
        """Make one that has asked nothing."""
        self._store = store
        self._show = Script("show.lua")
        self._shown = Script("shown.lua")

    async def show(self, code: str, table: wire.PublicTable | None) -> None:
        """See `Showcase`."""
        like = b"" if table is None else wire.encode(table)
        await self._store.ask(lambda c: self._show.call(c, 2, *_KEYS, code, like))

    async def shown(self) -> list[wire.PublicTable]:
        """Return the tables that were shown last, at most `MOST_SHOWN`.

        Raises:
            StoreAway: The store cannot be reached.
        """
        found = await self._store.ask(
            lambda c: self._shown.call(c, 2, *_KEYS, FORGET_SECONDS, MOST_SHOWN)
        )
        return [_table.decode(like) for like in found if like is not None]
