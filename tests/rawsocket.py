"""A WebSocket client that does only what it is told, byte by byte."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from typing import Any

SECONDS = 20.0
MASK = bytes.fromhex("37fa213d")  # of the examples in RFC 6455, section 5.7: the same in each run


class RawSocket:
    """A connection to `/ws`, blocking.

    Attributes:
        head: The server's answer to the handshake.
    """

    def __init__(
        self,
        port: int,
        room: str | None,
        *headers: str,
        host: str = "127.0.0.1",
        before: bytes = b"",
        tls: ssl.SSLContext | None = None,
        source: str = "",
    ) -> None:
        """Connect and shake hands.

        Args:
            before: Sent in front of the request.
            tls: With which it is wrapped.
            source: Address to come from.
        """
        self.sock = socket.create_connection((host, port), SECONDS, (source, 0))
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self._data = b""
        query = "" if room is None else f"?room_code={room}"
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET /ws{query} HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        self.sock.sendall(before + ("\r\n".join(lines) + "\r\n\r\n").encode())
        self.head = self._until(b"\r\n\r\n").decode()

    @property
    def status(self) -> int:
        """The handshake's HTTP status."""
        return int(self.head.split()[1])

    def send(self, message: Any) -> None:
        """Send a message as JSON, or a text as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.sock.sendall(frame(0x81, text.encode()))

    def receive(self) -> Any:
        """Return the next message; the close code (an int) when the server closes.

        Raises:
            ConnectionError: The server closed without a close frame.
        """
        while True:
            opcode, payload = self.receive_frame()
            if opcode == 0x8:
                return int.from_bytes(payload[:2], "big") if payload else None
            if opcode == 0x9:
                self.sock.sendall(frame(0x8A, payload))
            elif opcode == 0x1:
                return json.loads(payload)

    def receive_frame(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        first, second = self._exactly(2)
        assert not second & 0x80, "servers do not mask"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self._exactly(8), "big")
        return first & 0x0F, self._exactly(size)

    def until(self, *kinds: str) -> Any:
        """Return the next message of one of *kinds*; a close ends the wait, too."""
        while True:
            message = self.receive()
            if not isinstance(message, dict) or message["type"] in kinds:
                return message

    def answer(self, id: int | None) -> Any:
        """Return the `ok` or `error` for *id*."""
        while True:
            message = self.until("ok", "error")
            if not isinstance(message, dict) or message["id"] == id:
                return message

    def close(self) -> None:
        """Drop the connection."""
        self.sock.close()

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._read()
        data, self._data = self._data[:size], self._data[size:]
        return data

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            self._read()
        head, _, self._data = self._data.partition(end)
        return head + end

    def _read(self) -> None:
        more = self.sock.recv(65536)
        if not more:
            raise ConnectionError("closed without a close frame")
        self._data += more


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    """Make a frame as a client does; *first* is its first byte, flags and opcode."""
    size = len(payload)
    flag = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65536:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
