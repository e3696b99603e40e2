"""What an instance has sent on a connection so far: whether a frame can follow. Pure."""

from __future__ import annotations

from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_SWITCHING: Final = b"HTTP/1.1 101 "
_HEAD_BYTES: Final = 8192  # a longer one is no WebSocket's
_FRAME_HEAD: Final = 10  # bytes at most, of a frame without a mask (RFC 6455, 5.2)
_CLOSE: Final = 0x8


class Answer:
    """Follows the bytes of an instance's answer.

    Attributes:
        began: Whether anything was sent.
    """

    __slots__ = ("_closed", "_frames", "_head", "_left", "_other", "began")

    def __init__(self) -> None:
        self.began = False
        self._frames = False  # it is a WebSocket, past its handshake
        self._other = False  # it is something else, of which nothing is known
        self._head = b""  # of the answer, later of a frame, while it is incomplete
        self._left = 0  # bytes of the frame that has begun
        self._closed = False  # a close frame has begun

    @property
    def takes_frame(self) -> bool:
        """Whether a frame can follow: the stream stands between two, and no close was sent."""
        return self._frames and not (self._head or self._left or self._closed)

    def feed(self, data: bytes) -> None:
        """Take what was sent."""
        self.began = self.began or bool(data)
        if self._frames:
            self._feed_frames(data)
        elif not self._other:
            self._feed_head(data)

    def _feed_head(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(_END_OF_HEAD)
        if end < 0 and len(self._head) < _HEAD_BYTES:
            return
        head, self._head = self._head, b""
        if end < 0 or not head.startswith(_SWITCHING):
            self._other = True
        else:
            self._frames = True
            self._feed_frames(head[end + len(_END_OF_HEAD) :])

    def _feed_frames(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            had = len(self._head)
            self._head += data[at : at + _FRAME_HEAD - had]
            size = _head_size(self._head)
            if len(self._head) < size:
                return
            self._closed = self._closed or self._head[0] & 0x0F == _CLOSE
            self._left = _payload(self._head[1:size])
            at += size - had
            self._head = b""


def _head_size(head: bytes) -> int:
    """Return how long a frame's head is, as far as its first bytes tell."""
    return 2 if len(head) < 2 else {126: 4, 127: 10}.get(head[1] & 0x7F, 2)


def _payload(length: bytes) -> int:
    return int.from_bytes(length[1:], "big") if len(length) > 1 else length[0] & 0x7F
