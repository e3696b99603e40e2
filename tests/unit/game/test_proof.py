"""The proof of a deal: what holds, and each lie that it finds."""

import msgspec
import pytest
from msgspec.structs import replace

from hokm.game import fair, match
from hokm.game.cards import NAMES
from hokm.game.proof import Proof, verify
from hokm.game.variant import Options

SEEDS = ("ab" * 16, "", "cd" * 16, "")


def prove(options: Options, *, hand_no: int = 1, redeals: int = 0, number: int = 0) -> Proof:
    """Deal honestly from root *number*, and say how."""
    secret = fair.secret(number.to_bytes(32, "big"), hand_no)

    def stream(purpose: fair.Purpose, redeal_no: int = 0) -> fair.Stream:
        return fair.Stream(
            fair.key(
                secret,
                room="ROOM2345",
                hand_no=hand_no,
                redeal_no=redeal_no,
                purpose=purpose,
                seeds=SEEDS,
            )
        )

    decks = [fair.shuffle(stream("deal", again), range(52)) for again in range(redeals + 1)]
    drawn = match.draw(options, stream("draw"))
    first = hand_no == 1
    return Proof(
        algorithm=fair.ALGORITHM,
        room="ROOM2345",
        hand_no=hand_no,
        secret=secret.hex(),
        commitment=fair.commitment(secret),
        seeds=SEEDS,
        hakem=drawn.hakem,
        decks=tuple(tuple(NAMES[card] for card in deck) for deck in decks),
        draw=tuple(NAMES[card] for _, card in drawn.cards) if first else (),
        start_seat=drawn.start if first else None,
    )


@pytest.mark.parametrize("first_hakem", ["ace", "random", "ace_partner"])
@pytest.mark.parametrize("number", range(5))
def test_an_honest_first_hand_is_proved(first_hakem: str, number: int) -> None:
    """However the first hakem is found, the proof holds, and after JSON too."""
    proof = prove(Options(first_hakem=first_hakem), number=number)  # type: ignore[arg-type]
    assert verify(proof)
    assert verify(msgspec.json.decode(msgspec.json.encode(proof), type=Proof))


def test_honest_later_hands_and_redeals_are_proved() -> None:
    """Later hands show no draw; refused decks come first."""
    assert verify(prove(Options(), hand_no=5))
    assert verify(prove(Options(), hand_no=5, redeals=2))


GOOD = prove(Options(), redeals=1)
OTHER = prove(Options(), redeals=1, number=1)


@pytest.mark.parametrize(
    "lie",
    [
        {"algorithm": "hokm-fair-0"},
        {"room": "ROOM2346"},
        {"hand_no": 2},
        {"secret": OTHER.secret},
        {"secret": "no hex"},
        {"commitment": OTHER.commitment},
        {"commitment": "é"},
        {"secret": OTHER.secret, "commitment": OTHER.commitment},
        {"seeds": ("", "", "", "")},
        {"seeds": SEEDS[::-1]},
        {"hakem": (GOOD.hakem + 1) % 4},
        {"decks": ()},
        {"decks": GOOD.decks[1:]},
        {"decks": GOOD.decks[::-1]},
        {"decks": (GOOD.decks[0], (*GOOD.decks[1][:50], GOOD.decks[1][51], GOOD.decks[1][50]))},
        {"draw": ()},
        {"draw": GOOD.draw[:-1]},
        {"draw": (*GOOD.draw, "2S")},
        {"draw": OTHER.draw},
        {"start_seat": None},
        {"start_seat": None, "draw": ()},
    ],
)
def test_every_lie_is_found(lie: dict[str, object]) -> None:
    """One wrong field, and the proof does not hold."""
    assert verify(GOOD)
    assert not verify(replace(GOOD, **lie))


def test_a_draw_ends_with_its_ace() -> None:
    """One card more, though the shuffle's next, was turned up against the rules."""
    stream = fair.Stream(
        fair.key(bytes.fromhex(GOOD.secret), room=GOOD.room, hand_no=1, purpose="draw", seeds=SEEDS)
    )
    stream.below(4)
    following = NAMES[fair.shuffle(stream, range(52))[len(GOOD.draw)]]
    assert following[0] != "A"
    assert not verify(replace(GOOD, draw=(*GOOD.draw, following)))


def test_a_hakem_by_lot_is_who_was_drawn() -> None:
    """Without turned cards the start seat is the hakem, and nobody else."""
    proof = prove(Options(first_hakem="random"))
    assert verify(proof)
    assert not verify(replace(proof, hakem=(proof.hakem + 1) % 4))


def test_a_later_hand_shows_no_draw() -> None:
    """A draw after the first hand has no place in the rules."""
    assert not verify(replace(prove(Options(), hand_no=5), start_seat=0))
