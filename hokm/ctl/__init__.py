"""`hokmctl`: what an operator asks of a running server, from the command line.

It speaks HTTP with the admin port and starts at once: nothing here but the standard library.
"""

from hokm.ctl.command import main

__all__ = ["main"]
