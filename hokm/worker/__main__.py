"""`python -m hokm.worker`: one worker, started by the supervisor with its channel as fd 3."""

from __future__ import annotations

import sys

from hokm.control.program import serve
from hokm.multiprocess import never_forks
from hokm.worker.reactor import install


def main() -> int:
    """Run a worker until the supervisor says stop; returns the exit code."""
    install()
    never_forks()
    # Not above: importing Autobahn installs a reactor.
    from hokm.worker.process import WorkerProcess

    return serve("hokm.worker", WorkerProcess)


if __name__ == "__main__":
    sys.exit(main())
