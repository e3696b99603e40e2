"""HTTP requests of which no more is read than can be used."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from twisted.web.server import Request, Site

MOST_BYTES: Final = 65536  # of a body; the sites take 4 KB at most, and refuse more in words


class SmallRequest(Request):
    """A request whose body is kept in memory, and ends the connection where it has no end.

    Twisted's own has bodies of any size written to a file first, and forms read whole before
    anybody is asked whether they are wanted.
    """

    def gotLength(self, length: int | None) -> None:
        """Hear how long the body is to be, if that is told."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body."""
        content: Any = self.content
        channel: Any = self.channel
        if content.tell() + len(data) > MOST_BYTES:
            channel.transport.abortConnection()
        else:
            content.write(data)


class SmallSite(Site):
    """A site of such requests, which parses no forms and writes no access log."""

    noisy = False

    def __init__(self, resource: Any, *, reactor: Any) -> None:
        """Make a site of one resource."""
        super().__init__(
            resource, requestFactory=SmallRequest, parsePOSTFormSubmission=False, reactor=reactor
        )

    def log(self, request: Any) -> None:
        """Write nothing: that is the proxy's business."""
