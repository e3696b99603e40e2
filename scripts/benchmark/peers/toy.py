"""The toy rules, as every peer plays them: right seat, right number, has the card, follows suit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

try:
    from orjson import dumps, loads
except ImportError:  # the project's own environment, where plain Autobahn runs, has its equal
    from msgspec.json import decode as loads
    from msgspec.json import encode as dumps

RANKS: Final = "23456789TJQKA"
SUITS: Final = "SHDC"


class Room:
    """A room of four: the rules and its players, whatever the library calls them."""

    def __init__(self) -> None:
        self.players: list[Any] = []
        self._seq = 0
        self._turn = 0
        self._deals = 0
        self._tricks = [0, 0]
        self._deal()

    def _deal(self) -> None:
        self._hands: list[list[str]] = [[], [], [], []]
        for card in range(52):
            name = RANKS[card % 13] + SUITS[card // 13]
            self._hands[(card + self._deals) % 4].append(name)
        self._deals += 1
        self._trick: list[str] = []

    def _legal(self) -> list[str]:
        hand = self._hands[self._turn]
        if not self._trick:
            return hand
        suit = self._trick[0][1]
        return [card for card in hand if card[1] == suit] or hand

    def enter(self, player: Any, send: Callable[[Any, bytes], object]) -> int:
        """Seat a player, and tell all four when they are there; returns the seat."""
        seat = len(self.players)
        self.players.append(player)
        if len(self.players) == 4:
            for of, other in enumerate(self.players):
                told = {"type": "dealt", "seq": self._seq, "seat": of, "turn": self._turn}
                if of == self._turn:
                    told["legal"] = self._legal()
                send(other, dumps(told))
        return seat

    def play(self, seat: int, text: bytes | bytearray | memoryview | str) -> Telling | None:
        """Take a play; returns what is to be told, None where it is against the rules."""
        message = loads(text)
        if seat != self._turn or message["seat"] != seat or message["seq"] != self._seq:
            return None
        hand, card = self._hands[seat], message["card"]
        if card not in hand or card not in self._legal():
            return None
        hand.remove(card)
        self._trick.append(card)
        self._seq += 1
        self._turn = (seat + 1) % 4
        told = {
            "type": "card_played",
            "seq": self._seq,
            "id": message["id"],
            "seat": seat,
            "card": card,
            "turn": self._turn,
            "trick": self._trick,
            "tricks": self._tricks,
            "counts": [len(cards) for cards in self._hands],
        }
        shared = dumps(told)
        if len(self._trick) == 4:
            self._tricks[seat % 2] += 1
            self._trick = []
            if not hand:
                self._deal()
        told["legal"] = self._legal()
        others = self.players.copy()
        return others.pop(self._turn), others, dumps(told), shared


# The next player, the three others, what the next one is told, what the others are.
Telling = tuple[Any, list[Any], bytes, bytes]

REFUSED: Final = b'{"type":"error"}'

_rooms: dict[str, Room] = {}


def room_of(path: str) -> Room:
    """Return the room that a request's path names; it is made where there is none."""
    code = path.partition("=")[2]
    if code not in _rooms:
        _rooms[code] = Room()
    return _rooms[code]
