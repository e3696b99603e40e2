"""Conclusions from a view."""

from hokm.bots.reading import Reading, higher
from hokm.game.cards import CARDS, SUIT_MASKS, mask_of
from hokm.game.view import SeatView


def mask(text: str) -> int:
    """Read a set of cards."""
    return mask_of([CARDS[name] for name in text.split()])


def reading(
    hand: str = "2S",
    *,
    trick: str = "",
    leader: int = 0,
    played: str = "",
    voids: tuple[int, ...] = (0, 0, 0, 0),
    counts: tuple[int, ...] = (13, 13, 13, 13),
) -> Reading:
    """Read the view of seat 0; hearts are trump."""
    table = tuple(CARDS[name] for name in trick.split())
    view = SeatView(
        seat=0,
        phase="play",
        hakem=0,
        dealer=3,
        trump=1,
        hand=mask(hand),
        legal=mask(hand),
        counts=counts,
        leader=leader,
        turn=0,
        trick=table,
        tricks=(0, 0),
        last_trick=None,
        played=mask(played) | mask_of(table),
        voids=voids,
        may_refuse=False,
        score=(0, 0),
        target=7,
    )
    return Reading(view)


def test_unseen_is_neither_held_nor_played() -> None:
    """Others may hold what one has not seen."""
    assert reading("AS KS", played="QS JS").unseen == (1 << 52) - 1 & ~mask("AS KS QS JS")


def test_who_failed_to_follow_holds_none_of_the_suit() -> None:
    """A shown void rules a suit out, an empty hand everything."""
    read = reading(voids=(0, 0b0001, 0, 0), counts=(1, 1, 1, 0))
    assert read.may_hold(1) & SUIT_MASKS[0] == 0
    assert read.may_hold(2) & SUIT_MASKS[0] == SUIT_MASKS[0] & ~mask("2S")
    assert read.may_hold(3) == 0


def test_a_card_is_master_once_all_above_it_are_seen() -> None:
    """Higher cards in the own hand do not count against it."""
    assert reading("KS", played="AS").is_master(CARDS["KS"])
    assert reading("AS KS").is_master(CARDS["KS"])
    assert not reading("KS").is_master(CARDS["KS"])


def test_rival_trumps_are_the_other_sides() -> None:
    """The partner's trumps are no danger."""
    assert reading(voids=(0, 0b0010, 0, 0b0010)).rival_trumps == 0
    assert reading(voids=(0, 0b0010, 0, 0)).rival_trumps == SUIT_MASKS[1]


def test_the_trick_as_it_lies_has_a_winner() -> None:
    """A ruff beats the led suit."""
    read = reading(trick="AS 2H", leader=2)
    assert read.winning() == (3, CARDS["2H"])
    assert read.to_come() == (1,)


def test_later_cards_beat_by_suit_or_trump() -> None:
    """A higher card of the suit or any trump beats, another suit's ace does not."""
    read = reading()
    assert read.beats(CARDS["KS"], CARDS["QS"])
    assert read.beats(CARDS["2H"], CARDS["AS"])
    assert not read.beats(CARDS["AD"], CARDS["2S"])
    assert not read.beats(CARDS["2H"], CARDS["3H"])


def test_a_master_stands_unless_it_may_be_trumped() -> None:
    """A rival known to be void of the suit may trump; void of trumps too, he may not."""
    ace = CARDS["AS"]
    assert not reading("AS").may_be_beaten(ace, 0, 1)
    assert reading("AS", voids=(0, 0b0001, 0, 0)).may_be_beaten(ace, 0, 1)
    assert not reading("AS", voids=(0, 0b0011, 0, 0)).may_be_beaten(ace, 0, 1)


def test_a_suit_nearly_out_may_be_lacking() -> None:
    """With fewer than two unseen cards for each other player somebody is likely void."""
    assert not reading("2S 3S").can_lack(1, 0)
    assert reading("2S 3S 4S 5S 6S 7S 8S 9S").can_lack(1, 0)


def test_higher_stays_in_the_suit() -> None:
    """Above an ace there is nothing, above a queen the king and the ace."""
    assert higher(CARDS["AS"]) == 0
    assert higher(CARDS["QD"]) == mask("KD AD")
