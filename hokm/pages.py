"""The files of a site's page, read once, and the headers that keep a page to itself."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from msgspec import Struct

# No inline script or style, and nobody to speak with but the server that the page came from.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:;"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "hokm",
}
_TEXT = ("text/", "application/javascript", "text/javascript", "image/svg+xml")


class Page(Struct, frozen=True):
    """A file as it is served.

    Attributes:
        kind: Content type.
        tag: ETag, of the content.
    """

    kind: str
    body: bytes
    tag: str


def read_pages(package: str) -> dict[str, Page]:
    """Return all files of *package*'s page by path; `/` is the page itself.

    What lies in hokm/static is for the pages of all sites.
    """
    found = [*_walk(files("hokm") / "static"), *_walk(files(package) / "static")]
    pages = {f"/{path}": _page(path, file) for path, file in found}
    pages["/"] = pages["/index.html"]
    return pages


def _walk(directory: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for item in directory.iterdir():
        name = prefix + item.name
        found += _walk(item, name + "/") if item.is_dir() else [(name, item)]
    return found


def _page(path: str, file: Traversable) -> Page:
    body = file.read_bytes()
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if kind.startswith(_TEXT):
        kind += "; charset=utf-8"
    return Page(kind, body, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
