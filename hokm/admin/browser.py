"""What pages of other sites could do through an operator's browser, and how they are told apart.

A page of any site may have its reader's browser ask whatever that machine can reach, loopback too.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit


def is_of_another_site(request: Any) -> bool:
    """Say whether a browser sends this for another site's page.

    Such a page may post, as long as the request is simple: no body, or one that a form could send
    (Fetch, 'CORS-safelisted'). What tells it is what only a browser sends, and no page can
    change: Origin with every POST, and Sec-Fetch-Site. Without them it is curl or hokmctl.
    """
    if request.getHeader("sec-fetch-site") not in (None, "same-origin", "none"):
        return True
    origin = request.getHeader("origin")
    return origin is not None and origin.partition("://")[2] != request.getHeader("host")


def is_by_a_foreign_name(request: Any) -> bool:
    """Say whether this is asked for by a name that somebody else may have made point here.

    To a browser the page behind such a name is of our own site, and may read what we answer (DNS
    rebinding). Nobody else owns an address, localhost (RFC 6761, section 6.3) or a name without a
    dot, as containers have it.
    """
    try:
        host = urlsplit("//" + (request.getHeader("host") or "")).hostname or ""
        ip_address(host)
    except ValueError:
        return "." in host.rstrip(".").removesuffix(".localhost")
    return False
