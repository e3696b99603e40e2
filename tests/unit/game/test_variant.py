"""The variant's data and the options of a table."""

import msgspec
import pytest

from hokm.game.variant import FOUR, Options


def test_the_packets_deal_the_whole_deck() -> None:
    """Four seats times 5, 4 and 4 cards are all cards, and seven of thirteen tricks win."""
    assert FOUR.seats * sum(FOUR.packets) == len(set(FOUR.deck)) == 52
    assert FOUR.tricks_to_win == sum(FOUR.packets) // 2 + 1


def test_partners_sit_opposite() -> None:
    """Teams are seat % 2."""
    assert FOUR.teams == tuple(seat % 2 for seat in range(FOUR.seats))


def test_the_defaults_are_the_common_rules() -> None:
    """Nothing said means the first ace, hidden packets, no redeal, 7 points, 2 and 3 for kots."""
    options = msgspec.json.decode(b"{}", type=Options)
    assert options == Options(
        first_hakem="ace",
        deal_visible="hakem_only",
        redeal="none",
        redeal_limit=2,
        target=7,
        kot=2,
        hakem_kot=3,
        rotation="right",
    )


def test_options_survive_json() -> None:
    """What is written is read back equal."""
    options = Options(first_hakem="ace_partner", redeal="ten_low", target=3, kot=1, hakem_kot=1)
    assert msgspec.json.decode(msgspec.json.encode(options), type=Options) == options


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'{"target":0}', "target"),
        (b'{"target":101}', "target"),
        (b'{"kot":0}', "kot"),
        (b'{"hakem_kot":11}', "hakem_kot"),
        (b'{"kot":3,"hakem_kot":2}', "hakem_kot"),
        (b'{"redeal_limit":0}', "redeal_limit"),
        (b'{"rotation":"up"}', "rotation"),
        (b'{"first_hakem":"me"}', "first_hakem"),
        (b'{"deal_visible":true}', "deal_visible"),
        (b'{"jokers":2}', "jokers"),
    ],
)
def test_a_bad_option_is_named(text: bytes, field: str) -> None:
    """Wrong and unknown options are refused, and the message says which it is."""
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.json.decode(text, type=Options)


def test_a_kot_never_pays_more_than_a_hakem_kot() -> None:
    """Options that are made in the program are checked like those that are read."""
    with pytest.raises(ValueError, match="hakem_kot"):
        Options(kot=3, hakem_kot=2)
