"""The messages that are put together from pieces are those that the protocol's classes write."""

from hypothesis import given
from hypothesis import strategies as st

from hokm import wire
from hokm.game.cards import DECK_SIZE, NAMES, mask_of, names
from hokm.wire import plays

seqs = st.integers(min_value=0, max_value=2**53)
seats = st.integers(min_value=0, max_value=3)
cards = st.integers(min_value=0, max_value=DECK_SIZE - 1)
tricks = st.tuples(st.integers(0, 13), st.integers(0, 13))


@given(seqs)
def test_ok(id: int) -> None:
    assert plays.ok(id) == wire.encode(wire.Ok(id))


@given(seqs, seats, cards, st.booleans())
def test_card_played(seq: int, seat: int, card: int, auto: bool) -> None:
    played = wire.CardPlayed(seq, seat, NAMES[card], auto)
    assert plays.card_played(seq, seat, card, auto) == wire.encode(played)


@given(seqs, seats, st.integers(0, 12_000), st.sets(cards, min_size=1, max_size=13))
def test_turn_to_play(seq: int, seat: int, tenths: int, held: set[int]) -> None:
    """For all tenths of a second that the longest turn can have."""
    turn = plays.turn_to_play(seq, seat, tenths)
    assert turn == wire.encode(wire.Turn(seq, seat, "play", tenths / 10))
    legal = mask_of(tuple(held))
    own = wire.Turn(seq, seat, "play", tenths / 10, names(legal))
    assert plays.with_legal(turn, legal) == wire.encode(own)


@given(seqs, seats, tricks)
def test_trick_won(seq: int, seat: int, taken: tuple[int, int]) -> None:
    assert plays.trick_won(seq, seat, taken) == wire.encode(wire.TrickWon(seq, seat, taken))
