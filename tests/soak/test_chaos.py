"""A slice of `scripts/chaos`: games go on while the server is disturbed, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
FAULTS = "all"
SECONDS = 20


@pytest.mark.slow
def test_nothing_is_lost() -> None:
    """Ten tables, with torn frames, fragments, slow readers and spectators."""
    options = ["--rooms=10", f"--seconds={SECONDS}", "--pace=0.2", "--every=2", "--workers=2"]
    done = subprocess.run(
        [sys.executable, "-m", "disturbance", *options, f"--faults={FAULTS}", "--json"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["plays"] > 10 * SECONDS
    assert sum(sum(outcomes.values()) for outcomes in report["faults"].values()) >= 6
    assert report["looks"] > 0
    print(f"waits during faults, ms: {report['disturbed_ms']}")
