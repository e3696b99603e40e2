"""The referee finds what was lost, doubled or played against the rules."""

from __future__ import annotations

from collections import Counter

import pytest
from disturbance.referee import Foul, Plays, check_table, judge
from msgspec.structs import replace

from hokm import wire
from tests.tables import PureTable


class Played:
    """A table with finished hands and one in the middle, and what each seat was acknowledged."""

    def __init__(self) -> None:
        self.table = PureTable(seed=5, pause_seconds=0, target=100)
        self.table.start()
        self.acknowledged: list[Plays] = [Counter() for _ in range(4)]
        while len(self.table.hands) < 2:
            self.go_on()
        for _ in range(1 + 1 + 9):  # the deal, the call, and into the third trick
            self.go_on()

    def go_on(self) -> None:
        """Let whoever is to act do so."""
        turn = self.table.room.turn
        if turn is None:
            self.table.tick()
        elif turn.action == "choose_trump":
            self.table.call()
        else:
            state = self.table.view(turn.seat)
            self.table.do(turn.seat, wire.Play, card=state.legal[0])
            self.acknowledged[turn.seat][(state.match_no, state.hand_no), state.legal[0]] += 1

    @property
    def states(self) -> list[wire.State]:
        return [self.table.view(seat) for seat in range(4)]

    def history(self, *hands: wire.FinishedHand) -> wire.History:
        return wire.History(self.table.room.code, hands or tuple(self.table.hands))

    def kinds(
        self, history: wire.History | None = None, auto: list[Plays] | None = None
    ) -> set[str]:
        found = check_table(
            history or self.history(),
            self.states,
            self.acknowledged,
            auto or [Counter() for _ in range(4)],
        )
        return {breach.kind for breach in found}


def test_what_is_right_is_no_breach() -> None:
    """Finished hands and the one that is played hold each acknowledged play once."""
    assert Played().kinds() == set()


def test_a_lost_acknowledged_play_is_found() -> None:
    """A play that was acknowledged and is in no history is lost."""
    played = Played()
    played.acknowledged[0][
        (1, 2), "2C" if ((1, 2), "2C") not in played.acknowledged[0] else "3C"
    ] += 1
    assert played.kinds() == {"lost"}


def test_a_play_that_is_lost_in_the_open_hand_is_found() -> None:
    """A card that was acknowledged and is in the hand still is lost."""
    played = Played()
    held = played.states[0].hand[0]
    played.acknowledged[0][(1, 3), held] += 1
    assert played.kinds() == {"lost"}


def test_a_doubled_play_is_found() -> None:
    """A play acknowledged twice, and one that nobody was acknowledged, are doubled."""
    played = Played()
    first = next(iter(played.acknowledged[1]))
    played.acknowledged[1][first] += 1
    assert played.kinds() == {"doubled"}
    played.acknowledged[1][first] -= 2
    assert played.kinds() == {"doubled"}


def test_a_play_of_a_bot_is_nobodys() -> None:
    """What the clock or a bot played needs no acknowledgement."""
    played = Played()
    first = next(iter(played.acknowledged[1]))
    played.acknowledged[1][first] -= 1
    auto: list[Plays] = [Counter() for _ in range(4)]
    auto[1][first] += 1
    assert played.kinds(auto=auto) == set()


def test_an_unacknowledged_card_on_the_table_is_found() -> None:
    """A card lies on the table, and nobody was told that he has played it."""
    played = Played()
    open_hand = played.states[0].table
    assert open_hand is not None and open_hand.cards
    del played.acknowledged[open_hand.leader][(1, 3), open_hand.cards[0]]
    assert played.kinds() == {"doubled"}


def test_a_missing_hand_is_found() -> None:
    """A finished hand that the history does not hold is lost with its plays."""
    played = Played()
    assert "lost" in played.kinds(played.history(played.table.hands[1]))


def test_a_doubled_hand_is_found() -> None:
    """A finished hand that the history holds twice."""
    played = Played()
    first, second = played.table.hands
    assert "lost" in played.kinds(played.history(first, first, second))


def with_trick(hand: wire.FinishedHand, number: int, **changes: object) -> wire.FinishedHand:
    trick = replace(hand.plays[number], **changes)
    return replace(hand, plays=(*hand.plays[:number], trick, *hand.plays[number + 1 :]))


def test_a_hand_against_the_rules_is_found() -> None:
    """A card played twice, a wrong winner, a deck with a double: none is a hand of Hokm."""
    hand = Played().table.hands[0]
    assert sum(len(cards) for cards in judge(hand)) == 4 * len(hand.plays)
    one, two = hand.plays[0].cards, hand.plays[1].cards
    with pytest.raises(Foul, match="not held"):
        judge(with_trick(hand, 1, cards=(*two[:3], one[0])))
    with pytest.raises(Foul, match="trick 1 is seat"):
        judge(with_trick(hand, 0, winner=(hand.plays[0].winner + 1) % 4))
    with pytest.raises(Foul, match="52 different"):
        judge(replace(hand, deck=(*hand.deck[:51], hand.deck[0])))
    with pytest.raises(Foul, match="the result says"):
        judge(replace(hand, result=replace(hand.result, tricks=(7, 7))))


def test_a_revoke_is_found() -> None:
    """Whoever holds the led suit and plays another has not followed."""
    for hand in Played().table.hands:
        plays = [trick.cards for trick in hand.plays]
        for number, cards in enumerate(plays[:-1]):
            later = [card for trick in plays[number + 1 :] for card in trick]
            seat = (hand.plays[number].leader + 1) % 4
            own = judge(hand)[seat]
            others = [card for card in later if card in own and card[1] != cards[0][1]]
            if cards[1][1] == cards[0][1] and others:
                with pytest.raises(Foul, match="does not follow"):
                    judge(with_trick(hand, number, cards=(cards[0], others[0], *cards[2:])))
                return
    raise AssertionError("no hand to try it on")
