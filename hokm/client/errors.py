"""What may become of a command, or of a place at a table."""

from __future__ import annotations


class CommandRefused(Exception):
    """The server refused a command, which changed nothing.

    Attributes:
        code: One of `wire.ERRORS`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Disconnected(Exception):
    """The place at the table is gone for good.

    Attributes:
        code: Close code, see docs/protocol.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code
