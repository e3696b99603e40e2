"""An installed hokm works anywhere, without its checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_gives_the_commands(tmp_path: Path) -> None:
    """`pip install .` brings all files; `twistd hokm` and `hokmctl` answer from any folder."""
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, ROOT],
        check=True,
        timeout=120,
        # What is compiled is tested as a whole, see scripts/test.
        env={**os.environ, "HOKM_COMPILE": "never"},
    )
    environ = {**os.environ, "PYTHONPATH": str(target)}
    twistd = Path(sys.executable).with_name("twistd")

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run(sys.executable, "-c", "import hokm; print(hokm.__file__)").strip()
    assert Path(where).is_relative_to(target)
    assert "--workers=" in run(twistd, "hokm", "--help")
    assert "usage: hokmctl" in run(target / "bin" / "hokmctl", "--help")
    there = {str(p.relative_to(target)) for p in target.glob("hokm/**/*") if p.is_file()}
    ours = {str(p.relative_to(ROOT)) for p in ROOT.glob("hokm/**/*") if p.is_file()}
    assert {p for p in ours if not p.endswith(".pyc")} <= there


def test_another_hokm_in_the_working_directory(
    tmp_path: Path, start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are of the same hokm as the supervisor, wherever it is started."""
    decoy = tmp_path / "hokm/worker"
    decoy.mkdir(parents=True)
    for folder in (decoy, decoy.parent):
        (folder / "__init__.py").write_text("raise SystemExit('the wrong hokm')")
    monkeypatch.chdir(tmp_path)
    assert start_server(workers=1).worker_pids()
