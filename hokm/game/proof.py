"""The proof of a finished hand's deal, and its check."""

from __future__ import annotations

from msgspec import Struct

from hokm.game import fair
from hokm.game.cards import NAMES, RANKS
from hokm.game.variant import FOUR


class Proof(Struct, frozen=True, gc=False):
    """All that is needed to check a finished hand's shuffle; see docs/protocol/fairness.md.

    Attributes:
        secret: Hex; the commitment before the hand was its SHA-256.
        seeds: Of the seats in order, hex or empty.
        decks: Names of the cards in deal order; refused decks first.
        draw: The cards turned up for the first hakem, in order; with a match's first hand only.
        start_seat: Who got the first of them.
    """

    algorithm: str
    room: str
    hand_no: int
    secret: str
    commitment: str
    seeds: tuple[str, ...]
    hakem: int
    decks: tuple[tuple[str, ...], ...]
    draw: tuple[str, ...] = ()
    start_seat: int | None = None


def verify(proof: Proof) -> bool:
    """Say whether the deal follows from what *proof* reveals, and that from the commitment.

    A match's first hand must show how its hakem was drawn, later ones show no draw. Whether the
    commitment is the one told before the hand, and the seeds those sent, only a player can say.
    """
    try:
        secret = bytes.fromhex(proof.secret)
    except ValueError:
        return False
    return (
        proof.algorithm == fair.ALGORITHM
        and fair.commitment(secret) == proof.commitment
        and len(proof.decks) > 0
        and all(
            _shuffled(_stream(proof, secret, "deal", number)) == deck
            for number, deck in enumerate(proof.decks)
        )
        and _draw_follows(proof, secret)
    )


def _stream(proof: Proof, secret: bytes, purpose: fair.Purpose, redeal_no: int = 0) -> fair.Stream:
    return fair.Stream(
        fair.key(
            secret,
            room=proof.room,
            hand_no=proof.hand_no,
            redeal_no=redeal_no,
            purpose=purpose,
            seeds=proof.seeds,
        )
    )


def _shuffled(stream: fair.Stream) -> tuple[str, ...]:
    return tuple(NAMES[card] for card in fair.shuffle(stream, FOUR.deck))


def _draw_follows(proof: Proof, secret: bytes) -> bool:
    """Say whether the hakem was drawn so: by the lot of the start seat, or by the first ace."""
    if proof.hand_no != 1:
        return proof.start_seat is None and not proof.draw
    stream = _stream(proof, secret, "draw")
    start = stream.below(FOUR.seats)
    if start != proof.start_seat:
        return False
    if not proof.draw:
        return proof.hakem == start
    aces = [place for place, name in enumerate(proof.draw) if name[:1] == RANKS[-1]]
    # The draw ends with its first ace, or with the second where that one names the partner.
    return (
        _shuffled(stream)[: len(proof.draw)] == proof.draw
        and len(aces) in (1, 2)
        and aces[-1] == len(proof.draw) - 1
        and proof.hakem == (start + aces[0]) % FOUR.seats
    )
