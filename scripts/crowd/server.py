"""`twistd hokm` with the workers of `crowd.stress`: python -m crowd.server [options of it]."""

from __future__ import annotations

import sys
from typing import Any

from twisted.application.app import startApplication
from twisted.application.service import Application
from twisted.internet import reactor as installed

from hokm.tap import Options, makeService

reactor: Any = installed


def main() -> None:
    """Serve until SIGTERM."""
    options = Options()
    options.parseOptions(sys.argv[1:])
    application = Application("hokm")
    makeService(options, worker="crowd.stress").setServiceParent(application)
    startApplication(application, save=False)
    reactor.run()


if __name__ == "__main__":
    main()
