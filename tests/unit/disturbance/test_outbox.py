"""Commands are kept until they are answered, and sent again in their order."""

from __future__ import annotations

from disturbance.outbox import Outbox, Sent

from hokm import wire


def waiting(*commands: wire.Command) -> Outbox:
    outbox = Outbox()
    for command in commands:
        outbox.keep(Sent(command, at=0.0, hand=(1, 1)))
    return outbox


def ids(sent: list[Sent]) -> list[int]:
    return [one.command.id for one in sent]


def test_ids_rise_by_one() -> None:
    """The first is 1."""
    outbox = Outbox()
    assert [outbox.next_id() for _ in range(3)] == [1, 2, 3]


def test_an_answer_takes_a_command_out() -> None:
    """Once: a second answer finds none."""
    outbox = waiting(wire.Play(id=4, card="AS"))
    assert outbox.answered(4) is not None
    assert outbox.answered(4) is None
    assert len(outbox) == 0


def test_a_state_settles() -> None:
    """What lies at or below the last id is done, what lies above goes again, in order."""
    plays = [wire.Play(id=id, card="AS") for id in (4, 5, 6, 7)]
    outbox = waiting(*plays)
    done, again = outbox.settle(5)
    assert (ids(done), ids(again)) == ([4, 5], [6, 7])
    assert len(outbox) == 2


def test_any_state_answers_a_sync() -> None:
    """It counts for no last id, and to send it again would ask for one state after another."""
    done, again = waiting(wire.Sync(id=4), wire.Say(id=5, text="hm")).settle(3)
    assert (ids(done), ids(again)) == ([4], [5])


def test_chat_keeps_nobody_from_playing() -> None:
    """Whoever has chatted may play before the answer comes; whoever has played waits."""
    assert not waiting(wire.Say(id=4, text="hm")).playing()
    assert waiting(wire.Play(id=4, card="AS")).playing()
