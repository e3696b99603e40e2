"""Tables that are played at inside the sandbox, and waiting for what happens there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.deployment.sandbox import ROOT, Failed, Sandbox

READY_SECONDS = 90.0  # a vote of Sentinels that is split is repeated after 27 s
PLAYER = (sys.executable, "-m", "tests.deployment.play")


class Game(subprocess.Popen[str]):
    """Tables that are played at, inside the sandbox."""

    def __init__(self, sandbox: Sandbox, url: str, tables: int) -> None:
        """Sit down, and begin to play."""
        super().__init__(
            sandbox.inside(*PLAYER, url, str(tables)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**sandbox.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        )
        assert self.stdout is not None
        if self.stdout.readline() != "playing\n":
            raise Failed(self.communicate()[1])

    def plays(self) -> list[int]:
        """Return how many plays each table had."""
        assert self.stdin is not None and self.stdout is not None
        print(file=self.stdin, flush=True)
        return list(json.loads(self.stdout.readline()))

    def goes_on(self) -> None:
        """Wait until there was another play at each table."""
        before = self.plays()
        until(lambda: all(now > had for now, had in zip(self.plays(), before, strict=True)))

    def end(self) -> Any:
        """End it; returns how many plays each table had, and how many resumes there were."""
        out, err = self.communicate(timeout=60)
        assert self.returncode == 0, err
        return json.loads(out)


def until(true: Callable[[], object], seconds: float = READY_SECONDS) -> None:
    """Wait until something is true; a command that fails counts as no."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except Failed:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.2)
