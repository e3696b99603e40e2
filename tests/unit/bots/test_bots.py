"""What bots do in single situations."""

import random
from typing import Any

import pytest

from hokm import bots
from hokm.game.cards import CARDS, NAMES, SUITS, legal, mask_of, suit_of
from hokm.game.view import SeatView


class NoChance:
    """Randomness that must not be asked for."""

    def random(self) -> float:
        """Fail."""
        raise AssertionError("asked for randomness")

    def randrange(self, stop: int, /) -> int:
        """Fail."""
        raise AssertionError("asked for randomness")


def mask(text: str) -> int:
    """Read a set of cards."""
    return mask_of([CARDS[name] for name in text.split()])


def seen(hand: str, **changes: Any) -> SeatView:
    """Make the view of seat 0, on turn with *hand*; hearts are trump and seat 0 is hakem.

    `trick` is by name and ends before seat 0; `played` are older cards.
    """
    trick = tuple(CARDS[name] for name in changes.pop("trick", "").split())
    played = mask(changes.pop("played", "")) | mask_of(trick)
    held = mask(hand)
    size = held.bit_count()
    view: dict[str, Any] = {
        "seat": 0,
        "phase": "play",
        "hakem": 0,
        "dealer": 3,
        "trump": 1,
        "hand": held,
        "legal": legal(held, suit_of(trick[0]) if trick else None),
        "counts": tuple(size - (4 - seat <= len(trick)) for seat in range(4)),
        "leader": (4 - len(trick)) % 4,
        "turn": 0,
        "trick": trick,
        "tricks": (0, 0),
        "last_trick": None,
        "played": played,
        "voids": (0, 0, 0, 0),
        "may_refuse": False,
        "score": (0, 0),
        "target": 7,
    }
    return SeatView(**(view | changes))


def play(hand: str, **changes: Any) -> str:
    """Return the card that the normal bot plays."""
    action = bots.choose("normal", seen(hand, **changes), NoChance())
    assert isinstance(action, bots.Play)
    return NAMES[action.card]


def call(level: Any, hand: str, **changes: Any) -> bots.Action:
    """Return what a bot answers to five cards."""
    view = seen(hand, phase="call", trump=None, legal=0, **changes)
    return bots.choose(level, view, NoChance())


@pytest.mark.parametrize("level", ["easy", "normal"])
@pytest.mark.parametrize(
    ("hand", "suit"),
    [("2S 3S 4S 5S AH", "S"), ("AD KD 7C 8C 9C", "C"), ("AD KD 2C 3C 4C", "D")],
)
def test_trump_is_the_longest_strong_suit(level: str, hand: str, suit: str) -> None:
    """A card more weighs as much as a queen: 9 8 7 beat ace and king, 4 3 2 do not."""
    assert call(level, hand) == bots.Call(SUITS.index(suit))


def test_the_random_bot_names_every_suit() -> None:
    """It looks at nothing."""
    chance = random.Random(1)
    view = seen("2S 3S 4S 5S 6S", phase="call", trump=None, legal=0)
    named = {bots.choose("random", view, chance) for _ in range(100)}
    assert named == {bots.Call(suit) for suit in range(4)}


def test_poor_cards_are_refused_where_they_may_be() -> None:
    """Four of a suit are worth keeping, and nothing is refused without leave."""
    assert call("normal", "2S 3S 4H 5H 6D", may_refuse=True) == bots.Refuse()
    assert call("normal", "2S 3S 4S 5S 6D", may_refuse=True) == bots.Call(0)
    assert call("normal", "2S 3S 4H 5H 6D") == bots.Call(1)


@pytest.mark.parametrize("level", ["random", "easy"])
def test_chance_reaches_every_legal_card_and_no_other(level: Any) -> None:
    """All legal cards come up in the end."""
    chance = random.Random(2)
    view = seen("2S 9S AS 3D", trick="4S")
    found = {bots.choose(level, view, chance) for _ in range(300)}
    assert found == {bots.Play(CARDS[name]) for name in ("2S", "9S", "AS")}


class Attentive(NoChance):
    """An easy bot that looks this time."""

    def random(self) -> float:
        """Be above the share of careless plays."""
        return 0.99


@pytest.mark.parametrize(
    ("hand", "trick", "card"),
    [
        ("2S 9S AS 3D", "4S", "AS"),  # it can take it: with its best
        ("2S 9S AS 3D", "4S KS", "AS"),
        ("2S 9S AS 3D", "TS 3S", "2S"),  # the partner's already
        ("2S 9S 3D", "KS", "2S"),  # it cannot
        ("2H 9H KD 3D", "KS", "9H"),  # it can trump
        ("2H KD 3D", "AS 2S", "3D"),  # no trump on the partner's
        ("2H KD 3D", "", "KD"),  # leads high, trumps last
    ],
)
def test_the_easy_bot_when_it_looks(hand: str, trick: str, card: str) -> None:
    """It takes what it can and throws its lowest otherwise."""
    assert bots.choose("easy", seen(hand, trick=trick), Attentive()) == bots.Play(CARDS[card])


def test_a_forced_card_is_played() -> None:
    """With one legal card there is no choice."""
    assert play("KS 2H AD", trick="AS") == "KS"


def test_side_masters_are_cashed_while_they_hold() -> None:
    """A defender leads an ace of a suit that everybody should still follow."""
    assert play("AS 2S 4D 3C 2C", hakem=1) == "AS"


def test_the_hakems_side_draws_trumps_from_strength() -> None:
    """With three trumps and the highest, it is led while rivals may have some."""
    assert play("AH KH 2H 3S 4D") == "AH"


def test_a_defender_does_not_lead_trumps() -> None:
    """It would help the hakem."""
    assert play("AH KH 2H 3S 4D", hakem=1)[1] != "H"


def test_trumps_are_not_drawn_when_rivals_have_none() -> None:
    """The side's master is led instead."""
    assert play("AH KH 2H AS 3S", voids=(0, 0b0010, 0, 0b0010)) == "AS"


def test_a_suit_the_partner_trumps_is_led() -> None:
    """A low card for the partner's ruff."""
    assert play("4S 9D 8D 3C 6C", hakem=1, voids=(0, 0, 0b0100, 0)) == "8D"


def test_second_hand_plays_low() -> None:
    """A king may still be beaten behind."""
    assert play("KS 9S 4S", trick="7S") == "4S"


def test_second_hand_takes_with_the_master() -> None:
    """An ace that nobody can beat is not kept."""
    assert play("AS 4S", trick="7S") == "AS"


def test_third_hand_plays_high() -> None:
    """The partner's low card is not left to the last rival."""
    assert play("QS 9S 3S", trick="5S 6S") == "QS"


def test_a_sure_partner_is_not_overtaken() -> None:
    """His king wins, since nobody else can have the ace."""
    assert play("AS 3S", trick="KS 5S") == "3S"


def test_last_hand_wins_as_cheaply_as_it_can() -> None:
    """The lowest card that does it."""
    assert play("AS JS 9S 2S", trick="3S 4S 8S") == "9S"


def test_last_hand_throws_low_when_it_cannot_win() -> None:
    """No honour is wasted."""
    assert play("KS 3S 2S", trick="AS 4S 5S") == "2S"


def test_last_hand_leaves_the_partners_trick() -> None:
    """Even if it could win itself."""
    assert play("AS 2S", trick="3S KS 4S") == "2S"


def test_a_ruff_costs_the_lowest_winning_trump() -> None:
    """A rival's ten is trumped with the two; the partner's is left to him."""
    assert play("KH 2H 9D", trick="3S TS 4S", leader=1, voids=(1, 0, 0, 0)) == "9D"
    assert play("KH 2H 9D", trick="TS 3S 4S", leader=1, voids=(1, 0, 0, 0)) == "2H"


def test_an_overruff_is_just_high_enough() -> None:
    """The five of trumps is beaten with the eight, not the king."""
    assert play("KH 8H 2H 9D", trick="TS 3S 5H", leader=1) == "8H"


def test_what_is_thrown_is_no_trump_and_no_master() -> None:
    """Against a lost trick the useless card goes."""
    assert play("2H AD 4C", trick="9S KS AH", leader=1) == "4C"


@pytest.mark.parametrize(
    ("hand", "changes"),
    [("AS 9S 2H 3H 7D KC", {}), ("QS 3S 2H", {"trick": "5S"}), ("2H 9D 8C", {"trick": "5S"})],
)
def test_the_normal_bot_is_steady(hand: str, changes: dict[str, Any]) -> None:
    """The same view, the same card, without randomness."""
    assert play(hand, **changes) == play(hand, **changes)
