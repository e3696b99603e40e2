"""A client's commands until they are answered: the protocol's rules for exactly once. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from hokm import wire


@dataclass(slots=True)
class Sent:
    """A command under way.

    Attributes:
        at: When it was sent first, in seconds of a monotonic clock.
        hand: Number of the match and of the hand that it was meant for.
        again: Whether it was sent more than once.
        in_pieces: Whether it went out in pieces.
    """

    command: wire.Command
    at: float
    hand: tuple[int, int]
    again: bool = False
    in_pieces: bool = False


class Outbox:
    """What was sent and not answered, in order."""

    def __init__(self) -> None:
        self._id = 0
        self._waiting: OrderedDict[int, Sent] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def next_id(self) -> int:
        """Return the id of the next command."""
        self._id += 1
        return self._id

    def keep(self, sent: Sent) -> None:
        """Keep a command until it is answered."""
        self._waiting[sent.command.id] = sent

    def answered(self, id: int) -> Sent | None:
        """Take out the command that was answered; None where it was settled before."""
        return self._waiting.pop(id, None)

    def settle(self, last_id: int) -> tuple[list[Sent], list[Sent]]:
        """Hear the player's last command that was done, with a whole state.

        Returns:
            The commands that are done by it, which are taken out, and those to be sent again. A
            `sync` is done by any state: what it asked for is there.
        """
        done = [
            sent
            for id, sent in self._waiting.items()
            if id <= last_id or isinstance(sent.command, wire.Sync)
        ]
        for sent in done:
            del self._waiting[sent.command.id]
        return done, list(self._waiting.values())

    def in_pieces(self) -> bool:
        """Say whether a command that went out in pieces may not have been read whole."""
        return any(sent.in_pieces for sent in self._waiting.values())

    def playing(self) -> bool:
        """Say whether anything but chat is under way."""
        return any(not isinstance(sent.command, wire.Say) for sent in self._waiting.values())
