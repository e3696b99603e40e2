"""Addresses of a store, as `redis://user:password@host:6379/0` or `unix:///run/valkey.sock`."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

DEFAULT_PORT: Final = 6379


class Address(Struct, frozen=True):
    """Where a store is, and how to log in.

    Attributes:
        path: Of a unix socket; None where there is a host.
        database: Number.
    """

    host: str = ""
    port: int = DEFAULT_PORT
    path: str | None = None
    user: str | None = None
    password: str | None = None
    database: int = 0

    def __str__(self) -> str:
        """Return the address without the password, for logs and status pages."""
        if self.path is not None:
            return f"unix://{self.path}"
        return f"redis://{self.host}:{self.port}/{self.database}"

    def url(self) -> str:
        """Return the whole address, password included, as `parse` reads it."""
        login = ""
        if self.password is not None:
            login = f"{quote(self.user or '', safe='')}:{quote(self.password, safe='')}@"
        if self.path is not None:
            return f"unix://{login}{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis://{login}{host}:{self.port}/{self.database}"


def parse(url: str) -> Address:
    """Read a store's URL.

    Raises:
        ValueError: It is none; the text says what is wrong, without the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("has a port that is no number from 1 to 65535") from None
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must have an absolute path, as unix:///run/valkey.sock")
        return Address(
            path=parts.path, user=user, password=password, database=_database(parts.query)
        )
    if parts.scheme != "redis":
        raise ValueError("must begin with redis:// or unix://")
    if not parts.hostname:
        raise ValueError("names no host, as redis://HOST:6379/0")
    return Address(
        host=parts.hostname,
        port=port,
        user=user,
        password=password,
        database=_database(parts.path.strip("/")),
    )


def _database(text: str) -> int:
    number = text.removeprefix("db=")
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError("must end with the number of a database, as /0")
    return int(number or 0)
