"""What the server tells of itself while a crowd plays: asked once a second, kept as values."""

from __future__ import annotations

from typing import Any, Final

from disturbance.site import Site, Unexpected
from msgspec import Struct

LOOK_SECONDS: Final = 1.0


class Look(Struct, frozen=True, kw_only=True):
    """The server at one moment.

    Attributes:
        at: Seconds since the beginning.
        workers: That take rooms.
        wanted: How many there shall be.
        busiest: Highest CPU of a worker, part of one core.
        lag_ms: Highest event-loop lag of a worker, of the last seconds.
    """

    at: float
    workers: int
    wanted: int
    rooms: int
    connections: int
    busiest: float
    lag_ms: float
    overloaded: bool


class Event(Struct, frozen=True, kw_only=True):
    """A decision of the server's about its workers.

    Attributes:
        at: When it was seen, in seconds since the beginning.
    """

    at: float
    before: int
    target: int
    reasons: list[str]


class Watch:
    """Looks at the server.

    Attributes:
        looks: What it has seen, the oldest first.
        events: Decisions since the first look.
        status: The latest.
    """

    def __init__(self, site: Site) -> None:
        """Make one that has seen nothing."""
        self.looks: list[Look] = []
        self.events: list[Event] = []
        self.status: Any = None
        self._site = site
        self._known: set[str] | None = None

    async def look(self, now: float) -> Look:
        """Look once.

        Args:
            now: Seconds since the beginning.

        Raises:
            OSError: The server cannot be reached.
            Unexpected: It is not a hokm server, or its token is not ours.
        """
        code, status = await self._site.operate("GET", "/api/status")
        if code != 200:
            raise Unexpected(f"GET /api/status answered {code}: {status}")
        self.status = status
        ready = [worker for worker in status["workers"] if worker["state"] == "ready"]
        look = Look(
            at=round(now, 1),
            workers=len(ready),
            wanted=status["scaling"]["target"],
            rooms=status["rooms"],
            connections=status["connections"],
            busiest=max((worker["cpu"] for worker in ready), default=0.0),
            lag_ms=max((worker.get("recent_lag_ms", 0.0) for worker in ready), default=0.0),
            overloaded=status["scaling"]["overloaded"],
        )
        self.looks.append(look)
        self._note(status["scaling"]["decisions"], look.at)
        return look

    def _note(self, decisions: list[Any], at: float) -> None:
        found = {str(decision): decision for decision in decisions}
        if self._known is not None:
            self.events += [
                Event(at=at, before=d["before"], target=d["target"], reasons=d["reasons"])
                for text, d in found.items()
                if text not in self._known
            ]
        self._known = (self._known or set()) | found.keys()
