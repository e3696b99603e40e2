"""`hokmctl` as an operator runs it, against the real site with a fake instance behind it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from ports import free_ports
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from hokm.admin.site import make_site
from hokm.jobs import Job, Refused
from hokm.tasks import run
from tests.operations import FakeInstance

reactor: Any = installed
TOKEN = "operators-secret-token"
SECONDS = 30.0  # for a command; each takes a fraction of one


class Admin:
    """An admin port that can be closed and opened again.

    Attributes:
        instance: Who answers there.
    """

    def __init__(self, token: str | None = None) -> None:
        self.instance = FakeInstance(reactor)
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._token = token
        self._listening: Any = None
        self.open()

    def open(self) -> None:
        """Listen."""
        site = make_site(
            instance=self.instance, operations=self.instance, token=self._token, reactor=reactor
        )
        self._listening = reactor.listenTCP(self.port, site, interface="127.0.0.1")

    def close(self) -> Deferred[None]:
        """Listen no more."""
        listening, self._listening = self._listening, None
        return maybeDeferred(listening.stopListening) if listening else succeed(None)

    def become(self, instance: FakeInstance) -> Deferred[None]:
        """Let another instance answer from now on."""

        def change(_: object) -> None:
            self.instance = instance
            self.open()

        return self.close().addCallback(change)

    async def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run hokmctl against this port."""
        return await hokmctl(*arguments, HOKM_ADMIN_URL=self.url, **environ)


async def hokmctl(
    *arguments: str, stderr: int = subprocess.PIPE, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run hokmctl with no setting of the surroundings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HOKM_")}
    done: subprocess.CompletedProcess[str] = await deferToThread(
        subprocess.run,
        [sys.executable, "-m", "hokm.ctl", *arguments],
        env=ours | environ,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=SECONDS,
    )
    return done


@pytest_twisted.async_yield_fixture
async def admin() -> AsyncIterator[Admin]:
    """Open an admin port without a token."""
    port = Admin()
    yield port
    await port.close()


@pytest_twisted.ensureDeferred
async def test_status(admin: Admin) -> None:
    """It shows workers, store, rooms, moves and what is under way; or the server's JSON."""
    admin.instance.replace()
    done = await admin.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "hokm 9.8.7 on here, up 1:06:40"
    assert lines[2].split("  ")[0] == "worker"
    assert lines[3].split() == ["1", "4242", "ready", "12", "48", "23%", "81", "0.4"]
    assert lines[4].split() == ["22", "-", "dead", "0", "0", "0%", "0", "0.0"]
    assert lines[6:12] == [
        "store    up, embedded, unix:/store",
        "rooms    12, 48 connections",
        "workers  2 wanted (cpu above 70 %)",
        "spares   1",
        "handoff  7 moves, pause ms: p50 3.1, p99 12.0, max 20.5; aborted: 2 timeout;"
        " 4 connections adopted, 0 distrusted",
        "lease    held, 10 s, renewed 1.2 s ago; active; 3 connections relayed",
    ]
    assert lines[12].startswith("job      job 1, replace: running")
    assert [line.split() for line in lines[14:]] == [
        ["instance", "state", "rooms", "connections", "workers", "address", "version"],
        ["here", "active", "12", "48", "2", "10.0.0.1:8765", "9.8.7"],
        ["there", "leaving", "3", "10", "4", "10.0.0.2:8765", "9.8.6"],
    ]
    raw = json.loads((await admin.run("status", "--json")).stdout)
    assert (raw["version"], raw["spares"]) == ("9.8.7", 1)


@pytest_twisted.ensureDeferred
async def test_explain(admin: Admin) -> None:
    """It says how many workers there shall be, why, what the rules see, and what has changed."""
    done = await admin.run("explain")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["2 workers are wanted; 1 to 4 are allowed", "  cpu above 70 %", ""]
    assert lines[3].split() == [
        *("rule", "metric", "value", "threshold", "near", "held", "s", "of", "state")
    ]
    assert lines[4].split() == ["hot", "cpu", "84.2", "above", "70", "120%", "7", "120", "holding"]
    assert lines[5].split() == [
        *("idle", "cpu", "-", "below", "20", "-", "0", "600", "cooling", "31", "s")
    ]
    assert lines[6:] == [
        "",
        "what has changed, the latest last:",
        "  2026-01-02T03:04:05+00:00  1 to 2 workers: hot: cpu 84 %",
        "  2026-01-02T03:05:05+00:00  2 workers: overloaded",
    ]
    raw = json.loads((await admin.run("explain", "--json")).stdout)
    assert raw["rules"][0]["value"] == 84.2


@pytest_twisted.ensureDeferred
async def test_a_verb_is_waited_for(admin: Admin) -> None:
    """Each step is told on stderr while it lasts, the end on stdout."""
    admin.instance.patience = 3
    done = await admin.run("drain", "3")
    assert done.returncode == 0, done.stderr
    assert admin.instance.asked == [("drain", 3)]
    assert done.stdout.startswith("job 1, drain 3: done, ")
    assert done.stdout.endswith(" 3 of 3: step 3\n")
    assert done.stderr.splitlines() == [
        "drain 3: 0 of 3",
        "drain 3: 1 of 3 step 1",
        "drain 3: 2 of 3 step 2",
    ]


@pytest_twisted.ensureDeferred
async def test_a_bar_in_a_terminal(admin: Admin) -> None:
    """It is drawn over itself, and gone in the end."""
    admin.instance.patience = 2
    ours, terminal = os.openpty()
    try:
        done = await hokmctl("scale", "4", stderr=terminal, HOKM_ADMIN_URL=admin.url)
        drawn = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(terminal)
    assert done.returncode == 0
    assert drawn.split("\r\x1b[K") == [
        "",
        "[........................] scale 4: 0 of 3",
        "[########................] scale 4: 1 of 3 step 1",
        "",
    ]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["replace"], ("replace",)),
        (["rebalance"], ("rebalance",)),
        (["scale", "4"], ("scale", 4)),
        (["upgrade"], ("upgrade",)),
        (["leave"], ("leave",)),
        (["drain", "3"], ("drain", 3)),
    ],
)
@pytest_twisted.ensureDeferred
async def test_no_wait(admin: Admin, arguments: list[str], asked: tuple[Any, ...]) -> None:
    """The verb is begun, and that is all; options may stand on either side of the command."""
    done = await admin.run("--json", *arguments, "--no-wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.instance.asked == [asked]
    assert (json.loads(done.stdout)["state"], json.loads(done.stdout)["verb"]) == (
        "running",
        asked[0],
    )


@pytest_twisted.ensureDeferred
async def test_a_move(admin: Admin) -> None:
    """The server waits for it; how it ended is the exit code."""

    class Moving(FakeInstance):
        def move(self, room: str, worker: int) -> Job:
            job = super().move(room, worker)
            self.end(job.id, None if worker == 2 else "worker 3 does not answer")
            return job

    await admin.become(Moving(reactor))
    done = await admin.run("move", "table234", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("job 1, move TABLE234 to 2: done")
    failed = await admin.run("move", "TABLE234", "3")
    assert failed.returncode == 1
    assert "failed" in failed.stdout
    assert "worker 3 does not answer" in failed.stdout


@pytest_twisted.ensureDeferred
async def test_a_job_that_fails(admin: Admin) -> None:
    """The exit code says so, the text says why."""

    class Failing(FakeInstance):
        def job(self, id: int) -> Job | None:
            self.end(id, "worker 5 did not get ready")
            return super().job(id)

    await admin.become(Failing(reactor))
    done = await admin.run("replace", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["note"] == "worker 5 did not get ready"


@pytest_twisted.ensureDeferred
async def test_a_refusal(admin: Admin) -> None:
    """The server's reason is told."""
    admin.instance.refusal = Refused("last_worker", "worker 3 is the last one; use replace")
    done = await admin.run("drain", "3")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "hokmctl: worker 3 is the last one; use replace\n"


@pytest_twisted.ensureDeferred
async def test_a_job_that_takes_too_long(admin: Admin) -> None:
    """It is left alone."""
    done = await admin.run("rebalance", "--timeout", "0.6")
    assert (done.returncode, done.stdout) == (5, "")
    assert "hokmctl jobs" in done.stderr
    assert [job.state for job in admin.instance.jobs()] == ["running"]


@pytest_twisted.ensureDeferred
async def test_the_jobs(admin: Admin) -> None:
    """All are shown, the latest last."""
    assert (await admin.run("jobs")).stdout == "no jobs\n"
    admin.instance.drain(3)
    admin.instance.end(1, "worker 4 hangs")
    admin.instance.scale(4)
    done = await admin.run("jobs")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["job", "what", "state", "done", "of", "seconds", "note"]
    assert first.split()[:6] == ["1", "drain", "3", "failed", "0", "3"]
    assert first.endswith("  worker 4 hangs")
    assert second.split()[:6] == ["2", "scale", "4", "running", "0", "3"]
    raw = json.loads((await admin.run("jobs", "--json")).stdout)
    assert [job["verb"] for job in raw] == ["drain", "scale"]


@pytest_twisted.ensureDeferred
async def test_no_server() -> None:
    """Nobody listens, or nobody who answers as a hokm server does."""
    [port] = free_ports(1)
    done = await hokmctl("status", "--admin", f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"http://127.0.0.1:{port}: Connection refused" in done.stderr

    class Stranger(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    listening = reactor.listenTCP(0, Factory.forProtocol(Stranger), interface="127.0.0.1")
    try:
        done = await hokmctl("jobs", HOKM_ADMIN_URL=f"http://127.0.0.1:{listening.getHost().port}")
    finally:
        await listening.stopListening()
    assert done.returncode == 4
    assert "no hokm server" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["drain"],
        ["drain", "three"],
        ["drain", "-1"],
        ["scale", "0"],
        ["status", "--timeout", "soon"],
        ["status", "--admin", "localhost"],
        ["status", "--admin", "http://localhost:99999"],
        ["status", "--token-file", "/nowhere/token"],
    ],
)
@pytest_twisted.ensureDeferred
async def test_bad_usage(admin: Admin, arguments: list[str]) -> None:
    """It is told before anything is asked for."""
    done = await admin.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert admin.instance.asked == []


@pytest_twisted.ensureDeferred
async def test_the_token(tmp_path: Path) -> None:
    """It comes from the environment or a file; the option wins; it is not shown."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(TOKEN + "\n")
    wrong.write_text("another-secret-token")
    admin = Admin(TOKEN)
    try:
        none = await admin.run("jobs")
        assert (none.returncode, none.stderr) == (3, "hokmctl: this needs the operators' token\n")
        refused = await admin.run("jobs", HOKM_ADMIN_TOKEN_FILE=str(wrong))
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "another-secret-token" not in refused.stderr
        for arguments, environ in (
            ([], {"HOKM_ADMIN_TOKEN": TOKEN}),
            ([], {"HOKM_ADMIN_TOKEN_FILE": str(right)}),
            (["--token-file", str(right)], {"HOKM_ADMIN_TOKEN": "another-secret-token"}),
        ):
            done = await admin.run("jobs", *arguments, **environ)
            assert (done.returncode, done.stdout) == (0, "no jobs\n")
    finally:
        await admin.close()


class Leaving(FakeInstance):
    """Is gone once its job has been asked for; another one comes when hokmctl has noticed that."""

    def __init__(self, admin: Admin, successor: FakeInstance, told: Path) -> None:
        super().__init__(reactor)
        self._admin = admin
        self._successor: FakeInstance | None = successor
        self._told = told

    def job(self, id: int) -> Job | None:
        if self._successor is not None:
            run(self._leave_to(self._successor), "the change to another server")
            self._successor = None
        return super().job(id)

    async def _leave_to(self, successor: FakeInstance) -> None:
        await deferLater(reactor, 0)
        await self._admin.close()
        end = reactor.seconds() + SECONDS
        while "does not answer; waiting" not in self._told.read_text():
            assert reactor.seconds() < end
            await deferLater(reactor, 0.05)
        await self._admin.become(successor)


async def left(
    admin: Admin, verb: str, successor: FakeInstance, directory: Path
) -> subprocess.CompletedProcess[str]:
    """Run hokmctl with a verb that another server has to answer for than the one it asked."""
    told = directory / "stderr"
    with told.open("w") as file:
        await admin.become(Leaving(admin, successor, told))
        done = await hokmctl(verb, stderr=file.fileno(), HOKM_ADMIN_URL=admin.url)
    done.stderr = told.read_text()
    return done


@pytest.mark.parametrize(("uptime_s", "forgets"), [(0.1, False), (5000.0, True)])
@pytest_twisted.ensureDeferred
async def test_an_upgrade(admin: Admin, tmp_path: Path, uptime_s: float, forgets: bool) -> None:
    """It is done when another process answers: it runs for less long, or knows no such job."""
    successor = FakeInstance(reactor)
    successor.uptime_s = uptime_s
    if not forgets:
        successor.upgrade()
    done = await left(admin, "upgrade", successor, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "upgrade: done" in done.stdout
    assert "hokm 9.8.7 runs" in done.stdout
    assert "does not answer; waiting" in done.stderr
    assert admin.instance is successor


@pytest_twisted.ensureDeferred
async def test_the_number_of_an_upgrade_is_given_to_another_job(
    admin: Admin, tmp_path: Path
) -> None:
    """That is not taken for it."""
    successor = FakeInstance(reactor)
    successor.replace()
    done = await left(admin, "upgrade", successor, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "upgrade: done" in done.stdout


@pytest_twisted.ensureDeferred
async def test_a_server_that_forgets_a_job(admin: Admin, tmp_path: Path) -> None:
    """Nobody knows how far it came; that is no success."""
    done = await left(admin, "replace", FakeInstance(reactor), tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has forgotten the job" in done.stderr


@pytest_twisted.ensureDeferred
async def test_a_server_that_stays_away(admin: Admin) -> None:
    """It is waited for no longer than was said."""

    class Vanishing(FakeInstance):
        def replace(self) -> Job:
            reactor.callLater(0, admin.close)
            return super().replace()

    await admin.become(Vanishing(reactor))
    done = await admin.run("replace", "--timeout", "3")
    assert done.returncode == 5
    assert "does not answer; waiting" in done.stderr


def test_it_starts_at_once() -> None:
    """Nothing of the server is loaded."""
    script = "import sys, hokm.ctl; print({'twisted', 'zope', 'msgspec'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout == "set()\n"


class Terminal:
    """A terminal in which hokmctl runs."""

    def __init__(self, admin: Admin, columns: int, lines: int, **environ: str) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self._modes = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.shown = ""
        self.resize(columns, lines)
        names = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            # In a session of its own: who has no terminal of its own hears nothing of its size.
            ["setsid", "--ctty", sys.executable, "-m", "hokm.ctl", "top", "--admin", admin.url],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=names | {"TERM": "xterm", "PYTHONUTF8": "1"} | environ,
        )

    def resize(self, columns: int, lines: int) -> None:
        """Change its size."""
        termios.tcsetwinsize(self._theirs, (lines, columns))

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._ours, key.encode())

    async def until(self, text: str) -> str:
        """Wait until *text* is shown; returns all that was shown since the last time."""
        end = reactor.seconds() + SECONDS
        while text not in self.shown:
            assert reactor.seconds() < end, self.shown
            with contextlib.suppress(BlockingIOError):
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
            await deferLater(reactor, 0.02)
        shown, self.shown = self.shown, ""
        return shown

    async def end(self) -> int:
        """Wait until hokmctl ends; returns its exit code."""
        code: int = await deferToThread(self.process.wait, SECONDS)
        assert termios.tcgetattr(self._theirs) == self._modes
        return code

    def close(self) -> None:
        """End what is left of it."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


GIVEN_BACK = "\x1b[?25h\x1b[?1049l"


@pytest_twisted.ensureDeferred
async def test_top_in_a_terminal(admin: Admin) -> None:
    """It goes on by itself, follows the window's size, bridges an absence, and ends by a key."""
    terminal = Terminal(admin, 100, 40)
    try:
        first = await terminal.until("1 to 2 workers: hot")
        assert first.startswith("\x1b[?1049h")
        assert "hokm 9.8.7 on here" in first and "\x1b[1m" in first
        admin.instance.replace()
        await terminal.until("] replace: 0 of 3")
        terminal.resize(30, 6)
        small = await terminal.until("the window is too low"[:12])
        frame = small.rpartition("\x1b[H")[2]
        assert frame.count("\r\n") == 5
        terminal.resize(100, 40)
        await admin.close()
        await terminal.until("reconnecting for")
        admin.open()
        await terminal.until("on here, up 1:06:40\x1b[0m\x1b[K\r\n\x1b[K")  # nothing below it
        terminal.press("x")
        terminal.press("q")
        await terminal.until(GIVEN_BACK)
        assert await terminal.end() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize(("signal", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
@pytest_twisted.ensureDeferred
async def test_top_is_ended(admin: Admin, signal: signal.Signals, code: int) -> None:
    """However it ends, the terminal is as it was; without colours where they are not wanted."""
    terminal = Terminal(admin, 80, 24, NO_COLOR="1")
    try:
        assert "m" not in re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", await terminal.until("store"))
        terminal.process.send_signal(signal)
        await terminal.until(GIVEN_BACK)
        assert await terminal.end() == code
    finally:
        terminal.close()


@pytest_twisted.ensureDeferred
async def test_top_into_a_pipe(admin: Admin) -> None:
    """It writes once; or the server's JSON."""
    done = await admin.run("top", PYTHONUTF8="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hokm 9.8.7 on here")
    assert "\x1b" not in done.stdout and "▂" in done.stdout
    simple = await admin.run("top", PYTHONIOENCODING="ascii")
    assert simple.stdout.isascii() and simple.stdout.startswith("hokm 9.8.7 on here")
    assert json.loads((await admin.run("top", "--json")).stdout)["players"] == 44
    await admin.close()
    away = await admin.run("top")
    assert (away.returncode, away.stdout) == (4, "")
