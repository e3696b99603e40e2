"""A store that is asked, and believed, only while this instance's lease holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail

from hokm.fleet import Lease
from hokm.store.store import Claimed, Entry, Store, StoreAway, Verdict


class LeasedStore:
    """`Store` as a worker of a fleet uses it.

    Without a lease the store is as good as away. An answer that comes when the lease it was asked
    under is over counts as none: whose room it is has to be asked anew.
    """

    def __init__(self, store: Store, lease: Lease, now: Callable[[], float]) -> None:
        """Guard *store*.

        Args:
            now: The lease's clock.
        """
        self._store = store
        self._lease = lease
        self._now = now

    async def create(self, room: str, snapshot: bytes) -> bool:
        """As `Store.create`."""
        return await self._store.create(room, snapshot)

    async def claim(self, room: str, owner: str) -> Claimed | None:
        """As `Store.claim`."""
        term = self._check()
        claimed = await self._store.claim(room, owner)
        self._check(term)
        return claimed

    async def read(self, room: str) -> Claimed | None:
        """As `Store.read`."""
        return await self._store.read(room)

    async def release(self, room: str, epoch: int) -> None:
        """As `Store.release`."""
        await self._store.release(room, epoch)

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        """As `Store.commit`."""
        try:
            term = self._check()
        except StoreAway as away:
            return fail(away)

        def answered(verdicts: list[Verdict]) -> list[Verdict]:
            self._check(term)
            return verdicts

        return self._store.commit(entries).addCallback(answered)

    async def hands(self, room: str) -> list[bytes] | None:
        """As `Store.hands`."""
        return await self._store.hands(room)

    def close(self) -> None:
        """As `Store.close`."""
        self._store.close()

    def _check(self, term: int | None = None) -> int:
        """Return the lease's term.

        Raises:
            StoreAway: The lease is over, or another one than that of *term*.
        """
        lease = self._lease
        if not lease.holds(self._now()) or term not in (None, lease.term):
            raise StoreAway("this instance has no lease")
        return lease.term
