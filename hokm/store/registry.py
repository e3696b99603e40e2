"""The instances of a fleet, and which of them owns a room, as the store knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from hokm.fleet import Member, Owner
from hokm.store.redis import LEASES, RedisStore, Script, owner_key
from hokm.store.resp import RespConnection

_IDS: Final = LEASES.rstrip(":")  # a set of their ids: nobody has to search all keys

_member = msgspec.json.Decoder(Member)


class IdTaken(Exception):
    """Another server holds the lease of this instance's id.

    Attributes:
        left_s: Seconds that are left of its lease; if they grow, it lives.
    """

    def __init__(self, left_s: float) -> None:
        super().__init__("another server has this instance's id")
        self.left_s = left_s


class Renewal(Struct, frozen=True):
    """A lease was renewed.

    Attributes:
        anew: Whether there was none before.
        others: The other instances whose leases live.
    """

    anew: bool
    others: tuple[Member, ...]


class Registry:
    """What a supervisor asks the store; all of it fails with `StoreAway`, and may be repeated."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._renew = Script("renew.lua")
        self._quit = Script("quit.lua")
        self._locate = Script("locate.lua")

    async def renew(self, describe: Callable[[str], Member], lease_s: float) -> Renewal:
        """Renew this instance's lease, or get it one.

        Args:
            describe: Makes what is said of this instance, given the numeric address by which it
                reaches the store; empty where that is a unix socket's.

        Raises:
            IdTaken: See there.
        """

        def call(connection: RespConnection) -> Deferred[Any]:
            me = describe(connection.local_host)
            words = msgspec.json.encode(me)
            lease_ms = round(1000 * lease_s)
            return self._renew.call(connection, 1, _IDS, LEASES, me.id, me.holder, words, lease_ms)

        # Were it lost with the master, others would claim rooms from whom they should wait for.
        done, value, *rest = await self._store.write(call)
        if not done:
            raise IdTaken(value / 1000)
        return Renewal(bool(value), tuple(map(_member.decode, rest[0])))

    async def quit(self, id: str, holder: str) -> None:
        """End an instance's lease: its rooms are nobody's from now on."""
        await self._store.ask(lambda c: self._quit.call(c, 1, _IDS, LEASES, id, holder))

    async def locate(self, room: str) -> Owner | None:
        """Say which instance owns a room; None where none does."""
        key = owner_key(room)
        found = await self._store.ask(lambda c: self._locate.call(c, 1, key, LEASES))
        if found is None:
            return None
        id, epoch, words, left_ms = found
        member = _member.decode(words) if words else None
        return Owner(id.decode(), epoch, member, left_ms / 1000)

    async def give_up(self, room: str, epoch: int) -> None:
        """Make a room nobody's that this instance owns, unless it was claimed anew since.

        Args:
            epoch: Of the claim, as `locate` said it.
        """
        await self._store.release(room, epoch)
