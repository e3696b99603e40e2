"""The checker finds each kind of broken promise: what passes it was looked at."""

from __future__ import annotations

from disturbance.checker import Owners, Witness
from msgspec.structs import replace

from hokm import wire
from hokm.room.view import state
from tests.tables import PureTable


def table_state(seq: int) -> wire.State:
    return replace(state(PureTable().room, None, 0.0), seq=seq)


def welcomed(seq: int = 10) -> Witness:
    """Return a witness who has joined by command 1 and was told event *seq*."""
    witness = Witness("somebody")
    witness.sent(1)
    witness.hear(wire.Welcome("TABLE234", 0, "token", 0, table_state(seq)))
    witness.hear(wire.Ok(1))
    return witness


def card(seq: int) -> wire.CardPlayed:
    return wire.CardPlayed(seq, 0, "AS")


def kinds(witness: Witness) -> list[str]:
    return [breach.kind for breach in witness.breaches]


def test_what_is_right_is_no_breach() -> None:
    """Events in order, answers, a repeat after a second sending, a newer state: all is well."""
    witness = welcomed()
    witness.hear(card(11))
    witness.sent(2)
    witness.hear(card(12))
    witness.hear(wire.Notice("paused", ""))
    witness.hear(wire.StateMessage(1, table_state(14)))
    witness.sent(2)
    witness.hear(wire.Ok(2))
    witness.hear(wire.Ok(2))
    witness.done(2)
    witness.hear(card(15))
    witness.hear(wire.StateMessage(2, table_state(15)))
    assert witness.breaches == []


def test_a_gap_is_found() -> None:
    """An event that never came is lost."""
    witness = welcomed()
    witness.hear(card(12))
    assert kinds(witness) == ["lost"]


def test_a_doubled_event_is_found() -> None:
    """The last event once more is doubled, an older one out of order."""
    witness = welcomed()
    witness.hear(card(11))
    witness.hear(card(11))
    witness.hear(card(9))
    assert kinds(witness) == ["doubled", "reordered"]


def test_a_state_that_went_back_is_found() -> None:
    """A state older than what was told has lost events."""
    witness = welcomed()
    witness.hear(card(11))
    witness.hear(wire.StateMessage(0, table_state(10)))
    assert kinds(witness) == ["lost"]


def test_a_doubled_answer_is_found() -> None:
    """A command sent once is answered once; one that was not sent is not answered."""
    witness = welcomed()
    witness.sent(2)
    witness.hear(wire.Ok(2))
    witness.hear(wire.Ok(2))
    witness.hear(wire.Ok(7))
    assert kinds(witness) == ["doubled", "doubled"]


def test_answers_in_wrong_order_are_found() -> None:
    """Answers come in the order of the commands."""
    witness = welcomed()
    witness.sent(2)
    witness.sent(3)
    witness.hear(wire.Ok(3))
    witness.hear(wire.Error(2, "not_your_turn", ""))
    assert kinds(witness) == ["reordered"]


def test_a_lost_acknowledged_command_is_found() -> None:
    """A server that knows less than it acknowledged has lost it; one that knows more, invented."""
    witness = welcomed()
    witness.sent(2)
    witness.hear(wire.Ok(2))
    witness.done(2)
    witness.hear(wire.StateMessage(1, table_state(10)))
    witness.hear(wire.StateMessage(3, table_state(10)))
    assert kinds(witness) == ["lost", "doubled"]


def test_a_wrong_picture_is_found() -> None:
    """What the events gave and what the server tells is the same at the same event."""
    told = replace(table_state(20), phase="play", hand=("AS", "KH"))
    witness = welcomed()
    witness.compare(replace(told, hand=("KH", "AS")), told)
    assert witness.breaches == []
    witness.compare(replace(told, hand=("KH",)), told)
    witness.compare(replace(told, tricks=(1, 0)), told)
    assert kinds(witness) == ["lost", "lost"]


def test_an_epoch_that_goes_back_is_found() -> None:
    """An epoch only rises."""
    owners = Owners()
    for epoch in (1, 1, 3):
        owners.hear("TABLE234", epoch, f"worker {epoch}")
    assert owners.breaches == []
    owners.hear("TABLE234", 2, "worker 2")
    assert [breach.kind for breach in owners.breaches] == ["split"]


def test_two_owners_of_one_epoch_are_found() -> None:
    """An epoch has one owner; another room's epochs are its own."""
    owners = Owners()
    owners.hear("TABLE234", 1, "worker 1")
    owners.hear("TABLE567", 1, "worker 2")
    assert owners.breaches == []
    owners.hear("TABLE234", 1, "worker 2")
    assert [breach.kind for breach in owners.breaches] == ["split"]
