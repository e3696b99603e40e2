"""The settings themselves: values, units, limits, help."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hokm.scaling import MAX_WORKERS, Scaling
from hokm.wire import TableOptions


class BadSetting(Exception):
    """A setting cannot be used. One line that names it, its source and what is allowed.

    The caller prints the line and exits; nothing was started.
    """


class Endpoint(Struct, frozen=True):
    """A TCP address to listen on.

    Attributes:
        port: 0 lets the system choose.
        interface: Numeric IPv4 or IPv6 address; the empty text is every IPv4 interface.
    """

    port: int
    interface: str = ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        r"""Read ``tcp:PORT`` or ``tcp:PORT:interface=ADDRESS`` (Twisted's notation for endpoints).

        An IPv6 address may be written plainly, in brackets, or with escaped colons (``\:``).

        Raises:
            ValueError: It is none. The text says what is wrong with it.
        """
        kind, _, rest = text.partition(":")
        port, _, tail = rest.partition(":")
        if kind != "tcp" or not port.isascii() or not port.isdigit():
            raise ValueError("must be tcp:PORT or tcp:PORT:interface=ADDRESS")
        if int(port) > 65535:
            raise ValueError("must have a port from 0 to 65535")
        if not tail:
            return cls(int(port))
        name, _, address = tail.partition("=")
        if name != "interface":
            raise ValueError("can have interface=ADDRESS after the port, and nothing else")
        interface = address.replace("\\:", ":").strip("[]")
        try:
            ip_address(interface)
        except ValueError:
            raise ValueError("must have a numeric address as its interface") from None
        return cls(int(port), interface)


class WorkerRange(Struct, frozen=True):
    """How few and how many workers may run.

    Attributes:
        first: How many the server begins with.
    """

    min: int
    max: int
    first: int = 1

    @classmethod
    def parse(cls, text: str, *, cpus: int) -> WorkerRange:
        """Read ``auto``, ``N`` or ``MIN-MAX``.

        `auto` is from one to one per CPU, and begins with all: until there are measurements nobody
        knows what comes, and after a crash all players come back at once. A range begins with MIN.

        Raises:
            ValueError: It is none. The text says what is wrong with it.
        """
        if text == "auto":
            most = min(cpus, MAX_WORKERS)
            return cls(1, most, most)
        low, dash, high = text.partition("-")
        try:
            found = cls(int(low), int(high if dash else low), int(low))
        except ValueError:
            raise ValueError("must be auto, N or MIN-MAX") from None
        if not 1 <= found.min <= found.max <= MAX_WORKERS:
            raise ValueError(f"must be 1 to {MAX_WORKERS}, the lower number first")
        return found


def _about(help: str, unit: str = "", **limits: Any) -> Meta:
    return Meta(description=help, extra={"unit": unit}, **limits)


def check_instance_id(text: str) -> None:
    """Check an instance's id.

    Raises:
        ValueError: It is none. The text says what is wrong with it.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes and underscores")


def check_address(text: str) -> None:
    """Check HOST:PORT, an IPv6 address in brackets.

    Raises:
        ValueError: It is none. The text says what is wrong with it.
    """
    found = re.fullmatch(r"([^\s:/]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError("must be HOST:PORT, an IPv6 address in brackets")


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """`[worker]`: what each worker is told when it starts. JSON-able."""

    join_seconds: Annotated[
        float, _about("time for the first message, `join`", "s", gt=0, le=3600)
    ] = 5.0
    messages_per_second: Annotated[
        float, _about("a player's sustained rate of messages", "1/s", gt=0, le=10_000)
    ] = 20.0
    burst: Annotated[int, _about("messages that a player may send at once", ge=1)] = 40
    max_spectators: Annotated[int, _about("watchers of one room", ge=0)] = 50
    ping_seconds: Annotated[
        float, _about("between two pings of a connection", "s", gt=0, le=3600)
    ] = 20.0
    pong_seconds: Annotated[float, _about("time for the answer to a ping", "s", gt=0, le=3600)] = (
        10.0
    )
    fill_seconds: Annotated[
        float,
        _about("in quick match: a bot more may sit down after each so long", "s", gt=0, le=600),
    ] = 10.0
    idle_seconds: Annotated[
        float, _about("a room without connections is put away after this", "s", gt=0, le=3600)
    ] = 60.0
    max_connections: Annotated[int, _about("connections of one worker", ge=1)] = 5000
    allowed_origins: Annotated[
        tuple[str, ...], _about("web origins whose pages may play here; `*` is any")
    ] = ("*",)
    trusted_proxies: Annotated[
        tuple[str, ...],
        _about("addresses or networks whose `X-Forwarded-For` or PROXY header names the player"),
    ] = ("127.0.0.1", "::1")
    wrong_joins_per_minute: Annotated[
        int, _about("refused joins of one address before it must wait", "1/min", ge=1)
    ] = 30


class WebSettings(Struct, frozen=True, kw_only=True):
    """`[web]`: the public site."""

    rooms_per_minute: Annotated[int, _about("rooms that one address may create", "1/min", ge=1)] = (
        30
    )
    rooms_per_minute_in_all: Annotated[
        int, _about("rooms that all addresses together may create", "1/min", ge=1)
    ] = 600


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. The secret ones (`admin_token`, `redis` with a password) are never logged."""

    listen: Annotated[Endpoint, _about("public address: players' page and WebSocket")] = Endpoint(
        8765
    )
    listen_tls: Annotated[
        Endpoint, _about("the same over TLS; only with `tls_certificate` and `tls_key`")
    ] = Endpoint(8766)
    tls_certificate: Annotated[
        str | None, _about("PEM file: this server's certificate, then those up to a known one")
    ] = None
    tls_key: Annotated[
        str | None, _about("PEM file: the certificate's key, without a passphrase")
    ] = None
    admin: Annotated[Endpoint, _about("operators' address: health, metrics, status")] = Endpoint(
        8764, "127.0.0.1"
    )
    workers: Annotated[
        WorkerRange, _about("worker processes: auto (1 to one per CPU, first all), N or MIN-MAX")
    ]
    spare_workers: Annotated[
        int, _about("processes that wait ready for a worker's end", ge=0, le=MAX_WORKERS)
    ] = 1
    redis: Annotated[
        str | None, _about("address of a store to share; without it hokm runs its own")
    ] = None
    durability: Annotated[
        Literal["stored", "replicated"],
        _about("a play counts when the store has it, or when one of its replicas has it, too"),
    ] = "stored"
    fsync: Annotated[
        Literal["everysec", "always"],
        _about("how often hokm's own store writes to the disk: each second, or before it answers"),
    ] = "everysec"
    instance_id: Annotated[
        str | None,
        _about("this server's name in its fleet; else one is made up and kept in state_dir"),
    ] = None
    advertise: Annotated[
        str | None,
        _about("HOST:PORT where other instances reach the public port; else it is found out"),
    ] = None
    lease_seconds: Annotated[
        float,
        _about(
            "after so long without the store, others may take an instance's rooms",
            "s",
            ge=1,
            le=300,
        ),
    ] = 10.0
    state_dir: Annotated[
        str, _about("directory for the store's data; systemd's STATE_DIRECTORY comes before `var`")
    ] = "var/hokm"
    public_url: Annotated[
        str | None, _about("where players find this site, as https://cards.example.org")
    ] = None
    admin_token: Annotated[
        str | None, _about("bearer token of the operators' address; 16 characters at least")
    ] = None
    admin_token_file: Annotated[str | None, _about("file that holds admin_token")] = None
    log_format: Annotated[Literal["text", "json"], _about("form of the log lines")] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warn", "error", "critical"], _about("least level that is logged")
    ] = "info"
    room_ttl_s: Annotated[
        int, _about("a room that nobody uses is forgotten after this", "s", ge=60)
    ] = 604_800
    stop_seconds: Annotated[
        float, _about("time for workers to finish when the server stops", "s", gt=0, le=3600)
    ] = 10.0
    descriptor_store: Annotated[
        bool, _about("keep players' sockets with the service manager, as systemd, for a next life")
    ] = False
    worker: WorkerSettings = WorkerSettings()
    web: WebSettings = WebSettings()
    table: TableOptions = TableOptions()
    scaling: Scaling

    @property
    def replicas(self) -> int:
        """Replicas of the store that must have a play before it counts."""
        return 1 if self.durability == "replicated" else 0
