"""The front desk: what players' and operators' sites ask of this server."""

from __future__ import annotations

import msgspec

from hokm import wire
from hokm.limits import Overloaded
from hokm.supervisor.parts import Parts
from hokm.supervisor.status import RoomsStatus, Status, TrendsStatus


class Desk:
    """Answers for all parts.

    Attributes:
        open: Whether the server runs, and is not about to stop.
    """

    def __init__(self, *, parts: Parts, public_url: str | None) -> None:
        """Open when the server has started.

        Args:
            public_url: Where players find the site; None: where they ask.
        """
        self.open = False
        self._parts = parts
        self._public_url = (public_url or "").rstrip("/")

    # --- players --------------------------------------------------------------------------

    async def create(self, options: wire.TableOptions, *, public: bool) -> wire.RoomCreated:
        """Make a table; its link is complete where the settings say how players find us.

        Raises:
            Overloaded: See there.
            StoreAway: The store cannot be reached.
        """
        if self._parts.scaler.overloaded:
            raise Overloaded
        made = await self._parts.tables.create(options, public=public)
        return msgspec.structs.replace(made, url=self._public_url + made.url)

    async def public(self) -> wire.PublicTables:
        """Return the public tables."""
        return await self._parts.tables.public()

    async def history(self, code: str) -> wire.History | None:
        """Return the finished hands of a table."""
        return await self._parts.tables.history(code)

    def visited(self, guest: str) -> None:
        """Count a browser in which somebody plays."""
        self._parts.guests.come(guest)

    # --- how things are -------------------------------------------------------------------

    def healthy(self) -> bool:
        """Say whether tables can be made and played at."""
        return not self.unhealthy()

    def unhealthy(self) -> tuple[str, ...]:
        """Return why players cannot be served now; nothing when they can."""
        parts, reasons = self._parts, []
        if not parts.store.up:
            reasons.append("the store does not answer")
        if not parts.pool.ready:
            reasons.append("no worker is ready")
        if parts.instance is not None:
            reasons += parts.instance.unhealthy()
        # Who is leaving serves those who are here yet: a balancer might cut them off.
        if not self.open and not (parts.instance and parts.instance.leaving.under_way):
            reasons.append("the server is stopping")
        return tuple(reasons)

    def ready(self) -> bool:
        """Say whether new players should come here."""
        return not self.unready()

    def unready(self) -> tuple[str, ...]:
        """Return why new players should go elsewhere; nothing when they may come."""
        reasons, instance = self.unhealthy(), self._parts.instance
        return reasons if reasons or instance is None else instance.unready()

    def metrics_text(self) -> bytes:
        """Return all metrics of all processes."""
        return self._parts.metrics.render()

    def status(self) -> Status:
        """Return how the instance and its workers are."""
        return self._parts.overview.status(self.unhealthy())

    def rooms(self, code: str, worker: int | None) -> RoomsStatus:
        """Return rooms; see `Overview`."""
        return self._parts.overview.rooms(code, worker)

    def trends(self) -> TrendsStatus:
        """Return what the workers did lately."""
        return self._parts.readings.trends.status()
