"""The worker as a process: what the supervisor tells it, and what it reports."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

_log = Logger()

TEND_SECONDS: Final = 1.0
