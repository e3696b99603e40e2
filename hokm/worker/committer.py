"""Group commit: all tables' steps of one reactor turn go to the store in one call, in order.

One call is under way at a time; what is decided meanwhile is the next one. A step is released
once the store has it. While the store is away nothing is released and nothing is lost: the same
entries are sent again until it is back, and it knows by their positions which of them it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from prometheus_client import Counter
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hokm.metrics import Metrics
from hokm.multiprocess import observe_all
from hokm.room.state import freeze
from hokm.store.store import Store, StoreAway, Verdict
from hokm.worker.step import Recipient, Source, Step

_log = Logger()

BATCH_ENTRIES: Final = 512  # one script call blocks the store for a few ms at most
NOTED: Final = 10_000  # release times that wait to be counted
RETRY_SECONDS: Final = 0.2  # the store's circuit breaker makes a try cheap while it is away


class Committer:
    """Stores steps and releases them.

    Attributes:
        away: Whether the store did not answer the last call.
        made: Rooms that were brought into being.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: IReactorTime,
        metrics: Metrics,
        at_end_of_turn: Callable[[Callable[[], None]], None],
        on_lost: Callable[[str], None],
        on_away: Callable[[], None],
        on_back: Callable[[], None],
        may_answer: Callable[[], bool],
    ) -> None:
        """Make a committer with nothing to do.

        Args:
            at_end_of_turn: Makes a call once this turn of the reactor has handled its events.
            on_lost: The room of that code has another owner; its steps are forgotten.
            on_away: The store went away.
            on_back: The store answers again.
            may_answer: Says whether the rooms are surely still ours, so that what needs no store
                can be said at once.
        """
        self.away = False
        self.made = 0
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._at_end_of_turn = at_end_of_turn
        self._on_lost = on_lost
        self._on_away = on_away
        self._on_back = on_back
        self._may_answer = may_answer
        self._waiting: list[Step] = []
        self._flying: list[Step] = []
        self._plays = 0  # noted, and not counted yet, like what follows
        self._waits: list[float] = []  # seconds from commands to their release
        self._commits: list[float] = []  # seconds of the store's calls
        self._busy = False  # whether a call is under way
        self._due = False  # whether a flush is due, at the end of this turn or later

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to be stored or released."""
        return not (self._waiting or self._flying)

    def submit(self, step: Step) -> None:
        """Take a step; what has nothing to store and nothing to wait for is released at once."""
        if step.entry is None and not step.table.pending:
            if self._may_answer():
                self._release((step,))
                return
            step.table.secure()  # it waits behind this
        step.table.pending += 1
        self._waiting.append(step)
        self._flush_soon()

    def check(self) -> None:
        """Find out whether the store answers, if nothing else is asking it."""
        if not self._busy and not self._due:
            self._flush(ask=True)

    def doubt(self) -> None:
        """Hear that rooms may have got other owners: nothing is said before the store was asked."""
        if not self.away:
            self.away = True
            self._on_away()
        self.check()

    def forget(self, table: Source) -> None:
        """Drop all steps of *table*, which this worker does not own any more."""
        for steps in (self._waiting, self._flying):
            steps[:] = [step for step in steps if step.table is not table]
        table.pending = 0

    def _flush_soon(self) -> None:
        if not (self._busy or self._due):
            self._due = True
            self._at_end_of_turn(self._flush)

    def _flush(self, ask: bool = False) -> None:
        """Send what waits; an empty call where the store itself is the question."""
        self._due = False
        self._flying = self._waiting[:BATCH_ENTRIES]
        del self._waiting[:BATCH_ENTRIES]
        # The verdicts' order is that of these; `forget` may take steps out of those in flight.
        sent = [step for step in self._flying if step.entry is not None]
        if not sent and not (ask or self.away):
            self._land([])
            return
        self._busy = True
        entries = [step.entry for step in sent if step.entry is not None]
        began = self._clock.seconds()
        done = self._store.commit(entries)
        done.addCallbacks(self._stored, self._failed, callbackArgs=(sent, began))
        done.addErrback(lambda f: _log.failure("the release of a commit failed", f))

    def _stored(self, verdicts: Sequence[Verdict], sent: Sequence[Step], began: float) -> None:
        self._busy = False
        if sent:
            self._commits.append(self._clock.seconds() - began)
        behind: list[Step] = []
        for step, verdict in zip(sent, verdicts, strict=True):
            if verdict is Verdict.GAP:
                behind.append(step)
            elif verdict is Verdict.LOST and step in self._flying:
                self.forget(step.table)
                self._on_lost(step.table.code)
        if self.away:
            # First: a room that moves is gone once its last step is released.
            self.away = False
            self._on_back()
        self._land(behind)

    def _failed(self, failure: Failure) -> None:
        """Keep all for another try: whether the store did it is not known, and need not be."""
        self._busy = False
        self._waiting[:0] = self._flying
        self._flying = []
        if not failure.check(StoreAway):
            _log.failure("the store refused a commit", failure)
        if not self.away:
            self.away = True
            self._on_away()
        if not (self._busy or self._due):
            self._due = True
            self._clock.callLater(RETRY_SECONDS, self._flush)

    def _land(self, behind: Sequence[Step]) -> None:
        """Release what flew, but for the tables that the store has lost the last records of.

        Those go again, the first record of each with a snapshot, from which the store goes on; an
        entry by which a table made another room has that one's.
        """
        again = {step.table for step in behind}
        landed = [step for step in self._flying if step.table not in again]
        held = [step for step in self._flying if step.table in again]
        self._flying = []
        for step in held:
            entry = step.entry
            if entry is not None and step.table in again and entry.room == step.table.code:
                again.remove(step.table)
                step.entry = replace(entry, snapshot=freeze(step.room))
        self._waiting[:0] = held
        for step in landed:
            step.table.pending -= 1
        self._release(landed)
        if self._waiting:
            self._flush_soon()

    def _release(self, steps: Sequence[Step]) -> None:
        """Send what *steps* hold, to each connection at once."""
        dirty: list[Recipient] = []
        for step in steps:
            for recipient, output in step.outputs:
                if recipient.put(output):
                    dirty.append(recipient)
        for recipient in dirty:
            recipient.flush()
        self._note(steps)
        for step in steps:
            if step.released is not None:
                step.released()

    def _note(self, steps: Iterable[Step]) -> None:
        """Count what *steps* were; what each play has is only noted, see `publish`."""
        now = self._clock.seconds()
        for step in steps:
            if step.asked is not None:
                self._waits.append(now - step.asked)
            for what, value in step.counts:
                if what == "plays":
                    self._plays += 1
                else:
                    self._count(what, value)
        if len(self._waits) >= NOTED:
            self.publish()

    def publish(self) -> None:
        """Count what was noted: each count of its own would cost as much as sending a message."""
        metrics = self._metrics
        metrics.plays.inc(self._plays)
        metrics.commits.inc(len(self._commits))
        observe_all(metrics.response_time, self._waits)
        observe_all(metrics.commit_time, self._commits)
        self._plays, self._waits, self._commits = 0, [], []

    def _count(self, what: str, value: float | str) -> None:
        metrics = self._metrics
        if what == "games_created":
            self.made += 1
        if isinstance(value, str):
            metrics.messages_refused.labels(value).inc()
        elif what == "game_seconds":
            metrics.game_duration.observe(value)
        else:
            _COUNTERS[what](metrics).inc(value)


_COUNTERS: Final[dict[str, Callable[[Metrics], Counter]]] = {
    "joins": lambda metrics: metrics.player_joins,
    "games_created": lambda metrics: metrics.games_created,
    "games_completed": lambda metrics: metrics.games_completed,
}
