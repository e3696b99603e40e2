"""Addresses of a store, as `redis://user:password@host:6379/0` or `unix:///run/valkey.sock`.

Also with TLS, `rediss://host:6380/0?ca=/etc/ssl/store.pem`, and through Sentinels that know which
server is the master now, `sentinel://:password@one,two:26380,three/mymaster/0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from msgspec import Struct

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

Node: TypeAlias = tuple[str, int]  # host and port

_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "redis": frozenset(),
    "rediss": frozenset({"ca"}),
    "unix": frozenset({"db"}),
    "sentinel": frozenset({"tls", "ca", "sentinel_user", "sentinel_password"}),
}


class Address(Struct, frozen=True):
    """Where a store is, and how to log in.

    Attributes:
        path: Of a unix socket; None where there is a host.
        database: Number.
        tls: Whether to speak TLS (RFC 8446), and to check the server's name and certificate.
        ca: File of the certificates (PEM) that may vouch for it; None: the system's.
        master: Name by which the Sentinels know the master; None where there are none.
        sentinels: They are asked at each connect; *host* is not used then.
        sentinel_user, sentinel_password: How to log in to them; None: not at all.
    """

    host: str = ""
    port: int = DEFAULT_PORT
    path: str | None = None
    user: str | None = None
    password: str | None = None
    database: int = 0
    tls: bool = False
    ca: str | None = None
    master: str | None = None
    sentinels: tuple[Node, ...] = ()
    sentinel_user: str | None = None
    sentinel_password: str | None = None

    def __str__(self) -> str:
        """Return the address without passwords, for logs and status pages."""
        return self._written(login="", options={})

    def url(self) -> str:
        """Return the whole address, passwords included, as `parse` reads it."""
        login = ""
        if self.password is not None:
            login = f"{quote(self.user or '', safe='')}:{quote(self.password, safe='')}@"
        options = {
            "ca": self.ca,
            "tls": "yes" if self.tls and self.sentinels else None,
            "sentinel_user": self.sentinel_user,
            "sentinel_password": self.sentinel_password,
        }
        return self._written(login, {name: text for name, text in options.items() if text})

    def _written(self, login: str, options: Mapping[str, str]) -> str:
        if self.path is not None:
            return f"unix://{login}{self.path}" + (f"?db={self.database}" if self.database else "")
        tail = "?" + urlencode(options) if options else ""
        if self.master is not None:
            nodes = ",".join(map(_node, self.sentinels))
            return f"sentinel://{login}{nodes}/{quote(self.master, safe='')}/{self.database}{tail}"
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{login}{_node((self.host, self.port))}/{self.database}{tail}"


def parse(url: str) -> Address:
    """Read a store's URL.

    Raises:
        ValueError: It is none; the text says what is wrong, without a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("has a host that is none") from None
    if parts.scheme not in _OPTIONS:
        raise ValueError("must begin with redis://, rediss://, sentinel:// or unix://")
    options = _options(parts)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must have an absolute path, as unix:///run/valkey.sock")
        return Address(
            path=parts.path, user=user, password=password, database=_number(options.get("db", ""))
        )
    hosts = parts.netloc.rpartition("@")[2]
    if not hosts:
        raise ValueError(f"names no host, as {parts.scheme}://HOST")
    if parts.scheme == "sentinel":
        return _watched(parts, hosts, user, password, options)
    host, port = _read_node(hosts, DEFAULT_PORT)
    return Address(
        host=host,
        port=port,
        user=user,
        password=password,
        database=_number(parts.path.strip("/")),
        tls=parts.scheme == "rediss",
        ca=options.get("ca"),
    )


def _watched(
    parts: SplitResult,
    hosts: str,
    user: str | None,
    password: str | None,
    options: Mapping[str, str],
) -> Address:
    """Read the address of a master that Sentinels watch."""
    master, _, database = parts.path.strip("/").partition("/")
    if not master:
        raise ValueError("names no master, as sentinel://HOST,HOST,HOST/MASTER")
    return Address(
        user=user,
        password=password,
        database=_number(database),
        tls=_yes(options.get("tls", "no")),
        ca=options.get("ca"),
        master=unquote(master),
        sentinels=tuple(_read_node(text, SENTINEL_PORT) for text in hosts.split(",")),
        sentinel_user=options.get("sentinel_user"),
        sentinel_password=options.get("sentinel_password"),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    known = _OPTIONS[parts.scheme]
    given = parse_qs(parts.query, keep_blank_values=True)
    if not given.keys() <= known:
        allowed = ", ".join(sorted(known)) or "none"
        # Which one is not said: after a ? in a password it would be the rest of that.
        raise ValueError(
            f"has an option behind its ? that is none; {parts.scheme}:// knows {allowed}"
        )
    return {name: texts[-1] for name, texts in given.items()}


def _read_node(text: str, default: int) -> Node:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or default
    except ValueError:
        raise ValueError("has a port that is no number from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("has an empty host in its list")
    return parts.hostname, port


def _node(node: Node) -> str:
    host, port = node
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("must end with the number of a database, as /0")
    return int(text or 0)


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("has a tls that is neither yes nor no")
    return text == "yes"
