"""The public tables of this worker, shown to everybody while somebody is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted.internet.interfaces import IReactorTime

from hokm import wire
from hokm.room.showing import showing
from hokm.store.showcase import Showcase
from hokm.store.store import StoreAway
from hokm.tasks import run
from hokm.worker.table import Table

AGAIN_SECONDS: Final = 30.0  # a third of what the showcase remembers


class Shown:
    """Keeps the showcase true of this worker's tables."""

    def __init__(self, *, showcase: Showcase, clock: IReactorTime) -> None:
        """Begin with nothing shown."""
        self._showcase = showcase
        self._clock = clock
        self._shown: dict[str, tuple[wire.PublicTable, float]] = {}  # and when

    def tend(self, tables: Mapping[str, Table]) -> None:
        """Show what has changed, and now and then what has not; once a second."""
        now = self._clock.seconds()
        for code, table in tables.items():
            if table.room.public:
                self._tend_one(code, showing(table.room), now)
        for code in [code for code in self._shown if code not in tables]:
            del self._shown[code]  # put away, or gone elsewhere, where it is shown

    def _tend_one(self, code: str, like: wire.PublicTable | None, now: float) -> None:
        last, since = self._shown.get(code, (None, now))
        if like == last and (like is None or now < since + AGAIN_SECONDS):
            return
        if like is None:
            del self._shown[code]
        else:
            self._shown[code] = like, now
        run(self._show(code, like), "showing a table", room=code)

    async def _show(self, code: str, like: wire.PublicTable | None) -> None:
        try:
            await self._showcase.show(code, like)
        except StoreAway:
            self._shown.pop(code, None)  # it is shown when the store is back
