"""A bar for the person who waits, on stderr: one line that changes, or now and then a new one."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

WIDTH: Final = 24
LINE_SECONDS: Final = 10.0  # between two lines, where a line cannot be written over


def bar(part: float, width: int = WIDTH) -> str:
    """Draw a bar of which *part*, 0 to 1, is full."""
    full = round(width * min(1.0, max(0.0, part)))
    return "[" + "#" * full + "-" * (width - full) + "]"


class Progress:
    """Tells how far it is."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        """Make one that has told nothing."""
        self._stream = stream
        self._changes = stream.isatty()
        self._last = float("-inf")
        self._width = 0

    def show(self, part: float, text: str) -> None:
        """Show a bar and what it is about."""
        line = f"{bar(part)} {text}"
        if self._changes:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            self._stream.write(line + "\n")
        self._stream.flush()

    def tell(self, text: str) -> None:
        """Tell something that stays."""
        end = "\r" + " " * self._width + "\r" if self._changes else ""
        self._stream.write(f"{end}{text}\n")
        self._stream.flush()
