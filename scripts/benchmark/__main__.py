"""Run the measurement: rounds of both servers, one after the other, ratios within a round."""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.load import Load

SERVER_CORE, LOAD_CORE = 0, 1
WARM_UP_SECONDS = 2.0
ENVIRON = {
    "HOKM_WORKER_MESSAGES_PER_SECOND": "10000",
    "HOKM_WORKER_BURST": "10000",
    "HOKM_WEB_ROOMS_PER_MINUTE": "100000",
    "HOKM_WEB_ROOMS_PER_MINUTE_IN_ALL": "100000",
}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(fields[0]) / 1e9


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def naive() -> Iterator[tuple[int, int]]:
    """Run plain Autobahn; gives its port and pid."""
    port = free_port()
    command = [sys.executable, "-m", "benchmark.naive", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def hokm() -> Iterator[tuple[int, int]]:
    """Run hokm with one worker; gives its port and the worker's pid."""
    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("twistd")),
                "-n",
                "--pidfile=",
                "hokm",
                "--workers=1",
                f"--listen=tcp:{port}:interface=127.0.0.1",
                f"--admin=tcp:{admin}:interface=127.0.0.1",
                f"--state-dir={state}",
                "--log-level=error",
            ],
            env={**os.environ, **ENVIRON},
            stdin=subprocess.DEVNULL,
        )
        try:
            wait_for(port, "/health")
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/api/status") as response:
                pid = json.load(response)["workers"][0]["pid"]
            yield port, pid
        finally:
            process.terminate()
            process.wait()


def wait_for(port: int, path: str | None = None) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + 30
    while True:
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", port)).close()
            else:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def measure(name: str, rooms: int, seconds: float) -> float:
    """Return the CPU that one play costs, in microseconds."""
    with {"hokm": hokm, "naive": naive}[name]() as (port, pid):
        os.sched_setaffinity(pid, {SERVER_CORE})
        load = Load(port, rooms, hokm=name == "hokm")
        load.run(WARM_UP_SECONDS)
        before, began = cpu_seconds(pid), time.monotonic()
        plays = load.run(seconds)
        used, lasted = cpu_seconds(pid) - before, time.monotonic() - began
        load.close()
    print(f"  {name:6} {used / plays * 1e6:7.1f} us/play, {plays / lasted:7.0f} plays/s")
    return used / plays * 1e6


def main() -> int:
    """Measure and print; the exit code says whether hokm is no worse than plain Autobahn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    ratios = []
    for number in range(arguments.rounds):
        print(f"round {number + 1}")
        plain, ours = (measure(n, arguments.rooms, arguments.seconds) for n in ("naive", "hokm"))
        ratios.append(plain / ours)
    middle = statistics.median(ratios)
    spread = f"[{min(ratios):.2f}..{max(ratios):.2f}]"
    print(f"plain Autobahn's CPU per play is {middle:.2f} {spread} times hokm's (median, rounds)")
    return 0 if middle >= 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
