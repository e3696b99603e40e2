"""What travels beside the sockets, as bytes."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from hokm.connection import Record
from hokm.worker.passage import (
    VERSION,
    Passage,
    PlayerRecord,
    Traveller,
    UnknownPassage,
    decode,
    encode,
)

PLAYER = PlayerRecord(
    asked=True, tokens=1.5, guesses=2.5, patience=7, proof=b"12345678", join_s=None, watching=True
)
STREAM = Record(
    head=b"GET", answer=b"101", unread=b"\x81", unsent=b"\x82", silent_s=1.5, stuck_s=0.5
)
PASSAGE = Passage(
    opened=True,
    travellers=(Traveller(connection=2**53 - 1, stream=STREAM, player=PLAYER),),
    inbox=((2**53 - 1, b"{}"), (2**53 - 1, None)),
)


def test_a_passage_comes_back_as_it_was() -> None:
    """With all that its travellers have."""
    assert decode(encode(PASSAGE)) == PASSAGE


def test_a_newer_release_may_add_fields() -> None:
    """What this one does not know it passes over."""
    more = {**msgspec.to_builtins(PASSAGE, builtin_types=(bytes,)), "later": 1}
    assert decode(msgspec.msgpack.encode(more)) == PASSAGE


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x90", encode(replace(PASSAGE, version=VERSION + 1))]
)
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    """Nobody's bytes, and those that another release would have read otherwise."""
    with pytest.raises(UnknownPassage):
        decode(data)
