"""The draw, the score and who is hakem next."""

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hokm.game import fair, match
from hokm.game import hand as hands
from hokm.game.cards import ACE, rank_of
from hokm.game.match import Match
from hokm.game.values import Result, Trick
from hokm.game.variant import Options


def stream(number: int) -> fair.Stream:
    """Begin one of many streams."""
    return fair.Stream(number.to_bytes(32, "big"))


def over(winner: int, hakem: int, takers: tuple[int, ...] = ()) -> tuple[hands.Hand, Result]:
    """Make a finished hand whose tricks went to *takers*."""
    hand = hands.begin(Options(), hakem=hakem, dealer=(hakem - 1) % 4, deck=tuple(range(52)))
    past = tuple(Trick(0, (0, 1, 2, 3), taker) for taker in takers)
    return replace(hand, past=past, phase="over"), Result(winner, (7, 3), 1, "none")


@pytest.mark.parametrize("number", range(20))
def test_the_first_ace_makes_the_hakem(number: int) -> None:
    """Cards go round from the start seat, and the draw ends with the first ace."""
    drawn = match.draw(Options(), stream(number))
    assert [seat for seat, _ in drawn.cards] == [
        (drawn.start + place) % 4 for place in range(len(drawn.cards))
    ]
    aces = [seat for seat, card in drawn.cards if rank_of(card) == ACE]
    assert aces == [drawn.hakem] == [drawn.cards[-1][0]]
    assert drawn.partner is None


@pytest.mark.parametrize("number", range(20))
def test_the_second_ace_makes_the_partner(number: int) -> None:
    """With `ace_partner` the hakem gets no more cards, so another seat has the second ace."""
    drawn = match.draw(Options(first_hakem="ace_partner"), stream(number))
    aces = [place for place, (_, card) in enumerate(drawn.cards) if rank_of(card) == ACE]
    assert [drawn.cards[place][0] for place in aces] == [drawn.hakem, drawn.partner]
    assert drawn.partner != drawn.hakem
    assert aces[1] == len(drawn.cards) - 1
    later = [seat for seat, _ in drawn.cards[aces[0] + 1 :]]
    others = [(drawn.hakem + 1 + place % 3) % 4 for place in range(len(later))]
    assert later == others


def test_a_draw_by_lot_turns_no_cards() -> None:
    """With `random` one number decides, and every seat is as likely."""
    drawn = [match.draw(Options(first_hakem="random"), stream(number)) for number in range(400)]
    assert all(d.cards == () and d.partner is None and d.start == d.hakem for d in drawn)
    assert all(70 < times < 130 for times in Counter(d.hakem for d in drawn).values())


def test_no_seat_is_favoured_by_the_draw() -> None:
    """The start seat is drawn as well, so the first ace comes to each seat as often."""
    hakems = Counter(match.draw(Options(), stream(number)).hakem for number in range(1200))
    assert all(240 < hakems[seat] < 360 for seat in range(4))  # 300 +- 4 standard deviations


@pytest.mark.parametrize(
    ("hakem", "partner", "swap"),
    [(0, None, None), (0, 2, None), (0, 1, (1, 2)), (0, 3, (3, 2)), (3, 0, (0, 1))],
)
def test_the_partner_comes_to_sit_opposite(
    hakem: int, partner: int | None, swap: tuple[int, int] | None
) -> None:
    """He changes places with whoever sits there, if he does not himself."""
    assert match.swap_for_partner(hakem, partner) == swap


@pytest.mark.parametrize("hakem", range(4))
def test_the_dealer_sits_on_the_hakems_left(hakem: int) -> None:
    """Seat + 1 is to the right, so the dealer is the seat before."""
    assert (match.dealer_of(hakem) + 1) % 4 == hakem


@pytest.mark.parametrize("rotation", ["right", "left", "winner_keeps"])
@pytest.mark.parametrize("hakem", range(4))
def test_a_winning_hakem_stays(rotation: Any, hakem: int) -> None:
    """While his side wins he is hakem, whatever the rotation."""
    hand, result = over(hakem % 2, hakem, ((hakem + 1) % 4,) * 6)
    assert match.next_hakem(Options(rotation=rotation), hand, result) == hakem


@pytest.mark.parametrize(
    ("rotation", "takers", "hakem"),
    [
        ("right", (1,) * 7, 3),
        ("left", (3,) * 7, 1),
        ("winner_keeps", (1,) * 3 + (3,) * 4, 3),
        ("winner_keeps", (1,) * 4 + (3,) * 3, 1),
        ("winner_keeps", (1, 3) * 3, 3),
    ],
)
def test_a_losing_hakem_passes_it_on(rotation: Any, takers: tuple[int, ...], hakem: int) -> None:
    """To the right, to the left, or to the winner of more tricks (right if equal)."""
    hand, result = over(1, 2, takers)
    assert match.next_hakem(Options(rotation=rotation), hand, result) == hakem


def test_points_add_up_until_the_target() -> None:
    """Each hand pays its winners; below the target the match goes on."""
    played = Match(options=Options(target=5))
    for winner, points in ((0, 2), (1, 3), (0, 1)):
        played = match.score_hand(played, Result(winner, (7, 1), points, "none"))
    assert (played.score, played.winner) == ((3, 3), None)
    done = match.score_hand(played, Result(1, (1, 7), 3, "none"))
    assert (done.score, done.winner) == ((3, 6), 1)


@pytest.mark.parametrize(("target", "most"), [(1, 1), (7, 13), (100, 199)])
def test_a_match_has_a_longest_length(target: int, most: int) -> None:
    """Both sides one point short, and one hand more."""
    assert match.most_hands(Options(target=target)) == most


def test_the_longest_match_fits_a_chain_of_secrets() -> None:
    """No match can use up a fresh chain."""
    assert match.most_hands(Options(target=100)) < fair.LENGTH


def test_a_match_survives_json() -> None:
    """What is written is read back equal."""
    played = Match(options=Options(target=3), score=(1, 2), hand_no=3, hakem=1)
    assert msgspec.json.decode(msgspec.json.encode(played), type=Match) == played
