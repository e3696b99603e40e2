"""The Autobahn cases against hokm's connections: where they stand still, and where they move.

kosoku runs them: 12.* and 13.* are left out, since they are about the compression that hokm
refuses, as `test_wire.test_compression_is_refused` checks. An echo server that is Autobahn's alone
gets the same results.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.echoes import Echoes

RUN_SECONDS = 300.0
CORE = ("-x", "9.*", "-x", "12.*", "-x", "13.*")
LARGE = ("-i", "9.*")
CORE_RESULTS = {"OK": 244, "INFORMATIONAL": 3}  # three cases ask for an opinion only
LARGE_RESULTS = {"OK": 54}
SEED = 4


@pytest.fixture
def kosoku() -> str:
    """Find the program that runs the cases."""
    found = shutil.which(Path(sys.executable).with_name("kosoku")) or shutil.which("kosoku")
    return found or missing("kosoku", "pip install kosoku")


def run(kosoku: str, port: int, reports: Path, selection: tuple[str, ...]) -> dict[str, Any]:
    """Run cases against an echo server; returns what is reported of each."""
    done = subprocess.run(
        [kosoku, "-o", reports, *selection, f"ws://127.0.0.1:{port}/ws"],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: a case has failed
    [index] = reports.rglob("index.json")
    [cases] = json.loads(index.read_text()).values()
    return dict(cases)


def check(cases: dict[str, Any], expected: dict[str, int]) -> None:
    """Check that so many cases ended as *expected*, in what was said and in how it was closed."""
    strange = {name: case for name, case in cases.items() if case["behavior"] not in expected}
    assert not strange
    for verdict in ("behavior", "behaviorClose"):
        assert Counter(case[verdict] for case in cases.values()) == expected, verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "expected"),
    [(CORE, CORE_RESULTS), (LARGE, LARGE_RESULTS)],
    ids=["core", "large"],
)
def test_the_cases(
    kosoku: str, tmp_path: Path, selection: tuple[str, ...], expected: dict[str, int]
) -> None:
    """One worker's connections do what RFC 6455 says."""
    with Echoes(tmp_path) as echoes:
        cases = run(kosoku, echoes.port, tmp_path / "reports", selection)
    check(cases, expected)
    assert echoes.tally["accepted"] == len(cases)
    assert not echoes.errors


@pytest.mark.slow
def test_the_cases_on_connections_that_move(kosoku: str, tmp_path: Path) -> None:
    """So do connections that two workers give to each other, at whatever byte they are."""
    with Echoes(tmp_path, moving=True, seed=SEED) as echoes:
        cases = run(kosoku, echoes.port, tmp_path / "reports", CORE)
    print(f"seed {SEED}: {dict(echoes.tally)}")
    check(cases, CORE_RESULTS)
    assert echoes.tally["accepted"] == len(cases)
    assert echoes.tally["travelled"] > len(cases) / 2
    assert echoes.tally["moved"] > 500
    assert echoes.tally["half_read"] > 300
    assert not echoes.errors
