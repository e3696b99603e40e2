"""The operators' HTTP site."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta, Struct
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hokm.admin import verbs
from hokm.admin.browser import is_by_a_foreign_name, is_of_another_site
from hokm.admin.route import MAX_BODY, Answer, Route, json, refusal
from hokm.jobs import Refused
from hokm.metrics import CONTENT_TYPE
from hokm.pages import HEADERS, read_pages
from hokm.requests import SmallSite
from hokm.tasks import run

_log = Logger()

_OPEN: Final = frozenset(("/health", "/ready"))  # for probes, which carry no token
_HARMLESS: Final = _OPEN | {"/metrics"}  # a scraper knows its targets by whatever name they have


class Find(Struct, frozen=True, forbid_unknown_fields=True):
    """Query of `GET /api/rooms`: part of the code, and where the rooms are; without: all."""

    code: Annotated[str, Meta(max_length=32)] = ""
    worker: int | None = None


class Instance(Protocol):
    """What the operators' side asks for."""

    def status(self) -> msgspec.Struct:
        """Return how things are."""

    def trends(self) -> msgspec.Struct:
        """Return what the workers did lately."""

    def rooms(self, code: str, worker: int | None) -> msgspec.Struct:
        """Return the rooms whose code has *code* in it, of one worker or (None) of all."""

    def unhealthy(self) -> tuple[str, ...]:
        """Return why the instance cannot serve players now; nothing when it can."""

    def unready(self) -> tuple[str, ...]:
        """Return why new players should go elsewhere; nothing when they may come."""

    def metrics_text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""


def make_site(
    *,
    instance: Instance,
    operations: verbs.Operations,
    token: str | None,
    reactor: Any,
) -> SmallSite:
    """Make the operators' site.

    Args:
        operations: Does the verbs.
        token: Bearer token that all but the page, `/health` and `/ready` ask for; None: nothing.
    """
    return SmallSite(_Root(instance, operations, token), reactor=reactor)


class _Root(Resource):
    isLeaf = True

    def __init__(self, instance: Instance, operations: verbs.Operations, token: str | None) -> None:
        super().__init__()
        self._instance = instance
        self._token = token
        self._pages = read_pages("hokm.admin")
        self._routes = (
            Route("GET", "/health", self._health),
            Route("GET", "/ready", self._ready),
            Route("GET", "/metrics", self._metrics),
            Route("GET", "/api/status", self._status),
            Route("GET", "/api/trends", self._trends),
            Route("GET", "/api/rooms", self._rooms, takes=Find),
            *verbs.routes(operations),
        )

    def render(self, request: Any) -> int:
        run(self._serve(request), "an operator's request")
        return NOT_DONE_YET

    async def _serve(self, request: Any) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            answer = await self._answer(request)
        except Refused as refused:
            answer = refusal(refused)
        except Exception:  # noqa: BLE001 - the request must be answered
            _log.failure("an operator's request failed")
            answer = refusal(Refused("internal", "internal error; see the server's log"))
        if gone:
            return
        request.setResponseCode(answer.status)
        request.setHeader("Content-Type", answer.kind)
        request.setHeader("Content-Length", str(len(answer.body)))
        request.setHeader("Cache-Control", "no-store")
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        request.write(answer.body)  # of a HEAD request, Twisted sends the headers only
        request.finish()

    async def _answer(self, request: Any) -> Answer:
        path = request.path.decode("latin-1")
        method = request.method.decode("latin-1").replace("HEAD", "GET")
        page = self._pages.get(path)
        if page is not None and method == "GET":
            # It holds nothing; what it shows asks for the token.
            return Answer(page.body, kind=page.kind)
        if path not in _OPEN and not self._is_allowed(request):
            request.setHeader("WWW-Authenticate", "Bearer")
            raise Refused("unauthorized", "this needs the operators' token")
        if self._token is None and path not in _HARMLESS and is_by_a_foreign_name(request):
            raise Refused(
                "foreign_name", "ask by address or localhost; by a name, only with admin_token set"
            )
        here = [(route, found) for route in self._routes if (found := route.match(path))]
        for route, found in here:
            if route.method == method:
                return await self._follow(route, found, request)
        if page is None and not here:
            raise Refused("not_found", "there is nothing here")
        request.setHeader("Allow", ", ".join(route.method for route, _ in here) or "GET")
        raise Refused("method_not_allowed", "this method is not for this path")

    async def _follow(self, route: Route, found: Any, request: Any) -> Answer:
        if route.method == "GET":
            return await route.follow(found, route.read_query(_query(request)))
        if is_of_another_site(request):
            raise Refused("foreign_site", "a page of another site may not ask for this")
        return await route.follow(found, route.read_body(request.content.read(MAX_BODY + 1)))

    def _is_allowed(self, request: Any) -> bool:
        if self._token is None:
            return True
        given: bytes = request.getHeader(b"authorization") or b""
        return hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def _health(self) -> Answer:
        return _how(self._instance.unhealthy())

    async def _ready(self) -> Answer:
        return _how(self._instance.unready())

    async def _metrics(self) -> Answer:
        return Answer(self._instance.metrics_text(), kind=CONTENT_TYPE)

    async def _status(self) -> Answer:
        return json(self._instance.status())

    async def _trends(self) -> Answer:
        return json(self._instance.trends())

    async def _rooms(self, code: str, worker: int | None) -> Answer:
        return json(self._instance.rooms(code, worker))


def _query(request: Any) -> dict[str, str]:
    return {
        name.decode("latin-1"): values[-1].decode(errors="replace")
        for name, values in request.args.items()
    }


def _how(reasons: tuple[str, ...]) -> Answer:
    if reasons:
        return json({"status": "unavailable", "reasons": reasons}, 503)
    return json({"status": "ok"})
