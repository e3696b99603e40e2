"""A client that plays by itself, with the bots' rules."""

from __future__ import annotations

from random import Random
from typing import Final

from hokm import wire
from hokm.bots import Call, Refuse
from hokm.bots import choose as bot_choice
from hokm.client.client import Client
from hokm.client.errors import CommandRefused, Disconnected
from hokm.game.cards import CARDS, NAMES, SUITS, mask_of, suit_of
from hokm.game.values import Trick
from hokm.game.view import SeatView

RATE_PAUSE: Final = 0.5  # seconds, after which a bot that was too fast goes on


class Player:
    """Plays for a client.

    Attributes:
        going: Set it to False, and it lets its turns pass.
        acting: Whether it is thinking, or waits for the answer to what it did.
        acknowledged: Plays that the server has answered with ok.
        refused: Codes of those that it refused.
    """

    def __init__(
        self,
        client: Client,
        *,
        random: Random,
        level: wire.Level = "normal",
        think_seconds: float = 0.0,
    ) -> None:
        """Make a player who does nothing until `play_match`.

        Args:
            random: Chooses between what is equally good.
            think_seconds: How long it waits before each of its turns.
        """
        self._client = client
        self._think_seconds = think_seconds
        self._random = random
        self._level: wire.Level = level
        self.going = True
        self.acting = False
        self.acknowledged = 0
        self.refused: list[str] = []

    async def play_match(self) -> None:
        """Play until the match is over, or the place at the table is gone."""
        try:
            await self._client.until(lambda s: s.phase in ("call", "play"))
            while True:
                state = await self._client.until(self._is_ours_or_over)
                if state.phase == "match_over":
                    return
                self.acting = True
                try:
                    await self._act(state)
                finally:
                    self.acting = False
        except Disconnected:
            return

    def _is_ours_or_over(self, state: wire.State) -> bool:
        mine = state.turn is not None and state.turn.seat == state.seat and not state.paused
        return (mine and self.going) or state.phase == "match_over"

    async def _act(self, state: wire.State) -> None:
        assert state.turn is not None
        if self._think_seconds:
            await self._client.pause(self._think_seconds)
        try:
            if state.turn.action == "choose_trump":
                action = bot_choice(self._level, seat_view(state), self._random)
                if isinstance(action, Refuse):
                    await self._client.redeal()
                elif isinstance(action, Call):
                    await self._client.choose_trump(SUITS[action.suit])
            else:
                action = bot_choice(self._level, seat_view(state), self._random)
                assert not isinstance(action, Call | Refuse)
                await self._client.play(NAMES[action.card])
                self.acknowledged += 1
        except CommandRefused as refusal:
            # The clock was faster, or the picture old: look again.
            self.refused.append(refusal.code)
            if refusal.code == "rate_limited":
                await self._client.pause(RATE_PAUSE)
            else:
                await self._client.sync()


def seat_view(state: wire.State) -> SeatView:
    """Return what a bot is given, from a client's picture; of past tricks it knows the last."""
    table, last = state.table, state.last_trick
    trick = tuple(CARDS[name] for name in table.cards) if table else ()
    past = tuple(CARDS[name] for name in last.cards) if last else ()
    voids = [0, 0, 0, 0]
    for leader, cards in (
        (table.leader if table else 0, trick),
        (last.leader if last else 0, past),
    ):
        for place, card in enumerate(cards):
            if suit_of(card) != suit_of(cards[0]):
                voids[(leader + place) % 4] |= 1 << suit_of(cards[0])
    assert state.turn is not None and state.hakem is not None and state.dealer is not None
    return SeatView(
        seat=state.seat,
        phase="call" if state.phase == "call" else "play",
        hakem=state.hakem,
        dealer=state.dealer,
        trump=SUITS.index(state.trump) if state.trump else None,
        hand=mask_of([CARDS[name] for name in state.hand]),
        legal=mask_of([CARDS[name] for name in state.legal]),
        counts=state.counts,
        leader=table.leader if table else state.hakem,
        turn=state.turn.seat,
        trick=trick,
        tricks=state.tricks,
        last_trick=Trick(last.leader, past, last.winner or 0) if last else None,
        played=mask_of((*trick, *past)),
        voids=tuple(voids),
        may_refuse=state.may_redeal,
        score=state.score,
        target=state.options.target,
    )
