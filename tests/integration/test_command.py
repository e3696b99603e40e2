"""`twistd hokm` as an operator meets it: bad settings, slow strangers, logs, the end."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

TWISTD = Path(sys.executable).with_name("twistd")
SECONDS = 30


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `twistd hokm` that is expected to give up."""
    return subprocess.run(
        [TWISTD, "-n", "--pidfile=", "hokm", *options], capture_output=True, text=True, timeout=30
    )


def says(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """Check that a run failed with one line that holds *words*, and without a traceback."""
    lines = (result.stdout + result.stderr).strip().splitlines()
    assert result.returncode == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith("hokm: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bogus", "1"], ["--bogus"]),
        (["extra"], ["arguments"]),
        (["--workers", "many"], ["workers", "auto, N or MIN-MAX"]),
        (["--listen", "8765"], ["listen", "tcp:PORT"]),
        (["--redis", "http://localhost"], ["redis", "redis://"]),
        (["--redis", "redis://localhost:port/"], ["redis", "port"]),
        (["--config", "/nowhere/hokm.toml"], ["/nowhere/hokm.toml", "No such file"]),
        (["--state-dir", "/proc/hokm"], ["state_dir /proc/hokm"]),
        (["--log-format", "xml"], ["log_format", "json or text"]),
    ],
)
def test_bad_settings(options: list[str], words: list[str]) -> None:
    """A setting that cannot be used is named in one line, with exit code 1."""
    says(run(*options), *words)


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    """A file in place of the state directory is named."""
    file = tmp_path / "file"
    file.write_text("")
    says(run("--state-dir", str(file)), str(file), "no directory")


def test_a_port_in_use(tmp_path: Path) -> None:
    """A port that somebody else listens on is named."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        listen = f"tcp:{port}:interface=127.0.0.1"
        says(run("--listen", listen, "--state-dir", str(tmp_path)), str(port), "in use")


def test_a_state_directory_in_use(start_server: Callable[..., Any]) -> None:
    """A second server on the same directory is refused, and the first goes on."""
    server = start_server(workers=1)
    options = ["--listen", "tcp:0", "--admin", "tcp:0", "--state-dir", str(server.state_dir)]
    says(run(*options), str(server.state_dir), "in use")
    assert server.is_ready()


def test_state_is_private(start_server: Callable[..., Any]) -> None:
    """Nobody else on the machine may read the state directory."""
    server = start_server(workers=1)
    assert server.state_dir.stat().st_mode & 0o777 == 0o700


def test_half_sent_heads(start_server: Callable[..., Any]) -> None:
    """Three hundred half-sent request heads cost next to nothing, and others are served."""
    server = start_server(workers=1)
    assert server.process is not None
    supervisor = psutil.Process(server.process.pid)
    until = time.monotonic() + SECONDS
    while server.status()["spares"] < 1:  # its start is work for the supervisor, too
        assert time.monotonic() < until
        time.sleep(0.05)
    alone = used_by(supervisor)
    strangers = []
    for number in range(300):
        source = f"127.0.0.{2 + number % 3}"  # the listener allows each address a hundred
        sock = socket.create_connection(("127.0.0.1", server.port), 5, (source, 0))
        sock.sendall(b"GET /ws?room_code=AAAA2222 HTTP/1.1\r\nHost: x\r\nX: ")
        strangers.append(sock)
    used = used_by(supervisor)
    assert used < alone + 0.02, f"{used:.1%} of a core, {alone:.1%} without them"
    assert server.is_ready()
    assert all(is_open(sock) for sock in strangers)
    for sock in strangers:
        sock.close()


def used_by(process: psutil.Process) -> float:
    """Return which part of a core a process uses all the time: in the calmer of two windows.

    Heads that wait cost something in both, a look at the garbage in one of them.
    """
    windows = []
    for _ in range(2):
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(1.0)  # the window that is measured
        windows.append((sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began))
    return min(windows)


def is_open(sock: socket.socket) -> bool:
    """Say whether the other side has not closed."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True


def test_json_log(start_server: Callable[..., Any]) -> None:
    """With `--log-format json` each line of every process is an object."""
    server = start_server("--log-format", "json", workers=1)
    server.stop()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    messages = " ".join(line["message"] for line in lines)
    assert "worker 1 takes rooms" in messages
    assert "stopped" in messages


def test_nothing_is_left(start_server: Callable[..., Any]) -> None:
    """After SIGTERM no process of the server is left, and after SIGKILL none for long."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        server = start_server(workers=2)
        assert server.process is not None
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert len(children) in (3, 4)  # store, two workers, and a spare that may just be starting
        server.process.send_signal(how)
        server.process.wait(20)
        server.process = None
        workers = [child for child in children if "hokm.worker" in " ".join(command(child))]
        _, left = psutil.wait_procs(children if how == signal.SIGTERM else workers, timeout=10)
        assert not left
        for child in children:  # the next server on the directory would end the store
            if child.is_running():
                child.kill()


def test_a_hang_up_ends_nobody(start_server: Callable[..., Any]) -> None:
    """SIGHUP to each process of a server that has nothing to read anew: it says so, and serves."""
    server = start_server(workers=1)
    workers = server.worker_pids()
    for pid in (*workers, server.process.pid):
        os.kill(pid, signal.SIGHUP)
    wait_for_line(server.log, "nothing is read anew")
    assert server.is_ready()
    assert server.worker_pids() == workers
    assert "died" not in server.log.read_text()


def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    """A server that was started in a terminal stops as by SIGTERM when that is closed."""
    log = tmp_path / "log"
    options = [
        "--workers=1",
        "--listen=tcp:0",
        "--admin=tcp:0",
        f"--state-dir={tmp_path / 'state'}",
    ]
    ours, its = pty.openpty()
    with log.open("wb") as file:
        server = subprocess.Popen(
            ["setsid", "--ctty", TWISTD, "-n", "--pidfile=", "hokm", *options],
            stdin=its,
            stdout=file,
            stderr=file,
        )
    os.close(its)
    try:
        wait_for_line(log, "worker 1 takes rooms")
        children = psutil.Process(server.pid).children(recursive=True)
        os.close(ours)
        assert server.wait(SECONDS) == 0
    finally:
        server.kill()
    assert "stopped" in log.read_text()
    _, left = psutil.wait_procs(children, timeout=10)
    assert not left


def wait_for_line(log: Path, words: str) -> None:
    """Wait until a log holds *words*."""
    until = time.monotonic() + SECONDS
    while not log.exists() or words not in log.read_text():
        assert time.monotonic() < until, log.read_text() if log.exists() else "no log"
        time.sleep(0.05)


def command(process: psutil.Process) -> list[str]:
    """Return a process's command line; nothing when it is gone."""
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return found
