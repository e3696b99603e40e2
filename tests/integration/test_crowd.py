"""The scripts that show how the server scales, each for a few seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SECONDS = 180  # until a script is given up


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def report(name: str, *options: str) -> Any:
    """Run a script that passes; returns what it reports."""
    ran = run(name, *options, "--json")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return json.loads(ran.stdout)


@pytest.mark.slow
def test_the_server_follows_the_load() -> None:
    """Players come and go: so do workers, each with a reason; nobody notices."""
    found = report(
        "test_scaling_load.py",
        *("--initial-players=10", "--max-players=48", "--ramp-up-time=6", "--hold-time=5"),
        *("--ramp-down-time=3", "--pace=0.3", "--density=16", "--hurry=120", "--workers=1-3"),
        "--rules=high_player_density,low_player_density,low_cpu_usage",
    )
    first, most, last = found["workers"]
    assert (first, last) == (1, 1) and most > 1
    assert (found["players"], found["closed"]) == (48, 0)
    assert not any(found["breaches"].values())
    assert found["plays"] > 0 and found["answers"]["count"] >= found["plays"]
    changes = [event for event in found["events"] if event["before"] != event["target"]]
    assert changes[0]["target"] > 1 and changes[-1]["target"] == 1
    assert any("high_player_density: " in reason for reason in changes[0]["reasons"])
    assert all(event["reasons"] for event in found["events"])
    # A room that moves may be counted at both of its workers, which tell once a second.
    assert max(look["connections"] for look in found["looks"]) >= 48


@pytest.mark.slow
def test_the_rules_on_cpu_and_memory_fire_and_clear() -> None:
    """One worker burns a core, then holds memory; a second one comes and goes; nobody notices."""
    found = report(
        "test_scaling_triggers.py", "--trigger-cpu-load", "--trigger-memory-load", "--hurry=150"
    )
    cpu, memory = found["triggers"]
    assert (cpu["rule"], memory["rule"]) == ("high_cpu_usage", "high_memory_usage")
    assert cpu["value"] > cpu["threshold"] and memory["value"] > memory["threshold"]
    changes = [event for event in found["events"] if event["before"] != event["target"]]
    assert [(c["before"], c["target"]) for c in changes] == [(1, 2), (2, 1)] * 2
    for event, rule in zip(changes[::2], (cpu, memory), strict=True):
        assert event["reasons"][0].startswith(f"{rule['rule']}: ")
    assert found["plays"] > 0 and found["closed"] == 0


@pytest.mark.slow
def test_a_server_is_watched(start_server: Callable[..., Any]) -> None:
    """A line for each look and each decision; one that goes away is missed."""
    server = start_server(workers="1-3")
    command = [sys.executable, SCRIPTS / "monitor_scaling.py", "--json", "--interval=0.2"]
    watcher = subprocess.Popen(
        [*command, f"--admin={server.admin}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None and watcher.stderr is not None
    alarm = threading.Timer(SECONDS, watcher.kill)  # then there is nothing more to read
    alarm.start()
    told: list[Any] = [json.loads(watcher.stdout.readline())]
    assert (told[0]["workers"], told[0]["wanted"]) == (1, 1)
    server.post("/api/scale", {"workers": 2})
    while "reasons" not in told[-1]:
        told.append(json.loads(watcher.stdout.readline()))
    assert (told[-1]["before"], told[-1]["target"]) == (1, 2)
    server.stop()
    assert "the server does not answer" in watcher.stderr.readline()
    watcher.send_signal(signal.SIGINT)
    rest, _ = watcher.communicate(timeout=SECONDS)
    alarm.cancel()
    assert watcher.returncode == 1
    assert json.loads(rest.splitlines()[-1])["missed"] > 0


def test_what_cannot_be_used() -> None:
    """Is said in a line, with exit code 2."""
    for name, options in (
        ("monitor_scaling.py", ["--admin=http://127.0.0.1:1"]),
        ("test_scaling_triggers.py", []),
        ("test_scaling_load.py", ["--url=http://127.0.0.1:1"]),
    ):
        ran = run(name, *options)
        assert ran.returncode == 2 and ran.stderr and "Traceback" not in ran.stderr, ran.stderr
