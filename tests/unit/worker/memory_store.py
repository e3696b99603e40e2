"""A store in memory, by the contract of hokm/store/store.py, with faults that a test turns on."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail, succeed

from hokm import wire
from hokm.store.store import Claimed, Entry, OwnedElsewhere, StoreAway, Verdict


class MemoryStore:
    """Rooms in a dictionary.

    Attributes:
        away: It does not answer.
        swallow: It does what it is asked, and the answer is lost.
        slow: Answers wait until `answer` is called.
        elsewhere: The instance that owns all rooms; None: nobody else does.
        released: Rooms that were given up, with the epochs of their claims.
        calls: How many commits it was asked for, the empty ones not counted.
    """

    def __init__(self) -> None:
        self.away = self.swallow = self.slow = False
        self.elsewhere: str | None = None
        self.released: list[tuple[str, int]] = []
        self.calls = 0
        self._rooms: dict[str, tuple[int, int, bytes, list[bytes]]] = {}
        self._hands: dict[str, list[bytes]] = {}
        self._unanswered: list[tuple[Deferred[list[Verdict]], list[Verdict]]] = []

    async def create(self, room: str, snapshot: bytes) -> bool:
        self._check()
        if room in self._rooms:
            return False
        self._rooms[room] = (0, 0, snapshot, [])
        return True

    async def claim(self, room: str, owner: str) -> Claimed | None:
        self._check()
        if room not in self._rooms:
            return None
        if self.elsewhere is not None:
            raise OwnedElsewhere(self.elsewhere)
        epoch, position, snapshot, records = self._rooms[room]
        self._rooms[room] = (epoch + 1, position, snapshot, records)
        return Claimed(epoch + 1, position, snapshot, tuple(records))

    async def read(self, room: str) -> Claimed | None:
        self._check()
        if room not in self._rooms:
            return None
        epoch, position, snapshot, records = self._rooms[room]
        return Claimed(epoch, position, snapshot, tuple(records))

    def commit(self, entries: Sequence[Entry]) -> Deferred[list[Verdict]]:
        if entries:
            self.calls += 1
        if self.away:
            return fail(StoreAway("away"))
        verdicts = [self._write(entry) for entry in entries]
        if self.swallow:
            return fail(StoreAway("the answer was lost"))
        if not self.slow:
            return succeed(verdicts)
        answer: Deferred[list[Verdict]] = Deferred()
        self._unanswered.append((answer, verdicts))
        return answer

    async def release(self, room: str, epoch: int) -> None:
        self._check()
        self.released.append((room, epoch))

    async def hands(self, room: str) -> list[bytes] | None:
        self._check()
        return self._hands.get(room, []) if room in self._rooms else None

    def close(self) -> None:
        """Nothing is held."""

    def answer(self) -> None:
        """Give the oldest answer that waits."""
        answer, verdicts = self._unanswered.pop(0)
        answer.callback(verdicts)

    def forget_last(self, room: str) -> None:
        """Lose the end of a log, as a server that died while it wrote to the disk."""
        epoch, position, snapshot, records = self._rooms[room]
        self._rooms[room] = (epoch, position - 1, snapshot, records[:-1])

    def _check(self) -> None:
        if self.away:
            raise StoreAway("away")

    def _write(self, entry: Entry) -> Verdict:
        nothing: tuple[int, int, bytes, list[bytes]] = (-1, 0, b"", [])
        epoch, position, snapshot, records = self._rooms.get(entry.room, nothing)
        if epoch > entry.epoch:
            return Verdict.LOST
        if epoch == entry.epoch and position > entry.position:
            return Verdict.DONE
        if entry.snapshot is None and (epoch, position) != (entry.epoch, entry.position):
            return Verdict.GAP
        if entry.snapshot is None:
            records = [*records, entry.record]
        else:
            snapshot, records = entry.snapshot, []
        self._rooms[entry.room] = (entry.epoch, entry.position + 1, snapshot, records)
        self._hands.setdefault(entry.room, []).extend(entry.hands)
        return Verdict.DONE


class MemoryShowcase:
    """A showcase that is a dictionary."""

    def __init__(self) -> None:
        self.tables: dict[str, wire.PublicTable] = {}

    async def show(self, code: str, table: wire.PublicTable | None) -> None:
        if table is None:
            self.tables.pop(code, None)
        else:
            self.tables[code] = table
