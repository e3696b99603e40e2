"""The operators' HTTP site."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from twisted.web.resource import Resource
from twisted.web.server import Site

from hokm.metrics import CONTENT_TYPE
from hokm.pages import HEADERS, read_pages

_JSON: Final = "application/json"
_OPEN: Final = frozenset(("/health", "/ready"))  # for probes, which carry no token


class Instance(Protocol):
    """What the operators' side asks for."""

    def status(self) -> msgspec.Struct:
        """Return how things are."""

    def unhealthy(self) -> tuple[str, ...]:
        """Return why the instance cannot serve players now; nothing when it can."""

    def metrics_text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""


def make_site(*, instance: Instance, token: str | None, reactor: Any) -> Site:
    """Make the operators' site.

    Args:
        token: Bearer token that all but `/health` and `/ready` ask for; None: nothing does.
    """
    return _Site(_Root(instance, token), reactor=reactor)


class _Site(Site):
    noisy = False

    def log(self, request: Any) -> None:
        """Write no access log."""


class _Root(Resource):
    isLeaf = True

    def __init__(self, instance: Instance, token: str | None) -> None:
        super().__init__()
        self._instance = instance
        self._token = token
        self._pages = read_pages("hokm.admin")
        self._actions: dict[tuple[str, str], Callable[[], tuple[int, str, bytes]]] = {
            ("GET", "/health"): self._health,
            ("GET", "/ready"): self._health,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/api/status"): self._status,
        }

    def render(self, request: Any) -> bytes:
        status, kind, body = self._answer(request)
        request.setResponseCode(status)
        request.setHeader("Content-Type", kind)
        request.setHeader("Cache-Control", "no-store")
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        if request.method == b"HEAD":
            request.setHeader("Content-Length", str(len(body)))
            return b""
        return body

    def _answer(self, request: Any) -> tuple[int, str, bytes]:
        path = request.path.decode("latin-1")
        method = request.method.decode("latin-1").replace("HEAD", "GET")
        page = self._pages.get(path)
        if page is not None and method == "GET":
            return 200, page.kind, page.body  # it holds nothing; what it shows asks for the token
        if path not in _OPEN and not self._is_allowed(request):
            request.setHeader("WWW-Authenticate", "Bearer")
            return _error(401, "unauthorized", "this needs the operators' token")
        action = self._actions.get((method, path))
        if action is not None:
            return action()
        if page is not None or any(known == path for _, known in self._actions):
            return _error(405, "method_not_allowed", "this method is not for this path")
        return _error(404, "not_found", "there is nothing here")

    def _is_allowed(self, request: Any) -> bool:
        if self._token is None:
            return True
        given = request.getHeader("authorization") or ""
        return hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode())

    def _health(self) -> tuple[int, str, bytes]:
        reasons = self._instance.unhealthy()
        if reasons:
            body = {"status": "unavailable", "reasons": reasons}
            return 503, _JSON, msgspec.json.encode(body)
        return 200, _JSON, b'{"status":"ok"}'

    def _metrics(self) -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE, self._instance.metrics_text()

    def _status(self) -> tuple[int, str, bytes]:
        return 200, _JSON, msgspec.json.encode(self._instance.status())


def _error(status: int, code: str, message: str) -> tuple[int, str, bytes]:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return status, _JSON, body
