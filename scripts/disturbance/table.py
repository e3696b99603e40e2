"""A table: its four players, now and then a spectator, and the proof of what was played."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from disturbance.checker import Breach
from disturbance.player import Nature, Player
from disturbance.referee import check_table
from disturbance.site import POLL_SECONDS, Site, Unexpected
from disturbance.tally import Tally
from disturbance.websocket import Habits

JOIN_SECONDS = 30.0
NATURES = {  # each with its weight
    Nature(Habits()): 4,
    Nature(Habits(cuts=0.5)): 2,
    Nature(Habits(fragments=0.5)): 2,
    Nature(Habits(slow=True)): 1,
    Nature(Habits(), talks=0.5): 1,
}
SPECTATOR_EVERY = 5  # tables


class Table:
    """One table.

    Attributes:
        code: Room code.
        players: In the order of their seats.
        spectators: Who only watches.
    """

    def __init__(self, *, number: int, seed: int, plain: bool, pace: float) -> None:
        """Choose who will sit here.

        Args:
            plain: Whether all are alike, and nobody watches.
            pace: Mean seconds between two plays.
        """
        self.code = ""
        self.players: list[Player] = []
        self.spectators: list[Player] = []
        self._random = Random(f"{seed}/{number}")
        natures, weights = list(NATURES), list(NATURES.values())
        chosen = natures[:1] * 4 if plain else self._random.choices(natures, weights, k=4)
        self._natures = [replace(nature, pace=pace) for nature in chosen]
        self._watched = not plain and number % SPECTATOR_EVERY == 0

    @property
    def clients(self) -> list[Player]:
        """All who are connected to it."""
        return self.players + self.spectators

    @property
    def plays(self) -> int:
        """How many plays were acknowledged."""
        return sum(player.acknowledged.total() for player in self.players)

    async def sit_down(self, site: Site, reactor: Any, tally: Tally) -> None:
        """Make the room, and let all come in.

        Raises:
            Unexpected: Somebody did not come in.
        """
        made = await site.create_room()
        self.code = made.room_code
        for number, nature in enumerate(self._natures):
            player = Player(
                reactor=reactor,
                address=site.address,
                room=self.code,
                name=f"player {number}",
                nature=nature,
                random=Random(self._random.random()),
                tally=tally,
                token=made.host_token if number == 0 else None,
                host=number == 0,
            )
            player.going = False
            self.players.append(player)
            await self._come_in(player, site, tally)
        if self._watched:
            watcher = Player(
                reactor=reactor,
                address=site.address,
                room=self.code,
                name="spectator",
                nature=Nature(Habits()),
                random=Random(self._random.random()),
                tally=tally,
                role="spectator",
            )
            self.spectators.append(watcher)
            await self._come_in(watcher, site, tally)

    async def _come_in(self, player: Player, site: Site, tally: Tally) -> None:
        player.connect()
        until = tally.clock() + JOIN_SECONDS
        while not player.joined:
            if player.gone or tally.clock() > until:
                raise Unexpected(f"nobody could join {self.code}")
            await site.sleep(POLL_SECONDS / 10)

    def play(self) -> None:
        """Begin to play."""
        for player in self.players:
            player.going = True
        self.players[0].consider()

    def pause(self) -> None:
        """Let turns pass."""
        for player in self.players:
            player.going = False

    def is_quiet(self) -> bool:
        """Say whether all are there and everything is answered."""
        return all(client.joined and not client.outbox for client in self.clients)

    def plight(self) -> str:
        """Tell how each client is, for the report of a table that does not go on."""
        return "; ".join(
            f"{'gone' if client.gone else 'there' if client.joined else 'away'}, "
            f"{len(client.outbox)} unanswered, "
            f"turn {client.state and client.state.turn}"
            for client in self.clients
        )

    async def check(self, site: Site) -> list[Breach]:
        """Prove that nothing was lost; only once everybody was told the state anew."""
        breaches = [breach for client in self.clients for breach in client.witness.breaches]
        states = [player.state for player in self.players]
        assert None not in states  # they have all come in
        history = await site.history(self.code)
        return breaches + check_table(
            history,
            [state for state in states if state is not None],
            [player.acknowledged for player in self.players],
            [player.auto for player in self.players],
        )
