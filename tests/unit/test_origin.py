"""Reading and writing the PROXY protocol's header."""

from __future__ import annotations

import pytest

from hokm.origin import HEADER_BYTES, Header, NoHeader, read, write

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def binary(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    """Make a header of version 2."""
    size = len(body) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2, "big") + body


FOUR = bytes((192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4))  # addresses and ports
SIX = bytes.fromhex("20010db8" + "00" * 11 + "07") + bytes(16) + b"\1\2\3\4"
MAPPED = bytes(10) + b"\xff\xff" + FOUR[:4] + bytes(20)
WHOLE = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 65535 80\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:DB8::7 ::1 1 2\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""),
    (binary(0x21, 0x11, FOUR), "192.0.2.7"),
    (binary(0x21, 0x11, FOUR + b"\4\0\3abc"), "192.0.2.7"),
    (binary(0x21, 0x21, SIX), "2001:db8::7"),
    (binary(0x21, 0x21, MAPPED), "192.0.2.7"),
    (binary(0x21, 0x31, bytes(216)), ""),
    (binary(0x21, 0x00, b""), ""),
    (binary(0x20, 0x00, b""), ""),
    (binary(0x20, 0x11, FOUR), ""),
    (binary(0x20, 0xFF, b"anything"), ""),
]


@pytest.mark.parametrize(("header", "address"), WHOLE)
def test_a_header(header: bytes, address: str) -> None:
    """It ends where it says, tells an address or none; every shorter one is incomplete."""
    assert read(header + REQUEST) == Header(len(header), address)
    assert read(header) == Header(len(header), address)
    for cut in range(1, len(header)):
        assert read(header[:cut]) is NoHeader.PARTIAL


@pytest.mark.parametrize("data", [b"", REQUEST, b"POST /", b"PROPFIND /", b"\x16\x03", b"\r\nG"])
def test_no_header(data: bytes) -> None:
    """What begins otherwise is for others to judge."""
    assert read(data) is NoHeader.ABSENT


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 65535\r\n",
        b"PROXY TCP4 192.0.2.777 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP6 ::1 10.0.0.1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
        b"PROXY \xff\r\n",
        b"PROXY UNKNOWN " + b"a" * 100,
        binary(0x11, 0x11, FOUR),  # version 1 in the notation of 2
        binary(0x22, 0x11, FOUR),  # no such command
        binary(0x21, 0x12, FOUR),  # UDP
        binary(0x21, 0x41, FOUR),  # no such family
        binary(0x21, 0x11, FOUR[:-1]),
        binary(0x21, 0x11, FOUR + b"\4\0\4abc"),  # an extension that ends beyond the header
        binary(0x21, 0x11, FOUR + b"\4\0"),
        binary(0x21, 0x11, FOUR + b"\xe0\0\2\1\1"),  # hops are one byte
        binary(0x21, 0x11, b"", HEADER_BYTES),
        binary(0x20, 0x00, b"", 65535),
    ],
)
def test_what_never_becomes_a_header(data: bytes) -> None:
    """Wrong, cut and oversized ones, as soon as that can be seen."""
    assert read(data) is NoHeader.MALFORMED


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "", "nobody"])
def test_what_is_written_is_read(address: str) -> None:
    """With our own extensions; what is no address is none."""
    header = write(address, hops=3, secret=b"s" * 16)
    told = "" if address == "nobody" else address
    assert read(header + REQUEST) == Header(len(header), told, 3, b"s" * 16)
    plain = write(address)
    assert read(plain) == Header(len(plain), told)
