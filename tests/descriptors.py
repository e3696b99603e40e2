"""What this process has open, so that a test can see what it left open."""

from __future__ import annotations

import contextlib
from pathlib import Path


def open_files() -> set[str]:
    """Return what each open descriptor is, as `socket:[INODE]`.

    A test compares what is left with what there was: what tests before it left to close by itself,
    and does so meanwhile, is not counted against it.
    """
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that by which the folder itself is read
            found.add(str(descriptor.readlink()))
    return {what for what in found if not what.startswith("/proc/")}
