"""Where a connection goes whose room is not here."""

from __future__ import annotations

from typing import Any

from hokm.fleet import Here, Member, Nowhere, Owner, Route, There, Wait, choose
from hokm.fleet.route import MAX_HOPS

LEASE = 9.0


def member(id: str, **more: Any) -> Member:
    """Make an instance."""
    return Member(id=id, holder=id, address=f"{id}:8765", **more)


A, B, C = (member(id) for id in "abc")


def route(owner: Owner | None, **more: Any) -> Route:
    """Choose, as instance a of three."""
    facts: dict[str, Any] = {"leaving": False, "others": (B, C), "hops": 0, **more}
    return choose("TABLE234", me="a", owner=owner, lease_s=LEASE, **facts)


def test_a_free_room_is_taken_here() -> None:
    """Also one of ours that no worker has, and one whose owner's lease is over."""
    assert route(None) == Here()
    assert route(Owner("a", 1, A, 8.9)) == Here()
    assert route(Owner("b", 1)) == Here()


def test_anothers_room_is_relayed() -> None:
    """As long as its owner renews its lease in time; even to one that leaves."""
    assert route(Owner("b", 1, B, 8.9)) == There(B)
    assert route(Owner("b", 1, B, 5.3)) == There(B)
    gone = member("b", state="leaving")
    assert route(Owner("b", 1, gone, 8.9)) == There(gone)


def test_who_is_late_with_his_lease_is_waited_for() -> None:
    """Until it is over, at most."""
    assert route(Owner("b", 1, B, 5.2)) == Wait(5.2)
    assert route(Owner("b", 1, B, 0.1), leaving=True) == Wait(0.1)


def test_nobody_is_relayed_for_ever() -> None:
    """He comes again; what is free is taken all the same."""
    assert route(Owner("b", 1, B, 8.9), hops=MAX_HOPS - 1) == There(B)
    assert route(Owner("b", 1, B, 8.9), hops=MAX_HOPS) == Nowhere()
    assert route(None, hops=MAX_HOPS) == Here()
    assert route(None, hops=MAX_HOPS, leaving=True) == Nowhere()


def test_who_leaves_sends_all_of_a_room_to_the_same_other() -> None:
    """Which one follows from the room, and from who takes rooms; golden: never to change."""
    assert route(None, leaving=True) == There(B)
    assert route(None, leaving=True, others=(C, B)) == There(B)
    assert route(None, leaving=True, others=(C, member("b", state="leaving"))) == There(C)


def test_who_leaves_last_keeps_his_rooms() -> None:
    """There is nobody else."""
    assert route(None, leaving=True, others=()) == Here()
    assert route(None, leaving=True, others=(member("b", state="leaving"),)) == Here()


def test_addresses() -> None:
    """Of an instance, as the others connect to it."""
    assert member("b").endpoint() == ("b", 8765)
    six = Member(id="b", holder="b", address="[2001:db8::1]:80")
    assert six.endpoint() == ("2001:db8::1", 80)
