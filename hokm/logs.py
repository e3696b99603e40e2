"""How log lines look and which are written: one observer for the supervisor and every worker.

Text for people, or JSON objects, one a line, for machines. What is secret never comes out: a
field with one of the names in `HIDDEN` is replaced, whoever logs it. Nothing here raises: a log
line that cannot be written is lost, the game goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO, TypeAlias

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogBeginner,
)
from twisted.python.failure import Failure
from zope.interface import implementer

Format: TypeAlias = Literal["text", "json"]
HIDDEN: Final = frozenset({"token", "secret", "cards", "hand", "deck", "seed"})

# Libraries report at info what is daily routine here: a factory started, an HTTP request came.
# `log_legacy` is the old logging interface, which txredisapi and twisted.web's access log use.
_CHATTY: Final = frozenset({"twisted", "autobahn", "txredisapi", "log_legacy"})
_OWN_KEYS: Final = frozenset({"time", "level", "process", "source", "message", "traceback"})
# Without this a player could write whole log lines by his name (CWE-117).
_ESCAPES: Final = {
    code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)
}


def observer(
    stream: TextIO, *, format: Format = "text", level: str = "info", process: str | None = None
) -> ILogObserver:
    """Make the observer that writes events to *stream*.

    Args:
        stream: Is flushed after each line.
        format: ``text`` or ``json``.
        level: Least level that is written: debug, info, warn, error or critical. Libraries are
            heard from warn on, unless this is debug.
        process: Who writes, where several processes share a stream, as ``worker-3``.
    """
    return _Observer(
        stream=stream,
        line_of=_json_line if format == "json" else _text_line,
        least=LogLevel.levelWithName(level),
        process=process,
    )


@implementer(ILogObserver)
class _Observer:
    def __init__(
        self,
        *,
        stream: TextIO,
        line_of: Callable[[LogEvent, str | None], str],
        least: Any,  # one of LogLevel's constants, which have no type of their own
        process: str | None,
    ) -> None:
        self._stream = stream
        self._line_of = line_of
        self._least = least
        self._process = process

    def __call__(self, event: LogEvent) -> None:
        if not self._is_wanted(event):
            return
        line = self._line_of(_without_secrets(event), self._process)
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # the pipe is gone, or the file closed
            return

    def _is_wanted(self, event: LogEvent) -> bool:
        level = event.get("log_level", LogLevel.info)
        if level < self._least:
            return False
        is_library = str(event.get("log_namespace", "")).partition(".")[0] in _CHATTY
        return not is_library or level >= LogLevel.warn or self._least == LogLevel.debug


def start(
    stream: TextIO,
    *,
    format: Format,
    level: str,
    process: str,
    begin: Callable[..., None] = globalLogBeginner.beginLoggingTo,
) -> None:
    """Send all of this process's events to *stream*; a worker's first act.

    Args:
        stream: See `observer`, also for the rest.
        format: See `observer`.
        level: See `observer`.
        process: See `observer`.
        begin: What begins the logging.
    """
    begin([observer(stream, format=format, level=level, process=process)], redirectStandardIO=False)


def _without_secrets(event: LogEvent) -> LogEvent:
    hidden = dict.fromkeys(HIDDEN & event.keys(), "[hidden]")
    return {**event, **hidden} if hidden else event


def _parts(event: LogEvent) -> tuple[str, str, str, str]:
    """Give time, level, source and message."""
    moment = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    source = str(event.get("log_namespace", "")).removeprefix("hokm.") or "-"
    return time, event.get("log_level", LogLevel.info).name, source, formatEvent(event)


def _traceback(event: LogEvent) -> str | None:
    failure = event.get("log_failure")
    return failure.getTraceback() if isinstance(failure, Failure) else None


def _text_line(event: LogEvent, process: str | None) -> str:
    time, level, source, message = _parts(event)
    who = f"{process} " if process else ""
    line = f"{time} {level:<5} {who}{source} {message.translate(_ESCAPES)}\n"
    for row in (_traceback(event) or "").splitlines():
        line += f"    {row.translate(_ESCAPES)}\n"
    return line


def _json_line(event: LogEvent, process: str | None) -> str:
    time, level, source, message = _parts(event)
    entry: dict[str, Any] = {"time": time, "level": level}
    if process:
        entry["process"] = process
    entry |= {"source": source, "message": message}
    if "log_legacy" not in event:  # whose fields are those of the old interface itself
        entry |= {
            name: _plain(value)
            for name, value in event.items()
            if not name.startswith("log_") and name not in _OWN_KEYS
        }
    if (traceback := _traceback(event)) is not None:
        entry["traceback"] = traceback
    return json.dumps(entry) + "\n"


def _plain(value: Any) -> Any:
    """Give what JSON can hold, which has no word for infinity; of all else its text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)
