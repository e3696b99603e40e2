"""A terminal that is taken over for a while: drawn over again and again, and read key by key."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import NoReturn

_TAKE = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
_GIVE_BACK = "\x1b[?25h\x1b[?1049l"


class Screen:
    """The terminal, as long as the context lasts; whatever ends it, it is given back."""

    def __init__(self) -> None:
        """Note which terminal: that of standard input and output."""
        self._keys = sys.stdin.fileno()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def __enter__(self) -> Screen:
        self._modes = termios.tcgetattr(self._keys)
        tty.setcbreak(self._keys)
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's `&` has us ignore it
        signal.signal(signal.SIGWINCH, lambda *_: None)  # by itself it would wake nobody
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        sys.stdout.write(_TAKE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(-1)
        sys.stdout.write(_GIVE_BACK)
        sys.stdout.flush()
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)

    def size(self) -> os.terminal_size:
        """Return columns and lines, as they are now."""
        return os.get_terminal_size(sys.stdout.fileno())

    def show(self, lines: Sequence[str]) -> None:
        """Draw lines over what is there; they must fit."""
        sys.stdout.write("\x1b[H" + "\n".join(line + "\x1b[K" for line in lines) + "\x1b[J")
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """Wait for keys, or until the terminal's size changes; returns what was pressed."""
        ready, _, _ = select.select([self._keys, self._woken], [], [], max(seconds, 0.0))
        if self._woken in ready:
            os.read(self._woken, 1024)
        if self._keys not in ready:
            return ""
        # At the end of the input nobody can end us by a key any more.
        return os.read(self._keys, 64).decode(errors="replace") or "q"


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # as shells have it
