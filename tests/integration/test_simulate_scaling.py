"""scripts/simulate_scaling.py: an operator's rules, tried before they meet players."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate_scaling.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_rules_of_a_file_on_a_load_of_a_file(tmp_path: Path) -> None:
    """Both are used; what came of it is told for people and for programs."""
    (tmp_path / "h.toml").write_text(
        'workers = "2-3"\n[[scaling.rule]]\nname = "high_player_density"\nabove = 24\n'
    )
    (tmp_path / "load.csv").write_text("0,20\n600,60\n1200,60\n")
    files = ("--config", str(tmp_path / "h.toml"), "--csv", str(tmp_path / "load.csv"))
    told = run(*files)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("load.csv: 0 flaps, 0 s short")
    assert "2 -> 3" in told.stdout and "above 24 for 180 s" in told.stdout
    [report] = json.loads(run(*files, "--json").stdout)
    assert [(c["before"], c["after"]) for c in report["changes"]] == [(2, 3)]


def test_bad_rules_are_named(tmp_path: Path) -> None:
    """As at the server's start."""
    bad = tmp_path / "h.toml"
    bad.write_text('[[scaling.rule]]\nname = "low_cpu_usage"\nbelow = 99\n')
    refused = run("--config", str(bad))
    assert refused.returncode == 2
    assert "scaling.rule low_cpu_usage: below 99 is not under" in refused.stderr
