"""Provable dealing: the chain, the keys, the streams. The vectors were made by another program."""

import hashlib
import itertools
from collections import Counter

import pytest

from hokm.game import fair
from hokm.game.cards import NAMES

ROOT = bytes(range(32))
SECRET_3 = "fd88bfbfbf4579993d7034d87ae163121b63b139a0bc7eeb64bc07ce6d802025"
COMMITMENT_3 = "734513900cc5396998e4347189eea31a2fb7ea3efbd14a473a571431739c5b09"
KEY = "0fdf69c57937f95776f796655f8647c1ce9ab39f87516f93010a3d7ae8e1e151"
SEEDS = ("00" * 16, "", "", "ff" * 32)
DECK = (
    "QH 4D 3H JH 5H KS 7S 8H JD TH KC 4C 7C 4H 2H 9C 6S 7D 9H 2D AC 3S 7H 9D 5D 5C "
    "AD 3D JC AS KH 8S 6C 2C QS QD 8D 3C 8C 2S KD 6H AH 4S JS QC TD TS 5S TC 9S 6D"
)


def key(**changes: object) -> bytes:
    """Make the published key, or one that differs by *changes*."""
    given = {
        "room": "ABCD2345",
        "hand_no": 3,
        "redeal_no": 1,
        "purpose": "deal",
        "seeds": SEEDS,
    } | changes
    return fair.key(bytes.fromhex(SECRET_3), **given)  # type: ignore[arg-type]


def test_the_chain_and_its_commitments_are_as_published() -> None:
    """Secret 3 of a known root, and its commitment, are the published values."""
    assert fair.secret(ROOT, 3).hex() == SECRET_3
    assert fair.commitment(bytes.fromhex(SECRET_3)) == COMMITMENT_3


@pytest.mark.parametrize("number", [1, 2, 31, 32, 33, 512, 991, 992, 993, 1023, 1024])
def test_every_secret_is_so_many_hashes_from_the_root(number: int) -> None:
    """Also where the walk begins at a mark on the way."""
    root = b"r" * fair.ROOT_BYTES
    found = root
    for _ in range(fair.LENGTH - number):
        found = hashlib.sha256(found).digest()
    assert fair.secret(root, number) == found


def test_each_revealed_secret_is_the_next_ones_commitment() -> None:
    """Whoever was told one commitment can check every later secret of the chain."""
    secrets = [fair.secret(ROOT, number) for number in range(1, fair.LENGTH + 1)]
    assert secrets[-1] == ROOT
    assert all(
        fair.commitment(later) == earlier.hex() for earlier, later in itertools.pairwise(secrets)
    )


@pytest.mark.parametrize("number", [-1, 0, fair.LENGTH + 1])
def test_a_chain_has_an_end(number: int) -> None:
    """No secret is made up before the first or after the last."""
    with pytest.raises(ValueError, match="no such secret"):
        fair.secret(ROOT, number)


def test_the_key_is_as_published() -> None:
    """Algorithm, purpose, room, hand, redeal and seeds are joined as the document says."""
    assert key().hex() == KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"room": "ABCD2346"},
        {"hand_no": 4},
        {"redeal_no": 0},
        {"purpose": "draw"},
        {"seeds": ("", *SEEDS[:3])},
        {"seeds": ("00" * 17, *SEEDS[1:])},
    ],
)
def test_whatever_differs_makes_another_key(changes: dict[str, object]) -> None:
    """Each room, hand, redeal, purpose and seed, and each seed's seat, counts."""
    assert key(**changes) != key()


def test_the_shuffle_is_as_published() -> None:
    """The published key shuffles the deck to the published order."""
    deck = fair.shuffle(fair.Stream(bytes.fromhex(KEY)), range(52))
    assert " ".join(NAMES[card] for card in deck) == DECK


def test_words_of_a_partial_round_are_thrown_away() -> None:
    """A limit just above half the range rejects about every second word instead of folding it."""
    stream = fair.Stream(bytes.fromhex(KEY))
    numbers = [stream.below(2**31 + 1) for _ in range(6)]
    assert numbers == [1654802617, 964046456, 1879149802, 715363634, 441836086, 889253275]


def test_every_order_is_equally_likely() -> None:
    """Of 4 cards shuffled by 4800 keys, each of the 24 orders comes about 200 times."""
    keys = (hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(4800))
    found = Counter(fair.shuffle(fair.Stream(key), range(4)) for key in keys)
    assert set(found) == set(itertools.permutations(range(4)))
    deviation = sum((times - 200) ** 2 / 200 for times in found.values())
    assert deviation < 49.7  # chi-square, 23 degrees of freedom, 0.1 %


def test_a_limit_of_one_leaves_no_choice() -> None:
    """The only number below one is zero."""
    assert fair.Stream(b"key").below(1) == 0
