"""Where a connection comes from: what a proxy says of it, in front of the request.

The PROXY protocol (HAProxy, doc/proxy-protocol.txt), versions 1 and 2. Its header is read from
bytes that stay unread; whether its sender is believed is not said here. Pure.
"""

from __future__ import annotations

import re
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from msgspec import Struct

MOST_HOPS: Final = 255
HEADER_BYTES: Final = 1024  # senders keep below 536 (section 2.2) unless they add much of their own

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"  # section 2.2
_PREFIX: Final = 16  # bytes of version 2 before the addresses
_LOCAL: Final = 0x20  # version and command
_PROXY: Final = 0x21
_UNSPEC: Final = 0x00  # family and transport
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_UNIX: Final = 0x31
_ADDRESSES: Final = {_UNSPEC: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}  # bytes

_LINE: Final = re.compile(  # section 2.1
    rb"PROXY (?:UNKNOWN[ -~]*|(TCP[46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39})"
    rb" [0-9]{1,5} [0-9]{1,5})\r\n"
)
_LINE_START: Final = b"PROXY "
_LINE_BYTES: Final = 107  # at most, the end included

# Types of our own extensions, of those left to applications (section 2.2.7).
_HOPS: Final = 0xE0
_SECRET: Final = 0xE1


class Origin(Struct, frozen=True):
    """Where a connection comes from. Fields are only ever added, with a default.

    Attributes:
        address: The player's, or that of a proxy which names it in X-Forwarded-For; empty where it
            is the socket's other end.
        hops: How many instances have passed the connection on to here.
        skipped: Bytes of the stream before the request: the header, which was taken out.
    """

    address: str = ""
    hops: int = 0
    skipped: int = 0


UNTOLD: Final = Origin()


class Header(Struct, frozen=True):
    """A complete header.

    Attributes:
        size: Its length in bytes.
        address: Where the connection comes from; empty where its sender does not say so, as in a
            health check of its own.
        hops: See `Origin`.
        secret: By which an instance knows its own gate; empty from anybody else.
    """

    size: int
    address: str = ""
    hops: int = 0
    secret: bytes = b""


class NoHeader(Enum):
    """What the first bytes of a connection are instead of a header."""

    ABSENT = "absent"  # something else begins here
    PARTIAL = "partial"  # it may become one when more bytes come
    MALFORMED = "malformed"  # it never becomes one, and nothing else either


Read: TypeAlias = Header | NoHeader


def read(data: bytes) -> Read:
    """Read a header from the first bytes of a connection.

    Args:
        data: All that came so far; may be followed by the request.
    """
    for start, reader in ((_LINE_START, _read_line), (_SIGNATURE, _read_binary)):
        if data[: len(start)] == start:
            return reader(data)
        if data and start.startswith(data):
            return NoHeader.PARTIAL
    return NoHeader.ABSENT


def _read_line(data: bytes) -> Read:
    end = data.find(b"\n", 0, _LINE_BYTES) + 1
    if not end:
        return NoHeader.PARTIAL if len(data) < _LINE_BYTES else NoHeader.MALFORMED
    found = _LINE.fullmatch(data[:end])
    if found is None:
        return NoHeader.MALFORMED
    if found[1] is None:
        return Header(end)
    try:
        source, target = (ip_address(text.decode("ascii")) for text in found.groups()[1:])
    except ValueError:
        return NoHeader.MALFORMED
    if not source.version == target.version == int(found[1][3:]):
        return NoHeader.MALFORMED
    return Header(end, _plain(source))


def _read_binary(data: bytes) -> Read:
    if len(data) < _PREFIX:
        return NoHeader.PARTIAL
    command, family, length = data[12], data[13], int.from_bytes(data[14:_PREFIX], "big")
    size = _PREFIX + length
    if command not in (_LOCAL, _PROXY) or size > HEADER_BYTES:
        return NoHeader.MALFORMED
    if command == _LOCAL:  # the rest means nothing
        return Header(size) if len(data) >= size else NoHeader.PARTIAL
    addresses = _ADDRESSES.get(family)
    if addresses is None or addresses > length:
        return NoHeader.MALFORMED
    if len(data) < size:
        return NoHeader.PARTIAL
    extensions = _read_extensions(data[_PREFIX + addresses : size])
    if extensions is None:
        return NoHeader.MALFORMED
    source = data[_PREFIX : _PREFIX + {_TCP4: 4, _TCP6: 16}.get(family, 0)]
    hops, secret = extensions.get(_HOPS, b"\0"), extensions.get(_SECRET, b"")
    if len(hops) != 1:
        return NoHeader.MALFORMED
    return Header(size, _plain(ip_address(source)) if source else "", hops[0], secret)


def _read_extensions(data: bytes) -> dict[int, bytes] | None:
    """Read the fields behind the addresses, by type; None where they are cut."""
    found, at = {}, 0
    while at < len(data):
        start = at + 3
        end = start + int.from_bytes(data[at + 1 : start], "big")
        if end > len(data) or start > len(data):
            return None
        found[data[at]] = data[start:end]
        at = end
    return found


def _plain(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def write(address: str, *, hops: int = 0, secret: bytes = b"") -> bytes:
    """Write a header of version 2; who reads it asks for nothing but the address it comes from.

    Args:
        address: Numeric; what is none is left out.
        hops: At most `MOST_HOPS`.
        secret: See `Header`; for no one but the own instance.
    """
    extensions = _extension(_HOPS, bytes((hops,))) if hops else b""
    if secret:
        extensions += _extension(_SECRET, secret)
    try:
        source = ip_address(address).packed
    except ValueError:
        source = b""
    family = {0: _UNSPEC, 4: _TCP4, 16: _TCP6}[len(source)]
    body = source.ljust(_ADDRESSES[family], b"\0") + extensions
    return _SIGNATURE + bytes((_PROXY, family)) + len(body).to_bytes(2, "big") + body


def _extension(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + len(value).to_bytes(2, "big") + value
