"""What a room is told to do: its players' commands, and its own."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from hokm import wire


class Lost(Struct, frozen=True, gc=False):
    """The room's own command: a seat's connection is gone."""


class Confirm(Struct, frozen=True, gc=False):
    """The room's own command: a seat's player has received the token sent last."""


class Tick(Struct, frozen=True, gc=False):
    """The room's own command: time has passed."""


Command: TypeAlias = wire.Command | Lost | Confirm | Tick
