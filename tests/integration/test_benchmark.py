"""The benchmark runs, and every reply that it checks is right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmark.cores import Cores
from benchmark.folder import Folder
from benchmark.load import Load, LoadFailed, program
from benchmark.server import accepts, process, wait_until
from ports import free_ports

from tests.conftest import missing
from tests.faultypeer import MISTAKES

ROOT = Path(__file__).parents[2]
SHORT = ("--quick", "--json", "--rounds", "1", "--seconds", "0.3", "--rooms", "10")

pytestmark = pytest.mark.slow


def bench(folder: Path, *options: str, **environ: str) -> dict[str, Any]:
    """Run the benchmark; returns what it printed, read from JSON."""
    done = subprocess.run(
        [ROOT / "scripts" / "bench", *options, "--folder", folder],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def need(compiler: str) -> None:
    """Do without the test where the C compiler is not installed."""
    if compiler == "cc" and shutil.which("cc") is None:
        missing("a C compiler", "Debian: apt install gcc libc6-dev")


@pytest.mark.parametrize("compiler", ["cc", "no-compiler"])
def test_hokm_beside_autobahn(tmp_path: Path, compiler: str) -> None:
    """Neither the load in C nor the one in Python finds an error; all figures are there."""
    need(compiler)
    told = bench(tmp_path, *SHORT, "--servers", "hokm,autobahn", CC=compiler)
    assert [server["server"] for server in told["servers"]] == ["hokm", "autobahn"]
    for server in told["servers"]:
        assert server["errors"] == 0
        for figure in ("cpu_us_per_play", "p50_ms", "p99_ms", "plays_per_second", "accept_us"):
            assert server[figure] > 0, figure
        assert isinstance(server["kb_per_connection"], float)
    assert set(told["ratios"]) == {"hokm/autobahn"}
    assert told["missing"] == {}


def test_what_is_not_stored_is_not_charged_to_the_store(tmp_path: Path) -> None:
    """hokm_nostore plays like hokm, and its store has all but nothing to do."""
    told = bench(tmp_path, *SHORT, "--servers", "hokm,hokm_nostore")
    with_store, without = (s["helpers_us_per_play"]["store"] for s in told["servers"])
    assert without < with_store / 2


def test_a_server_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """Without npm the peers of Node are missing, with the reason; the others are measured."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "cc", "as", "ld"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    told = bench(tmp_path / "folder", *SHORT, "--servers", "autobahn,ws", PATH=str(tools))
    assert told["missing"] == {"ws": "node is not installed"}
    assert [server["server"] for server in told["servers"]] == ["autobahn"]


def test_scale_draws_what_it_measures(tmp_path: Path) -> None:
    """Two spots of one worker and one round: a table in JSON and a picture."""
    svg = tmp_path / "scale.svg"
    options = ("scale", "--json", "--rounds", "1", "--seconds", "0.3", "--most-rooms", "25")
    told = bench(tmp_path, *options, "--svg", str(svg))
    assert [spot["spot"]["rooms"] for spot in told["spots"]] == [10, 25]
    assert svg.read_text().startswith("<svg ")


def test_a_fleet(tmp_path: Path) -> None:
    """Two instances that share a store play at the pace they are told."""
    told = bench(
        tmp_path, *["fleet", "--json", "--instances", "2", "--players", "40", "--seconds", "2"]
    )
    [fleet] = told["fleets"]
    assert (fleet["instances"], fleet["players"]) == (2, 80)
    assert fleet["plays_per_second"] > 0 and fleet["worst_p99_ms"] >= fleet["p99_ms"] > 0


@pytest.mark.parametrize("compiler", ["cc", "no-compiler"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_load_finds_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, mistake: str
) -> None:
    """One wrong reply among many right ones: the run does not count."""
    need(compiler)
    paths = f"{ROOT}:{ROOT / 'scripts'}"
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("PYTHONPATH", paths)
    [port], cores = free_ports(1), Cores.divide()
    command = [sys.executable, "-m", "tests.faultypeer", str(port), mistake]
    with process(command, {}, cores.servers[0]) as child:
        wait_until(lambda: accepts(port), child, "the faulty server")
        load = Load(program(Folder(tmp_path)), "json", port, cores.load)
        try:
            load.seat([("/ws?room_code=R0", None)] * 4)
            load.start()
            with pytest.raises(LoadFailed):
                load.closed(5.0)
        finally:
            load.close()
