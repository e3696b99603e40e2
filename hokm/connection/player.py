"""What a connection tells whoever is at this end of it."""

from __future__ import annotations

from typing import Protocol


class Player(Protocol):
    """Who is at this end of a connection."""

    def on_open(self) -> None:
        """Hear that the WebSocket is open."""

    def on_text(self, payload: bytes) -> None:
        """Take one text message; it is UTF-8."""

    def on_binary(self, payload: bytes) -> None:
        """Take one binary message."""

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping."""

    def on_closed(self, code: int | None, clean: bool) -> None:
        """Hear, once, that the connection is gone, and how the peer closed it."""
