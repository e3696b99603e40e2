"""`python -m hokm.gate`: one gate, started by the supervisor with its channel as fd 3."""

from __future__ import annotations

import sys

from hokm.control.program import serve
from hokm.gate.process import GateProcess


def main() -> int:
    """Run a gate until the supervisor says stop; returns the exit code."""
    return serve("hokm.gate", GateProcess)


if __name__ == "__main__":
    sys.exit(main())
