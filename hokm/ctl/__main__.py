"""`python -m hokm.ctl`: hokmctl where it is not installed."""

import sys

from hokm.ctl.command import main

sys.exit(main())
