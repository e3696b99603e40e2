"""Deals and matches under any randomness."""

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hokm.game import fair, match
from hokm.game import hand as hands
from hokm.game.cards import ACE, rank_of
from hokm.game.match import Match
from hokm.game.values import Hand, Result, Trick
from hokm.game.variant import Options

KEYS = st.binary(min_size=32, max_size=32)
SEEDS = st.lists(st.sampled_from(["", "00" * 16, "ff" * 32]), min_size=4, max_size=4)
OPTIONS = st.builds(
    Options,
    first_hakem=st.sampled_from(["ace", "random", "ace_partner"]),
    rotation=st.sampled_from(["right", "left", "winner_keeps"]),
    target=st.integers(1, 20),
    kot=st.integers(1, 3),
    hakem_kot=st.integers(3, 5),
)
# What can happen in a hand: who wins, and how many tricks the losers have.
ENDS = st.tuples(st.integers(0, 1), st.integers(0, 6))


@given(KEYS, st.integers(1, 60))
def test_a_shuffle_loses_no_card(key: bytes, size: int) -> None:
    """Any key only changes the order, and always in the same way."""
    shuffled = fair.shuffle(fair.Stream(key), range(size))
    assert sorted(shuffled) == list(range(size))
    assert shuffled == fair.shuffle(fair.Stream(key), range(size))


@given(KEYS, st.lists(st.integers(1, 2**32), min_size=1, max_size=20))
def test_a_number_is_below_its_limit(key: bytes, limits: list[int]) -> None:
    """Whatever limits are asked for in turn."""
    stream = fair.Stream(key)
    assert all(0 <= stream.below(limit) < limit for limit in limits)


@given(KEYS, st.integers(2, fair.LENGTH))
def test_a_revealed_secret_commits_to_the_one_before(root: bytes, number: int) -> None:
    """Secret n hashes to secret n - 1, so nothing can be put in between."""
    earlier = fair.secret(root, number - 1)
    assert fair.commitment(fair.secret(root, number)) == earlier.hex()


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 3), SEEDS),
        min_size=2,
        max_size=2,
        unique_by=lambda given: (given[0], given[1], tuple(given[2])),
    )
)
def test_two_deals_never_share_a_key(deals: list[tuple[int, int, list[str]]]) -> None:
    """Another hand, another redeal or another seed is another key."""
    keys = {
        fair.key(
            b"s" * 32, room="ROOM2345", hand_no=hand, redeal_no=redeal, purpose="deal", seeds=seeds
        )
        for hand, redeal, seeds in deals
    }
    assert len(keys) == 2


@given(KEYS, OPTIONS)
def test_a_draw_names_a_hakem_by_its_aces(key: bytes, options: Options) -> None:
    """No card is turned twice, aces end the draw, and a partner is somebody else."""
    drawn = match.draw(options, fair.Stream(key))
    turned = [card for _, card in drawn.cards]
    assert len(set(turned)) == len(turned) <= 52
    aces = [seat for seat, card in drawn.cards if rank_of(card) == ACE]
    named = {"ace": 1, "ace_partner": 2, "random": 0}[options.first_hakem]
    assert len(aces) == named
    assert aces[:1] in ([], [drawn.hakem])
    assert aces[1:] == ([drawn.partner] if named == 2 else [])
    assert drawn.partner != drawn.hakem
    assert drawn == match.draw(options, fair.Stream(key))


@given(st.integers(0, 3), st.integers(1, 3))
def test_a_swap_makes_the_drawn_two_partners(hakem: int, step: int) -> None:
    """After it they sit opposite, the hakem where he was and everybody somewhere."""
    partner = (hakem + step) % 4
    seats = list(range(4))
    swap = match.swap_for_partner(hakem, partner)
    if swap is not None:
        one, other = swap
        seats[one], seats[other] = seats[other], seats[one]
    assert seats[hakem] == hakem
    assert seats[(hakem + 2) % 4] == partner
    assert sorted(seats) == [0, 1, 2, 3]


def finished(hakem: int, winner: int, lost: int, leans: int) -> Hand:
    """Make a hand that *winner* won, *lost* tricks against; *leans* went to his first seat."""
    tricks = (7, lost) if winner == 0 else (lost, 7)
    takers = [winner] * leans + [winner + 2] * (7 - leans)
    hand = hands.begin(Options(), hakem=hakem, dealer=(hakem - 1) % 4, deck=tuple(range(52)))
    past = tuple(Trick(0, (0, 1, 2, 3), taker) for taker in takers)
    return replace(hand, tricks=tricks, past=past, phase="over")


@given(OPTIONS, st.integers(0, 3), st.lists(st.tuples(ENDS, st.integers(0, 7)), min_size=40))
def test_a_match_ends_at_its_target_and_in_time(
    options: Options, hakem: int, ends: list[tuple[tuple[int, int], int]]
) -> None:
    """Whoever wins which hand, the first side at the target wins, within the longest length."""
    played = Match(options=options, hakem=hakem)
    score = [0, 0]
    for number, ((winner, lost), leans) in enumerate(ends, start=1):
        hand = finished(hakem, winner, lost, leans)
        result = hands.result(hand, options)
        score[winner] += points_of(options, lost, hakems=hakem % 2 == winner)
        played = match.score_hand(played, result)
        assert played.score == tuple(score)
        assert played.winner == (winner if max(score) >= options.target else None)
        if played.winner is not None:
            assert number <= match.most_hands(options)
            return
        hakem = check_rotation(options, hand, result)
    raise AssertionError("40 hands decide any match to 20")


def points_of(options: Options, lost: int, *, hakems: bool) -> int:
    """Return what a won hand pays when the losers have *lost* tricks."""
    if lost:
        return 1
    return options.kot if hakems else options.hakem_kot


def check_rotation(options: Options, hand: Hand, result: Result) -> int:
    """Check who is hakem next, and return him."""
    after: Any = match.next_hakem(options, hand, result)
    step = (after - hand.hakem) % 4
    if result.winner == hand.hakem % 2:
        assert step == 0
    elif options.rotation == "winner_keeps":
        taken = {seat: sum(t.winner == seat for t in hand.past) for seat in range(4)}
        assert step in (1, 3) and taken[after] == max(taken.values())
    else:
        assert step == {"right": 1, "left": 3}[options.rotation]
    assert match.dealer_of(after) == (after + 3) % 4
    return int(after)


@given(st.integers(1, 100))
def test_the_longest_match_is_as_long_as_said(target: int) -> None:
    """Sides that win by turns, one point each, need exactly that many hands."""
    played = Match(options=Options(target=target))
    for number in itertools.count(1):
        played = match.score_hand(played, Result(number % 2, (0, 0), 1, "none"))
        if played.winner is not None:
            assert number == match.most_hands(played.options)
            return
