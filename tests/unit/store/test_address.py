"""Addresses of stores, and what must not be shown of them."""

from __future__ import annotations

import pytest

from hokm.store.address import Address, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address(host="cache")),
        ("redis://cache:7000/3", Address(host="cache", port=7000, database=3)),
        ("redis://[::1]:7000", Address(host="::1", port=7000)),
        ("redis://:pa%2Fss@cache", Address(host="cache", password="pa/ss")),
        ("redis://ann:pw@cache/1", Address(host="cache", user="ann", password="pw", database=1)),
        ("rediss://cache:7000/3", Address(host="cache", port=7000, database=3, tls=True)),
        ("rediss://cache?ca=/etc/a b.pem", Address(host="cache", tls=True, ca="/etc/a b.pem")),
        (
            "sentinel://one,two:7001,[::1]/table master",
            Address(
                master="table master",
                sentinels=(("one", 26379), ("two", 7001), ("::1", 26379)),
            ),
        ),
        (
            "sentinel://ann:p%40w@one/m/2?tls=yes&ca=/c.pem&sentinel_user=s&sentinel_password=q",
            Address(
                user="ann",
                password="p@w",
                database=2,
                tls=True,
                ca="/c.pem",
                master="m",
                sentinels=(("one", 26379),),
                sentinel_user="s",
                sentinel_password="q",
            ),
        ),
        ("unix:///run/valkey.sock", Address(path="/run/valkey.sock")),
        ("unix:///run/v.sock?db=2", Address(path="/run/v.sock", database=2)),
        ("unix://:pw@/run/v.sock", Address(path="/run/v.sock", password="pw")),
    ],
)
def test_what_is_read_is_written(url: str, address: Address) -> None:
    """An address is read, and its whole URL reads as the same address."""
    assert parse(url) == address
    assert parse(address.url()) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("cache:6379", "sentinel:// or unix://"),
        ("http://cache", "sentinel:// or unix://"),
        ("redis://", "no host"),
        ("redis://cache:x", "port"),
        ("redis://:secret@cache:99999", "port"),
        ("redis://:secret@cache/one", "number of a database"),
        ("unix://relative", "absolute path"),
        ("sentinel://one,two", "names no master"),
        ("sentinel://one,,two/m", "empty host"),
        ("sentinel://:secret@one:99999/m", "port"),
        ("sentinel://one/m?tls=maybe", "neither yes nor no"),
        ("redis://cache?ca=/c.pem", "option .* redis:// knows none"),
        ("redis://:pa?secret@cache/0", "option .* redis:// knows none"),
        ("rediss://:pa?secret@cache/0", "option .* rediss:// knows ca"),
        ("sentinel:///m", "names no host"),
    ],
)
def test_bad_addresses(url: str, words: str) -> None:
    """What is wrong is said, without the password."""
    with pytest.raises(ValueError, match=words) as caught:
        parse(url)
    assert "secret" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    """For logs and status pages an address has no password."""
    for url in (
        "redis://ann:secret@cache/1",
        "unix://:secret@/run/v.sock",
        "sentinel://:secret@one/m?sentinel_password=secret",
    ):
        assert "secret" not in str(parse(url))
