"""WebSocket frames (RFC 6455, section 5.2) as a client writes and reads them."""

from __future__ import annotations

from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_SIXTEEN_BITS: Final = 126
_SIXTY_FOUR_BITS: Final = 127
_KNOWN: Final = frozenset((TEXT, CLOSE, PING, PONG))


class BadFrame(Exception):
    """What came is no frame of this server: the stream was cut. The caller drops the connection."""


def frame(opcode: int, payload: bytes, mask: int, *, final: bool = True) -> bytes:
    """Return a masked frame.

    Args:
        payload: Up to 65535 bytes.
        mask: 32 bits.
    """
    size = len(payload)
    first = opcode | (_FINAL if final else 0)
    if size < _SIXTEEN_BITS:
        head = bytes((first, _MASKED | size))
    else:
        head = bytes((first, _MASKED | _SIXTEEN_BITS)) + size.to_bytes(2, "big")
    key = mask.to_bytes(4, "big")
    stream = (key * (size // 4 + 1))[:size]
    # One XOR of two big integers, as the server unmasks.
    body = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + key + body.to_bytes(size, "big")


class Reader:
    """Cuts a server's byte stream into frames."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes; returns the opcode and payload of each frame that is complete.

        Raises:
            BadFrame: See there.
        """
        if self._data:
            data = self._data + data
        found, start, size = [], 0, len(data)
        while size - start >= 2:
            first, length = data[start], data[start + 1]
            body = start + 2
            # hokm sends whole messages, without extensions, and servers do not mask.
            if not first & _FINAL or (first ^ _FINAL) not in _KNOWN or length & _MASKED:
                raise BadFrame(f"a frame cannot begin with {data[start : start + 2].hex()}")
            if length >= _SIXTEEN_BITS:
                wide = 8 if length == _SIXTY_FOUR_BITS else 2
                if size - body < wide:
                    break
                length = int.from_bytes(data[body : body + wide], "big")
                body += wide
            if size - body < length:
                break
            start = body + length
            found.append((first ^ _FINAL, data[body:start]))
        self._data = data[start:]
        return found
