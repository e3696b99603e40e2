"""The public HTTP site: the players' page, new tables, histories.

Sockets are adopted with their request still unread, and serve that one request: the listener has
looked at the first only, and a WebSocket that followed it would come to the wrong place.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from twisted.logger import Logger
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hokm import wire
from hokm.config import WebSettings
from hokm.limits import Buckets, Overloaded
from hokm.pages import HEADERS, Page, read_pages
from hokm.requests import SmallSite
from hokm.store.store import StoreAway
from hokm.tasks import run

_log = Logger()

MAX_BODY: Final = 4096  # bytes; the largest legal body, with all options, has 500
VISITS: Final = (1.0, 60)  # of one address: a second, and at once; many may share one
HISTORIES: Final = (20.0, 1000)  # the same; each is read, decoded and encoded in the supervisor
WRONG_CODES: Final = (0.5, 30)  # the same: as many guesses as at `join`, which a setting tells
REQUEST_SECONDS: Final = 10.0  # for the rest of a request whose head is here
PUBLIC_SECONDS: Final = 1.0  # that the list of public tables is good for
RETRY_SECONDS: Final = 10  # an overload is over 5 s after the lag at the earliest
_HISTORY: Final = re.compile(rb"/api/rooms/([0-9A-Za-z]{1,32})/history")
_ERRORS: Final = {
    400: "bad_message",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_big",
    429: "rate_limited",
    500: "internal",
    503: "store_away",
}


class Tables(Protocol):
    """What the site asks for."""

    async def create(self, options: wire.TableOptions, *, public: bool) -> wire.RoomCreated:
        """Make a table; fails with `StoreAway`, and with `Overloaded`."""

    async def public(self) -> wire.PublicTables:
        """Return the public tables; fails with `StoreAway`."""

    async def history(self, code: str) -> wire.History | None:
        """Return a table's finished hands, None without such a table; fails with `StoreAway`."""

    def visited(self, guest: str) -> None:
        """Hear by which id a browser is counted in which somebody plays."""

    def healthy(self) -> bool:
        """Say whether tables can be made and played at."""

    def ready(self) -> bool:
        """Say whether new players should come here."""


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        code: The answer's word for it.
    """

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or _ERRORS[status]


class PublicSite:
    """Serves one request on each socket that it is given."""

    def __init__(
        self,
        *,
        reactor: Any,
        tables: Tables,
        settings: WebSettings,
        table: wire.TableOptions,
        client_address: Callable[[str, str | None], str],
    ) -> None:
        """Read the page's files and make the site.

        Args:
            table: Options of a new table where its maker says nothing.
            client_address: Finds a player's address from the peer's and X-Forwarded-For.
        """
        self._reactor = reactor
        site = _Site(_Root(tables, settings, table, client_address, reactor), reactor=reactor)
        site.startFactory()
        self._site = site

    def adopt(self, sock: socket.socket, origin: str) -> None:
        """Serve the request that waits in *sock*, which is closed here: Twisted has its own.

        Args:
            origin: Address that the connection comes from.
        """
        with sock:
            transport = self._reactor.adoptStreamConnection(sock.fileno(), sock.family, self._site)
        transport.protocol.origin = origin


class _OneRequest(HTTPChannel):
    """One request a connection.

    Attributes:
        origin: Address that it comes from.
    """

    origin = ""

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return False


class _Site(SmallSite):
    protocol = _OneRequest  # type: ignore[assignment] # its stub knows HTTP/2's wrapper only
    timeOut = REQUEST_SECONDS


class _Root(Resource):
    isLeaf = True

    def __init__(
        self,
        tables: Tables,
        settings: WebSettings,
        table: wire.TableOptions,
        client_address: Callable[[str, str | None], str],
        clock: Any,
    ) -> None:
        super().__init__()
        self._tables = tables
        self._table = table
        self._client_address = client_address
        self._clock = clock
        self._public: wire.PublicTables | None = None
        self._public_at = 0.0
        self._pages = read_pages("hokm.web")
        self._each = Buckets(settings.rooms_per_minute / 60, settings.rooms_per_minute)
        in_all = settings.rooms_per_minute_in_all
        self._all = Buckets(in_all / 60, in_all)
        self._visits = Buckets(*VISITS)
        self._histories = Buckets(*HISTORIES)
        self._wrong_codes = Buckets(*WRONG_CODES)

    def render(self, request: Any) -> int:
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        run(self._serve(request), "an HTTP request")
        return NOT_DONE_YET

    async def _serve(self, request: Any) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            status, kind, body = await self._answer(request)
        except Refused as refusal:
            status, kind, body = refusal.status, "application/json", _error(refusal)
        except StoreAway:
            request.setHeader("Retry-After", "2")
            away = Refused(503, "the store does not answer; try again")
            status, kind, body = 503, "application/json", _error(away)
        except Overloaded:
            request.setHeader("Retry-After", str(RETRY_SECONDS))
            later = Refused(503, wire.ERRORS["try_later"], "try_later")
            status, kind, body = 503, "application/json", _error(later)
        except Exception:  # noqa: BLE001 - the request must be answered
            _log.failure("an HTTP request failed")
            status, kind = 500, "application/json"
            body = _error(Refused(500, "internal error"))
        if gone:
            return
        request.setResponseCode(status)
        request.setHeader("Content-Type", kind)
        request.setHeader("Content-Length", str(len(body)))
        if request.method != b"HEAD" and body:
            request.write(body)
        request.finish()

    async def _answer(self, request: Any) -> tuple[int, str, bytes]:
        path: bytes = request.path
        if path == b"/api/visits":
            _allow(request, b"POST")
            return self._visit(request)
        if path == b"/api/rooms":
            _allow(request, b"POST")
            return await self._create(request)
        if path == b"/api/tables":
            _allow(request, b"GET", b"HEAD")
            return 200, "application/json", wire.encode(await self._listed())
        found = _HISTORY.fullmatch(path)
        if found:
            _allow(request, b"GET", b"HEAD")
            return await self._history(request, found[1].decode())
        if path in (b"/health", b"/ready"):
            _allow(request, b"GET", b"HEAD")
            healthy = self._tables.healthy() if path == b"/health" else self._tables.ready()
            text = b'{"status":"ok"}' if healthy else b'{"status":"unavailable"}'
            return 200 if healthy else 503, "application/json", text
        page = self._pages.get(path.decode("latin-1"))
        if page is None:
            raise Refused(404, "there is nothing here")
        _allow(request, b"GET", b"HEAD")
        return _page(request, page)

    def _visit(self, request: Any) -> tuple[int, str, bytes]:
        try:
            visit = msgspec.json.decode(_body(request), type=wire.Visit)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(400, str(error)) from None
        if not self._visits.take(self._peer(request), self._clock.seconds()):
            raise Refused(429, "too many visits")
        self._tables.visited(visit.guest)
        return 204, "application/json", b""

    def _peer(self, request: Any) -> str:
        """Return the address of who asks."""
        forwarded = request.getHeader("x-forwarded-for")
        return self._client_address(request.channel.origin, forwarded)

    async def _create(self, request: Any) -> tuple[int, str, bytes]:
        try:
            wanted = msgspec.json.decode(_body(request) or b"{}", type=wire.CreateRoom)
            options = wanted.on(self._table)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise Refused(400, str(error)) from None
        now = self._clock.seconds()
        peer = self._peer(request)
        if not self._each.take(peer, now) or not self._all.take(None, now):
            request.setHeader("Retry-After", "60")
            raise Refused(429, "too many new tables; try again in a minute")
        made = await self._tables.create(options, public=wanted.public)
        return 201, "application/json", wire.encode(made)

    async def _listed(self) -> wire.PublicTables:
        """Return the public tables; the store is asked once a second at most."""
        now = self._clock.seconds()
        if self._public is None or now >= self._public_at + PUBLIC_SECONDS:
            self._public_at = now
            self._public = await self._tables.public()
        return self._public

    async def _history(self, request: Any, text: str) -> tuple[int, str, bytes]:
        now, peer = self._clock.seconds(), self._peer(request)
        if not self._wrong_codes.has(peer, now) or not self._histories.take(peer, now):
            request.setHeader("Retry-After", "60")
            raise Refused(429, "too many histories; try again in a minute")
        code = wire.room_code(text)
        history = await self._tables.history(code) if code is not None else None
        if history is None:
            self._wrong_codes.take(peer, now)
            raise Refused(404, wire.ERRORS["no_such_room"])
        return 200, "application/json", wire.encode(history)


def _body(request: Any) -> bytes:
    body: bytes = request.content.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise Refused(413, f"at most {MAX_BODY} bytes are taken")
    return body


def _allow(request: Any, *methods: bytes) -> None:
    if request.method not in methods:
        request.setHeader("Allow", b", ".join(methods))
        raise Refused(405, "this method is not for this path")


def _page(request: Any, page: Page) -> tuple[int, str, bytes]:
    request.setHeader("Cache-Control", "no-cache")
    request.setHeader("ETag", page.tag)
    if request.getHeader("if-none-match") == page.tag:
        return 304, page.kind, b""
    return 200, page.kind, page.body


def _error(refusal: Refused) -> bytes:
    return msgspec.json.encode({"error": {"code": refusal.code, "message": str(refusal)}})
