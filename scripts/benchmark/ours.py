"""hokm itself, as `twistd hokm` runs it, and the same without its commits."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ports import free_ports

from benchmark.accounts import pin
from benchmark.cores import Cores
from benchmark.folder import HERE
from benchmark.server import Server, process, wait_until

# Limits that honest players do not meet, and the load would.
ENVIRON: Final = {
    "HOKM_WORKER_MESSAGES_PER_SECOND": "10000",
    "HOKM_WORKER_BURST": "10000",
    "HOKM_WORKER_MAX_CONNECTIONS": "20000",
    "HOKM_WEB_ROOMS_PER_MINUTE": "1000000",
    "HOKM_WEB_ROOMS_PER_MINUTE_IN_ALL": "1000000",
    # scripts/bench names the build that is measured; the tests measure the checkout.
    "PYTHONPATH": f"{HERE.parent}:{os.environ.get('HOKM_MEASURED', HERE.parent.parent)}",
}


@contextmanager
def hokm(
    cores: Cores, *, workers: int = 1, store: bool = True, redis: str | None = None
) -> Iterator[Server]:
    """Run hokm with its embedded store, a commit for every play, written to disk each second.

    Args:
        workers: So many, each on a core of its own where there are as many.
        store: Whether commits are stored; without, they are answered at once.
        redis: The store that it shares with others, in place of its own.

    Raises:
        DidNotStart: It did not.
    """
    name = "hokm" if store else "hokm_nostore"
    program = (
        [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "hokm"]
        if store
        else [sys.executable, "-m", "benchmark.nostore_server"]
    )
    port, admin = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="hokm-benchmark-") as state:
        command = [
            *program,
            f"--workers={workers}",
            "--spare-workers=0",
            f"--listen=tcp:{port}:interface=127.0.0.1",
            f"--admin=tcp:{admin}:interface=127.0.0.1",
            f"--state-dir={state}",
            "--log-level=error",
            *((f"--redis={redis}",) if redis is not None else ()),
        ]
        with process(command, ENVIRON, cores.load) as child:
            wait_until(lambda: len(_ready(admin)) == workers, child, name)
            pids = _ready(admin)
            for number, pid in enumerate(pids):
                pin(pid, {cores.servers[number % len(cores.servers)]})
            helpers = {"supervisor": child.pid}
            if redis is None:
                pid_file = Path(state) / "store" / "valkey.pid"
                helpers["store"] = int(pid_file.read_text())
            yield Server(name, "hokm", port, tuple(pids), helpers)


def _ready(admin: int) -> list[int]:
    """Return the pids of the workers that are ready; none while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/api/status", timeout=10) as response:
            status: dict[str, Any] = json.load(response)
    except OSError:
        return []
    return [worker["pid"] for worker in status["workers"] if worker["state"] == "ready"]
