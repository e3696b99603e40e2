"""Who is connected to a table, and what each of them is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hokm import wire
from hokm.connection import text_frame
from hokm.room import effects as fx
from hokm.room.state import SEATS
from hokm.worker.step import Ending, Output, Probe, Recipient


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

    def watches(self, connection: int) -> bool:
        """Say whether the connection of that number has a spectator's place."""
        return self._watcher(connection) is not None

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
        self, effects: Iterable[fx.Effect], sender: Recipient | None, answer: bytes | None
    ) -> list[Output]:
        """Change the seating as *effects* ask, and address all messages.

        Args:
            sender: The connection that the command came from.
            answer: The text that the sender is sent last, before his own connection is closed.
        """
        mail = _Mail()
        endings: list[Output] = []
        for effect in effects:
            if isinstance(effect, fx.Tell):
                mail.tell(effect)
            elif isinstance(effect, fx.Reply):
                self._reply(wire.encode(effect.message), sender, mail)
            else:  # who gets what is said from here on is another question
                self._deliver(mail)
                self._change(effect, sender, mail, endings)
        if answer is not None:
            self._reply(answer, sender, mail)
        self._deliver(mail)
        return mail.outputs + endings

    def _reply(self, text: bytes, sender: Recipient | None, mail: _Mail) -> None:
        if sender is None:
            return
        frame = text_frame(text)
        seat = sender.seat
        if seat is not None and self._seats[seat] is sender:
            mail.add(seat, frame)
        else:
            self._deliver(mail)
            mail.outputs.append((sender, frame))

    def _deliver(self, mail: _Mail) -> None:
        """Address what was told so far to those who are here now."""
        if not (mail.public or mail.own):
            return
        public, own, outputs = mail.public, mail.own, mail.outputs
        for seat, holder in enumerate(self._seats):
            frames = own.get(seat, public)
            if holder is not None and frames:
                outputs.append((holder, frames))
        if public:
            for watcher in self._watchers:
                outputs.append((watcher, public))
        mail.public, mail.own = b"", {}

    def _change(
        self, effect: fx.Effect, sender: Recipient | None, mail: _Mail, endings: list[Output]
    ) -> None:
        if isinstance(effect, fx.Close):
            self._end(effect, endings)
        elif isinstance(effect, fx.Reseat):
            self._reseat(effect.seat, effect.to)
        elif isinstance(effect, fx.Whisper):
            self._whisper(effect, sender, mail, endings)
        elif sender is None:
            return
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

    def _whisper(
        self, whisper: fx.Whisper, sender: Recipient | None, mail: _Mail, endings: list[Output]
    ) -> None:
        hearer = self._watcher(whisper.connection)
        if hearer is None and sender is not None and sender.number == whisper.connection:
            hearer = sender
        if hearer is None:
            return
        if whisper.message is not None:
            mail.outputs.append((hearer, text_frame(wire.encode(whisper.message))))
        if whisper.code is not None:
            self._watchers.pop(hearer, None)
            hearer.dismiss()
            endings.append((hearer, Ending(whisper.code, whisper.reason)))

    def _watcher(self, connection: int) -> Recipient | None:
        return next((one for one in self._watchers if one.number == connection), None)

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


class _Mail:
    """What one decision says, as frames in order; what many are sent is put together once.

    Attributes:
        outputs: What is addressed already.
        public: What those are sent who have no frames of their own.
        own: Seat -> all that it is sent.
    """

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.public = b""
        self.own: dict[int, bytes] = {}

    def tell(self, tell: fx.Tell) -> None:
        """Add a message to everybody, or what some seats are sent instead."""
        frame, private = text_frame(tell.public), tell.private
        for seat in self.own:
            if private is None or seat not in private:
                self.own[seat] += frame
        if private is not None:
            for seat, text in private.items():
                self.add(seat, text_frame(text))
        self.public += frame

    def add(self, seat: int, frame: bytes) -> None:
        """Add a frame for one seat."""
        self.own[seat] = self.own.get(seat, self.public) + frame
