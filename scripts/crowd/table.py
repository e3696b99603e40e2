"""A table of four players, each a `hokm.client`, who play until they are told to leave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from disturbance.checker import Breach
from disturbance.referee import Plays, check_table
from disturbance.site import Site
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from hokm import wire
from hokm.client import Client, CommandRefused, Disconnected, join
from hokm.tasks import run

SUIT: Final = 1  # place of the suit in a card's name
QUIET_SECONDS: Final = 30.0  # in which all must be answered once turns are let pass
_POLL_SECONDS: Final = 0.02


class Seat:
    """One player.

    Attributes:
        plays: That were acknowledged: card, and in which hand.
        gaps: Events that were missing, or came twice, in words.
        refused: Codes of commands that were refused.
        going: Set it to False, and it lets its turns pass.
        acting: Whether it thinks, or waits for an answer.
        pace: Mean seconds that it thinks.
    """

    def __init__(self, *, random: Random, pace: float, waited: Callable[[float], None]) -> None:
        """Make a player without a place.

        Args:
            waited: Is told how many seconds each answer took.
        """
        self.client: Client | None = None
        self.plays: Plays = Counter()
        self.gaps: list[str] = []
        self.refused: list[str] = []
        self.going = True
        self.acting = False
        self._random = random
        self.pace = pace
        self._waited = waited
        self._seq: int | None = None

    def hear(self, message: wire.Message) -> None:
        """Take one message of the server: the numbers of events have no gap."""
        if isinstance(message, wire.Welcome | wire.StateMessage):
            self._seq = message.state.seq
        elif (seq := getattr(message, "seq", None)) is not None:
            if self._seq is not None and seq != self._seq + 1:
                self.gaps.append(f"event {seq} came after {self._seq}")
            self._seq = seq

    async def play(self) -> None:
        """Play until the place is gone for good."""
        assert self.client is not None
        client = self.client
        try:
            while True:
                state = await client.until(self._is_ours)
                self.acting = True
                try:
                    await client.pause(self.pace * self._random.uniform(0.5, 1.5))
                    await self._act(client, state)
                finally:
                    self.acting = False
        except Disconnected:
            return

    def _is_ours(self, state: wire.State) -> bool:
        turn = state.turn
        return self.going and turn is not None and turn.seat == state.seat and not state.paused

    async def _act(self, client: Client, state: wire.State) -> None:
        assert state.turn is not None
        began = time.monotonic()
        try:
            if state.turn.action == "choose_trump":
                suits = Counter(card[SUIT] for card in state.hand)
                await client.choose_trump(suits.most_common(1)[0][0])
            else:
                card = self._random.choice(state.legal)
                await client.play(card)
                self.plays[((state.match_no, state.hand_no), card)] += 1
        except CommandRefused as refusal:
            self.refused.append(refusal.code)
            await client.sync()
        else:
            self._waited(time.monotonic() - began)


class Table:
    """Four players.

    Attributes:
        code: Of its room.
    """

    def __init__(
        self,
        site: Site,
        url: str,
        reactor: Any,
        *,
        seed: str,
        pace: float,
        waited: Callable[[float], None],
    ) -> None:
        """Make a table where nobody sits yet.

        Args:
            url: Of the server's public site.
            pace: Mean seconds between two plays.
            waited: Is told how many seconds each answer took.
        """
        self.code = ""
        self._site = site
        self._url = url
        self._reactor = reactor
        self.seats = [
            Seat(random=Random(f"{seed}/{n}"), pace=pace, waited=waited) for n in range(4)
        ]

    @property
    def clients(self) -> list[Client]:
        """Those that have a place."""
        return [seat.client for seat in self.seats if seat.client is not None]

    async def sit_down(self) -> None:
        """Make a room, take all places, and play.

        Raises:
            Unexpected: The server makes no room now.
            CommandRefused, Disconnected: Somebody was not let in.
        """
        made = await self._site.create_room()
        self.code = made.room_code
        for number, seat in enumerate(self.seats):
            seat.client = await join(
                self._url,
                self.code,
                f"player {number}",
                reactor=self._reactor,
                token=made.host_token if number == 0 else None,
                on_event=seat.hear,
            )
        for seat in self.seats:
            run(seat.play(), "a player")
        await self.clients[0].start()

    async def leave(self) -> list[Breach]:
        """Let turns pass, prove that nothing was lost or doubled, and leave.

        Returns:
            What was found; nothing where all is as it should be.
        """
        for seat in self.seats:
            seat.going = False
        until = time.monotonic() + QUIET_SECONDS
        while self._is_busy():
            if time.monotonic() > until:
                self.end()
                return [Breach("stuck", self.code, "commands have had no answer for 30 s")]
            await deferLater(self._reactor, _POLL_SECONDS)
        await gatherResults([client.sync() for client in self.clients])
        history = await self._site.history(self.code)
        states = [client.state for client in self.clients if client.state is not None]
        breaches = check_table(
            history, states, [seat.plays for seat in self.seats], [Counter() for _ in self.seats]
        )
        for number, seat in enumerate(self.seats):
            who = f"{self.code} seat {number}"
            breaches += [Breach("lost", who, gap) for gap in seat.gaps]
            breaches += [Breach("refused", who, code) for code in seat.refused]
        self.end()
        return breaches

    def _is_busy(self) -> bool:
        return any(seat.acting for seat in self.seats) or any(c.unanswered for c in self.clients)

    def end(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.end()

    def closed(self) -> int:
        """Return how many sockets were lost, those that came back included."""
        return sum(client.resumes for client in self.clients)


async def leave(tables: list[Table]) -> list[Breach]:
    """Have tables leave; returns what was found at them."""
    found = await gatherResults([Deferred.fromCoroutine(table.leave()) for table in tables])
    return [breach for breaches in found for breach in breaches]
