"""The checker: hears what clients are told and what the store says, and notes each broken promise.

Pure. It never repairs: what it does not understand is a breach.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from hokm import wire

COMPARED: Final = ("phase", "hand_no", "score", "tricks", "trump", "counts", "table", "last_trick")
Kind = Literal["lost", "doubled", "reordered", "refused", "stuck", "split"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was not kept.

    Attributes:
        kind: `lost` (an event, answer or acknowledged play), `doubled`, `reordered`, `refused` (a
            command that was right), `stuck` (a table or command that does not go on), `split` (two
            owners of one epoch, or an epoch that went back).
    """

    kind: Kind
    who: str
    text: str


class Witness:
    """Hears all that one client sends and is told.

    Attributes:
        breaches: What it has found.
    """

    def __init__(self, who: str) -> None:
        self.breaches: list[Breach] = []
        self._who = who
        self._seq: int | None = None
        self._sends: Counter[int] = Counter()
        self._answers: Counter[int] = Counter()
        self._highest_sent = 0
        self._highest_done = 0  # of those that count for `last_id`
        self._last_answer = 0

    def sent(self, id: int) -> None:
        """Note that a command was sent, for the first time or again."""
        self._sends[id] += 1
        self._highest_sent = max(self._highest_sent, id)

    def done(self, id: int) -> None:
        """Note that a command of the log (no `sync`, no `join`) is acknowledged."""
        self._highest_done = max(self._highest_done, id)

    def hear(self, message: wire.Message) -> None:
        """Take one message of the server."""
        if isinstance(message, wire.Ok | wire.Error):
            if message.id is not None:
                self._answer(message.id)
        elif isinstance(message, wire.Welcome | wire.StateMessage):
            self._state(message.last_id, message.state.seq)
        elif isinstance(message, wire.Event):
            self._event(message.seq)

    def compare(self, own: wire.State, told: wire.State) -> None:
        """Compare the picture that events gave with the one that the server tells."""
        if own.seq != told.seq or own.phase != "play":
            return
        pairs = [(name, getattr(own, name), getattr(told, name)) for name in COMPARED]
        pairs.append(("hand", sorted(own.hand), sorted(told.hand)))
        for name, ours, theirs in pairs:
            if ours != theirs:
                text = f"at event {told.seq} {name} is {theirs}, by the events {ours}"
                self.breach("lost", text)

    def breach(self, kind: Kind, text: str) -> None:
        """Note a breach that somebody else has seen."""
        self.breaches.append(Breach(kind, self._who, text))

    def _answer(self, id: int) -> None:
        self._answers[id] += 1
        if self._answers[id] > self._sends[id]:
            sends = self._sends[id]
            self.breach(
                "doubled", f"answer {self._answers[id]} to command {id}, sent {sends} times"
            )
        elif self._sends[id] == 1:
            if id < self._last_answer:
                self.breach("reordered", f"answer to {id} after that to {self._last_answer}")
            self._last_answer = id

    def _state(self, last_id: int, seq: int) -> None:
        if self._seq is not None and seq < self._seq:
            self.breach("lost", f"the state went back from event {self._seq} to {seq}")
        if last_id < self._highest_done:
            text = f"command {self._highest_done} was acknowledged, the last known is {last_id}"
            self.breach("lost", text)
        if last_id > self._highest_sent:
            self.breach("doubled", f"command {last_id} is known and was never sent")
        self._seq = seq

    def _event(self, seq: int) -> None:
        expected = None if self._seq is None else self._seq + 1
        if expected is None or seq > expected:
            self.breach("lost", f"event {seq} came where {expected} was due")
        elif seq == expected - 1:
            self.breach("doubled", f"event {seq} came again")
        elif seq < expected:
            self.breach("reordered", f"event {seq} came where {expected} was due")
        self._seq = seq


class Owners:
    """Hears now and then who owns each room: one owner of an epoch, and no epoch goes back.

    Attributes:
        breaches: What it has found.
        looks: How often it heard.
    """

    def __init__(self) -> None:
        self.breaches: list[Breach] = []
        self.looks = 0
        self._epochs: dict[str, int] = {}
        self._owners: dict[tuple[str, int], str] = {}

    def hear(self, room: str, epoch: int, owner: str) -> None:
        """Take what the store says of a room."""
        self.looks += 1
        before = self._epochs.get(room, epoch)
        if epoch < before:
            self.breaches.append(Breach("split", room, f"epoch {epoch} after {before}"))
        self._epochs[room] = epoch
        known = self._owners.setdefault((room, epoch), owner)
        if known != owner:
            text = f"epoch {epoch} belongs to {known} and to {owner}"
            self.breaches.append(Breach("split", room, text))
