"""Who is connected to this worker, by room: players, spectators, and who has not joined yet."""

from __future__ import annotations

from collections.abc import Iterator

from hokm.worker.player import Player


class Guests:
    """All connections of a worker, each in the room that its URL names."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[Player, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Player]:
        return iter([player for here in self._rooms.values() for player in here])

    def __contains__(self, player: Player) -> bool:
        return player in self._rooms.get(player.room_code, ())

    def of(self, code: str) -> list[Player]:
        """Return all who are connected for a room, in the order of their coming."""
        return list(self._rooms.get(code, ()))

    def add(self, player: Player) -> None:
        """Take a player in."""
        self._rooms.setdefault(player.room_code, {})[player] = None
        self._count += 1

    def remove(self, player: Player) -> None:
        """Let a player go who is here."""
        self._count -= 1
        here = self._rooms[player.room_code]
        del here[player]
        if not here:
            del self._rooms[player.room_code]
