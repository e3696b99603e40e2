"""The ledger: how far each connection's byte streams have come, in memory that outlives workers.

A worker notes before it writes, and after it has taken a whole message. When it is killed, the
supervisor compares that with the kernel's own counts (`hokm.control.stream`): where they agree, no
frame was cut, and another worker can go on with the same socket. A line belongs to a connection
for life, whoever serves it. Counts are bytes since the connection was accepted. The supervisor's
next life, too, learns here which connections were closed, and whether a worker still lives.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Final, TypeAlias

Line: TypeAlias = "memoryview[int]"

TAKEN: Final = 0  # read and taken as whole messages; the request head counts as one
SENT_FROM: Final = 1  # handed to the transport before the last send
SENT: Final = 2  # handed to the transport, the last send included
_FIELDS: Final = 3
LINES: Final = 1 << 17  # above every RLIMIT_NOFILE; untouched pages cost nothing
_COUNTS: Final = LINES * _FIELDS
_BYTES: Final = (_COUNTS + LINES) * 8  # behind the counts, each line's owner


class Ledger:
    """A memfd of lines, mapped by the supervisor and all workers.

    Attributes:
        fd: Its descriptor, close-on-exec; for handing it on.
    """

    def __init__(self, fd: int) -> None:
        """Map the ledger behind *fd*, which this object owns.

        Raises:
            OSError: It is none.
        """
        self.fd = fd
        mapped = memoryview(mmap.mmap(fd, _BYTES)).cast("Q")
        self._counts, self._owners = mapped[:_COUNTS], mapped[_COUNTS:]

    @classmethod
    def make(cls) -> Ledger:
        """Make a new ledger, all zero."""
        fd = os.memfd_create("hokm-ledger", os.MFD_CLOEXEC)
        os.ftruncate(fd, _BYTES)
        return cls(fd)

    def line(self, number: int) -> Line:
        """Return line *number*, as a sequence of counts that writes through."""
        return self._counts[number * _FIELDS : (number + 1) * _FIELDS]

    def totals(self, lines: int) -> tuple[int, int]:
        """Return the bytes taken and sent of the first *lines* lines, together."""
        counts = self._counts[: lines * _FIELDS]
        return sum(counts[TAKEN::_FIELDS]), sum(counts[SENT::_FIELDS])

    def clear(self, number: int) -> None:
        """Set a line to zero, for the next connection that has it."""
        line = self.line(number)
        for field in range(_FIELDS):
            line[field] = 0

    def own(self, number: int, connection: int) -> None:
        """Note which connection has a line; 0 for none."""
        self._owners[number] = connection

    def owner(self, number: int) -> int:
        """Return the number of the connection that has a line; 0 for none."""
        return self._owners[number]

    def use(self) -> None:
        """Keep `in_use` true as long as this process lives."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def in_use(self) -> bool:
        """Say whether a process that said `use` lives."""
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def _open(self) -> int:
        # Anew: a lock belongs to what was opened, and all have the ledger from one opening.
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDWR | os.O_CLOEXEC)


def blank_line() -> Line:
    """Return a line of no ledger: for connections that nobody will have to take over."""
    return memoryview(bytearray(_FIELDS * 8)).cast("Q")
