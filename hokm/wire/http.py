"""Bodies of the public site's requests and answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hokm.game.proof import Proof
from hokm.wire.answers import HandResult
from hokm.wire.values import CardName, SuitName, TableOptions


class CreateRoom(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/rooms`: fields of `TableOptions`; the server's own where missing.

    A `public` table is shown to everybody by `GET /api/tables`.
    """

    options: dict[str, Any] = {}
    public: bool = False

    def on(self, defaults: TableOptions) -> TableOptions:
        """Return the options of the new table.

        Raises:
            msgspec.ValidationError: An option is unknown or has a bad value; names it.
        """
        given = msgspec.structs.asdict(defaults) | self.options
        return msgspec.convert(given, TableOptions)


class RoomCreated(Struct, frozen=True):
    """Answer of `POST /api/rooms`; `host_token` is the creator's token for his first `join`."""

    room_code: str
    url: str
    host_token: str
    commitment: str


class PublicTable(Struct, frozen=True):
    """A table that anybody may come to: to sit down while `free` seats are left, or to watch."""

    room_code: str
    host: str
    people: int
    bots: int
    free: int
    playing: bool
    target: int


class PublicTables(Struct, frozen=True):
    """Answer of `GET /api/tables`: those where one can sit down come first."""

    tables: tuple[PublicTable, ...]


class PlayedTrick(Struct, frozen=True, gc=False):
    """A finished trick of the history."""

    leader: int
    cards: tuple[CardName, ...]
    winner: int


class FinishedHand(Struct, frozen=True, gc=False):
    """One finished hand of `GET /api/rooms/CODE/history`: deck in deal order, and all plays."""

    match_no: int
    hand_no: int
    names: tuple[str, ...]
    hakem: int
    dealer: int
    deck: tuple[CardName, ...]
    trump: SuitName
    plays: tuple[PlayedTrick, ...]
    result: HandResult
    proof: Proof


class History(Struct, frozen=True):
    """Answer of `GET /api/rooms/CODE/history`: finished hands, oldest first."""

    room_code: str
    hands: tuple[FinishedHand, ...]


class Visit(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/visits`: a random number that a browser keeps, and is counted by."""

    guest: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
