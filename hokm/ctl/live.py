"""`hokmctl top`: asks the server again and again, and shows how it is until somebody ends it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from hokm.ctl import top
from hokm.ctl.screen import Screen
from hokm.ctl.server import Server, Unreachable

_EVERY_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 3.0  # a server that takes longer is as good as away


class Feed:
    """What the server tells, and since when it tells nothing.

    Attributes:
        status, trends: The latest.
    """

    def __init__(self, server: Server) -> None:
        """Ask for the first time.

        Raises:
            Trouble: The server says no, or nothing.
        """
        self._server = server
        self._lost = ""
        self._ask()

    def _ask(self) -> None:
        self.status: Mapping[str, Any] = self._server.get("/api/status", _ANSWER_SECONDS)
        self.trends: Mapping[str, Any] = self._server.get("/api/trends", _ANSWER_SECONDS)
        self._answered = time.monotonic()

    def ask(self) -> None:
        """Ask again; a server that is away is asked again the next time.

        Raises:
            Refused: It says no.
        """
        try:
            self._ask()
            self._lost = ""
        except Unreachable as lost:
            self._lost = str(lost)

    def link(self) -> str:
        """Say what is wrong with the connection; nothing when it is well."""
        if not self._lost:
            return ""
        return f"reconnecting for {time.monotonic() - self._answered:.0f} s: {self._lost}"


def watch(server: Server) -> None:
    """Show the server until q is pressed; once only, where the output is no terminal.

    Raises:
        Trouble: The server says no, or nothing at the first time.
    """
    feed = Feed(server)
    blocks = top.BLOCKS if _can_write(top.BLOCKS) else top.LETTERS
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        lines = top.draw(feed.status, feed.trends, top.Look(blocks=blocks))
        sys.stdout.write("\n".join(lines) + "\n")
        return
    colour = not os.environ.get("NO_COLOR")  # https://no-color.org
    with Screen() as screen:
        keys, due = "", time.monotonic()
        while "q" not in keys.lower():
            if time.monotonic() >= due:
                feed.ask()
                due = time.monotonic() + _EVERY_SECONDS
            size = screen.size()
            look = top.Look(size.columns, size.lines, colour, blocks)
            screen.show(top.draw(feed.status, feed.trends, look, feed.link()))
            keys = screen.wait(due - time.monotonic())


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
