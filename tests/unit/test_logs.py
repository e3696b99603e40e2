"""Log lines: their form, what is left out, and that secrets stay inside."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

import hokm
from hokm import logs


class Written:
    """A logger of the given namespace and what its observer wrote."""

    def __init__(self, namespace: str = "hokm.supervisor", **options: Any) -> None:
        self.stream = io.StringIO()
        self.log = Logger(namespace, observer=logs.observer(self.stream, **options))

    @property
    def text(self) -> str:
        """All that was written."""
        return self.stream.getvalue()

    @property
    def entry(self) -> dict[str, Any]:
        """The one JSON object that was written."""
        (line,) = self.text.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


def event(**fields: Any) -> dict[str, Any]:
    """Make an event of a fixed time."""
    return {
        "log_time": 1795453200.1234,
        "log_level": LogLevel.info,
        "log_namespace": "hokm.supervisor",
        "log_format": "worker {worker} ready",
        "worker": 1,
    } | fields


def test_text_line() -> None:
    """A line has the time in UTC, the level, the short source and the message."""
    stream = io.StringIO()
    logs.observer(stream)(event())
    assert stream.getvalue() == "2026-11-23T17:00:00.123Z info  supervisor worker 1 ready\n"


def test_process_is_named() -> None:
    """Where a process has a name, it stands before the source."""
    stream = io.StringIO()
    logs.observer(stream, process="worker-3")(event())
    assert " info  worker-3 supervisor worker 1 ready\n" in stream.getvalue()


def test_json_line() -> None:
    """The object has the fixed keys and the event's fields, and nothing of Twisted's own."""
    stream = io.StringIO()
    logs.observer(stream, format="json", process="worker-3")(
        event(rate=float("inf"), where=Path("/x"), message="mine")
    )
    assert json.loads(stream.getvalue()) == {
        "time": "2026-11-23T17:00:00.123Z",
        "level": "info",
        "process": "worker-3",
        "source": "supervisor",
        "message": "worker 1 ready",
        "worker": 1,
        "rate": "inf",
        "where": "/x",
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_traceback(format: logs.Format) -> None:
    """A failure brings its traceback, indented or as a field."""
    written = Written(format=format)
    try:
        raise ValueError("broken")
    except ValueError:
        written.log.failure("while testing {what}", what="this")
    if format == "json":
        assert "ValueError: broken" in written.entry["traceback"]
        assert written.entry["message"] == "while testing this"
    else:
        first, *rest = written.text.splitlines()
        assert first.endswith("supervisor while testing this")
        assert rest
        assert all(line.startswith("    ") for line in rest)


def test_level() -> None:
    """What lies below the level is not written."""
    written = Written(level="warn")
    written.log.info("no")
    written.log.warn("yes")
    assert written.text.count("\n") == 1


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("debug", 2)])
def test_libraries_are_quiet(level: str, lines: int) -> None:
    """Twisted's routine is heard at debug only, its warnings always."""
    written = Written("twisted.web.http", level=level)
    written.log.info("Starting factory")
    written.log.warn("trouble")
    assert written.text.count("\n") == lines


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("name", sorted(logs.HIDDEN))
def test_secrets_are_hidden(format: logs.Format, name: str) -> None:
    """A field of a secret's name never shows its value, in the message or beside it."""
    written = Written(format=format)
    written.log.info("got {" + name + "}", **{name: "AS KD 2C"})
    assert "AS KD 2C" not in written.text
    assert "[hidden]" in written.text


def test_a_value_cannot_make_a_line() -> None:
    """Line ends and control characters in a value are written as escapes."""
    written = Written()
    written.log.info("{name} joined", name="Ali\n2026 error \x1b[31m\u2028")
    assert written.text.count("\n") == 1
    assert "Ali\\n2026 error \\x1b[31m\\u2028 joined" in written.text


def test_odd_values_and_closed_streams_do_no_harm() -> None:
    """Bytes that are no text, a broken format and a closed stream raise nothing."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    log = Logger("hokm.x", observer=logs.observer(stream))
    log.info("{name}", name="\udcff é")
    log.info("{absent}")
    stream.seek(0)
    assert "\\udcff \\xe9" in stream.read()
    stream.close()
    log.info("lost")


def test_start() -> None:
    """Starting sends the process's events to the stream and leaves standard output alone."""
    publisher, stream = LogPublisher(), io.StringIO()

    def begin(observers: Any, *, redirectStandardIO: bool) -> None:
        assert redirectStandardIO is False
        for observer in observers:
            publisher.addObserver(observer)

    logs.start(stream, format="text", level="info", process="worker-1", begin=begin)
    Logger("hokm.worker", observer=publisher).info("up")
    assert stream.getvalue().endswith("info  worker-1 worker up\n")


def test_old_interface() -> None:
    """An event of the old logging interface becomes a line too."""
    written = Written(format="json")
    written.log.observer(
        event(log_legacy=object(), log_format="{log_io}", log_io="old", system="-", time=1)
    )
    assert set(written.entry) == {"time", "level", "source", "message"}


def _logging_calls(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name | ast.Attribute)
        and "log" in ast.unparse(node.func.value)
        and node.func.attr in {"debug", "info", "warn", "error", "critical", "failure"}
    ]


def test_no_code_logs_a_secret() -> None:
    """No logging call in the program passes a field with a secret's name."""
    calls = 0
    for path in sorted(Path(hokm.__file__).parent.rglob("*.py")):
        for call in _logging_calls(ast.parse(path.read_text())):
            calls += 1
            named = {keyword.arg for keyword in call.keywords}
            assert not named & logs.HIDDEN, f"{path.name}:{call.lineno}"
    assert calls or not list(Path(hokm.__file__).parent.glob("worker/*.py"))


def test_failures_carry_no_values() -> None:
    """A traceback shows code lines, not the values of variables."""
    written = Written()
    try:
        cards = "AS" + " KD"
        raise ValueError
    except ValueError:
        written.log.failure("oops", failure=Failure())
    assert cards not in written.text
