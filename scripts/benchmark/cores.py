"""Which core the server gets and which the load: never the same one, where there are two."""

from __future__ import annotations

import os

from msgspec import Struct


class Cores(Struct, frozen=True):
    """The machine's cores, divided.

    Attributes:
        servers: For servers: one each, or one for each of hokm's workers.
        load: For the load and for all else (store, supervisor), as on a machine of its own.
    """

    servers: tuple[int, ...]
    load: int

    @classmethod
    def divide(cls) -> Cores:
        """Divide the cores that this process may use; the last one is the load's."""
        *servers, load = sorted(os.sched_getaffinity(0))
        return cls(tuple(servers) or (load,), load)
