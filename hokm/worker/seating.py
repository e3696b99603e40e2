"""Who is connected to a table, and what each of them is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from hokm import wire
from hokm.connection import text_frame
from hokm.room import effects as fx
from hokm.room.state import SEATS
from hokm.worker.step import Ending, Output, Probe, Recipient

# What each connection is sent, in order; one output of many frames costs less than many outputs.
Mail: TypeAlias = dict[Recipient, list[bytes]]


class Seating:
    """The connections of one table: at most one per seat, and the spectators'."""

    def __init__(self) -> None:
        self._seats: list[Recipient | None] = [None] * SEATS
        self._watchers: dict[Recipient, None] = {}  # in order of arrival

    def __iter__(self) -> Iterator[Recipient]:
        yield from (holder for holder in self._seats if holder is not None)
        yield from self._watchers

    @property
    def players(self) -> int:
        """How many seats have a connection."""
        return SEATS - self._seats.count(None)

    @property
    def watchers(self) -> int:
        """How many spectators there are."""
        return len(self._watchers)

    def holds(self, recipient: Recipient) -> bool:
        """Say whether *recipient* has its seat, or its place among the spectators, still."""
        if recipient.seat is None:
            return recipient in self._watchers
        return self._seats[recipient.seat] is recipient

    def connected(self, seat: int) -> bool:
        """Say whether *seat* has a connection."""
        return self._seats[seat] is not None

    def remove(self, recipient: Recipient) -> None:
        """Forget a connection that is gone."""
        if recipient.seat is None:
            self._watchers.pop(recipient, None)
        elif self._seats[recipient.seat] is recipient:
            self._seats[recipient.seat] = None

    def place(self, recipient: Recipient, seat: int | None) -> None:
        """Give a connection the seat, or (None) the spectator's place, that it had before."""
        if seat is None:
            self._watchers[recipient] = None
        else:
            self._seats[seat] = recipient

    def to_all(self, message: wire.Message) -> list[Output]:
        """Address *message* to everybody."""
        frame = text_frame(wire.encode(message))
        return [(recipient, frame) for recipient in self]

    def carry_out(
        self, effects: Iterable[fx.Effect], sender: Recipient | None, answer: wire.Message | None
    ) -> list[Output]:
        """Change the seating as *effects* ask, and address all messages.

        Args:
            effects: A decision's; those that do not concern connections are passed over.
            sender: The connection that the command came from.
            answer: What the sender is sent last, before his own connection is closed.
        """
        mail: Mail = {}
        endings: list[Output] = []
        for effect in effects:
            if isinstance(effect, fx.Tell):
                self._tell(effect, mail)
            elif isinstance(effect, fx.Count | fx.Keep):
                continue
            elif isinstance(effect, fx.Close):
                self._end(effect, endings)
            elif isinstance(effect, fx.Reseat):
                self._reseat(effect.seat, effect.to)
            elif sender is not None:
                self._for_sender(effect, sender, mail, endings)
        if sender is not None and answer is not None:
            _post(mail, sender, text_frame(wire.encode(answer)))
        outputs: list[Output] = [
            (recipient, frames[0] if len(frames) == 1 else b"".join(frames))
            for recipient, frames in mail.items()
        ]
        return outputs + endings

    def _tell(self, tell: fx.Tell, mail: Mail) -> None:
        frame = text_frame(wire.encode(tell.public))
        private = tell.private
        for seat, holder in enumerate(self._seats):
            if holder is None:
                continue
            if private is not None and seat in private:
                _post(mail, holder, text_frame(wire.encode(private[seat])))
            else:
                _post(mail, holder, frame)
        for watcher in self._watchers:
            _post(mail, watcher, frame)

    def _end(self, close: fx.Close, endings: list[Output]) -> None:
        holder = self._seats[close.seat]
        if holder is not None:
            self._seats[close.seat] = None
            holder.dismiss()
            endings.append((holder, Ending(close.code, close.reason)))

    def _reseat(self, one: int, other: int) -> None:
        seats = self._seats
        seats[one], seats[other] = seats[other], seats[one]
        for seat in (one, other):
            holder = seats[seat]
            if holder is not None:
                holder.seat = seat

    def _for_sender(
        self, effect: fx.Effect, sender: Recipient, mail: Mail, endings: list[Output]
    ) -> None:
        if isinstance(effect, fx.Reply):
            _post(mail, sender, text_frame(wire.encode(effect.message)))
        elif isinstance(effect, fx.Take):
            if self._seats[effect.seat] is not sender:  # who is welcomed once more keeps his own
                newer = fx.Close(effect.seat, wire.TAKEN_OVER, "a newer connection has this seat")
                self._end(newer, endings)
            self._seats[effect.seat] = sender
            sender.admit(effect.seat)
            endings.append((sender, Probe()))
        elif isinstance(effect, fx.Watch):
            self._watchers[sender] = None
            sender.admit(None)


def _post(mail: Mail, recipient: Recipient, frame: bytes) -> None:
    frames = mail.get(recipient)
    if frames is None:
        mail[recipient] = [frame]
    else:
        frames.append(frame)
