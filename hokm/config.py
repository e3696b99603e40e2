"""Every setting of the program: name, default, unit, limits, help, and where it is read from.

A setting is a field of one of the structs below; its command-line option, environment variable,
help text, check and line in docs/operations/settings.md all come from that field. Sources, the
first that has the setting wins: command line, environment, TOML file (`--config`), default.
`load` is pure: it is handed the options, the environment, a way to read files and the number of
CPUs. Nothing else in the program reads the environment for a setting.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec import inspect as shape

from hokm.wire import TableOptions

_TOKEN_CHARACTERS: Final = 16
MAX_WORKERS: Final = 256  # far above the cores of any machine: a typing error, not a wish


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
    """How few and how many workers may run."""

    min: int
    max: int

    @classmethod
    def parse(cls, text: str, *, cpus: int) -> WorkerRange:
        """Read ``auto`` (one per CPU), ``N`` or ``MIN-MAX``.

        Raises:
            ValueError: It is none. The text says what is wrong with it.
        """
        low, dash, high = (str(min(cpus, MAX_WORKERS)) if text == "auto" else text).partition("-")
        try:
            found = cls(int(low), int(high if dash else low))
        except ValueError:
            raise ValueError("must be auto, N or MIN-MAX") from None
        if not 1 <= found.min <= found.max <= MAX_WORKERS:
            raise ValueError(f"must be 1 to {MAX_WORKERS}, the lower number first")
        return found


def _about(help: str, unit: str = "", **limits: Any) -> Meta:
    return Meta(description=help, extra={"unit": unit}, **limits)


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
    idle_seconds: Annotated[
        float, _about("a room without connections is put away after this", "s", gt=0, le=3600)
    ] = 60.0
    max_connections: Annotated[int, _about("connections of one worker", ge=1)] = 5000
    allowed_origins: Annotated[
        tuple[str, ...], _about("web origins whose pages may play here; `*` is any")
    ] = ("*",)
    trusted_proxies: Annotated[
        tuple[str, ...],
        _about("addresses or networks whose `X-Forwarded-For` names the player's address"),
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
    admin: Annotated[Endpoint, _about("operators' address: health, metrics, status")] = Endpoint(
        8764, "127.0.0.1"
    )
    workers: Annotated[WorkerRange, _about("worker processes: auto (one per CPU), N or MIN-MAX")]
    redis: Annotated[
        str | None, _about("address of a store to share; without it hokm runs its own")
    ] = None
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
    worker: WorkerSettings = WorkerSettings()
    web: WebSettings = WebSettings()
    table: TableOptions = TableOptions()


_SECTIONS: Final[Mapping[str, type[Struct]]] = {
    "": Settings,
    "worker": WorkerSettings,
    "web": WebSettings,
    "table": TableOptions,
}
_NOTATIONS: Final[Mapping[type, str]] = {
    Endpoint: "tcp:PORT or tcp:PORT:interface=ADDRESS",
    WorkerRange: "auto, N or MIN-MAX",
}
_NO_OPTION: Final = frozenset(
    {"admin_token"}
)  # a command line is seen by every user of the machine
_TABLE_HELP: Final = {  # the structs themselves belong to the game and the protocol
    "first_hakem": "how the first hakem is found",
    "deal_visible": "whether only the hakem sees his first five cards before the call",
    "redeal": "whether a hakem may refuse five low cards",
    "redeal_limit": "refusals in one hand",
    "target": "points that win a match",
    "kot": "points for seven tricks to none",
    "hakem_kot": "points for seven tricks to none against the hakem",
    "rotation": "where the hakem's place goes when his team loses a hand",
    "turn_seconds": "time for a play; doubled for the trump call",
    "grace_seconds": "absence before a bot plays for a player",
    "pause_seconds": "between two hands",
    "bot_seconds": "mean thinking time of a bot",
}


class Setting(Struct, frozen=True):
    """One setting as the option parser, the checks and the documents see it.

    Attributes:
        key: Path in the TOML file, as ``worker.burst``.
        option: Command-line option without its dashes, or None where it has none.
        variable: Environment variable.
        type: What its value is converted to.
        default: As a person would write it; empty where there is none.
        unit: Empty where it has none.
        allowed: What values it takes, in words.
        help: One phrase.
    """

    key: str
    option: str | None
    variable: str
    type: Any
    default: str
    unit: str
    allowed: str
    help: str


def all_settings() -> Iterator[Setting]:
    """Yield every setting, section by section."""
    for section, struct in _SECTIONS.items():
        hints = typing.get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            if not section and field.name in _SECTIONS:
                continue
            kind = hints[field.name]
            meta = next((m for m in getattr(kind, "__metadata__", ()) if m.extra), None)
            own = not section and field.name not in _NO_OPTION
            yield Setting(
                key=f"{section}.{field.name}" if section else field.name,
                option=field.name.replace("_", "-") if own else None,
                variable="_".join(filter(None, ("HOKM", section.upper(), field.name.upper()))),
                type=kind,
                default="auto" if field.name == "workers" else _written(field.default),
                unit=meta.extra["unit"] if meta else "s" if "seconds" in field.name else "",
                allowed=_allowed(kind),
                help=meta.description if meta else _TABLE_HELP.get(field.name, ""),
            )


def opt_parameters() -> list[list[str | None]]:
    """Give `optParameters` for `twisted.python.usage.Options`: all that has an option.

    The defaults are None, so that `load` sees what was really given.
    """
    yielded: list[list[str | None]] = [
        ["config", None, None, "TOML file with settings; see docs/operations/settings.md"]
    ]
    for setting in all_settings():
        if setting.option is not None:
            default = f" [default: {setting.default}]" if setting.default else ""
            yielded.append([setting.option, None, None, setting.help + default])
    return yielded


def markdown() -> str:
    """Write the table of docs/operations/settings.md."""
    lines = ["| TOML key | option | environment | default | allowed | what |", "|---" * 6 + "|"]
    for s in all_settings():
        option = f"`--{s.option}`" if s.option else ""
        what = f"{s.help} ({s.unit})" if s.unit else s.help
        default = f"`{s.default}`" if s.default else ""
        allowed = s.allowed.replace("|", "\\|")
        lines.append(f"| `{s.key}` | {option} | `{s.variable}` | {default} | {allowed} | {what} |")
    return "\n".join(lines) + "\n"


def load(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    read_file: Callable[[str], bytes],
    cpus: int,
) -> Settings:
    """Find and check all settings.

    Args:
        options: Command line, keyed by option name (``state-dir``); None is "not given".
        environ: The environment. Empty variables and unknown ``HOKM_`` names are passed over:
            container platforms invent both.
        read_file: Reads a whole file; may raise OSError.
        cpus: What ``workers = auto`` stands for.

    Raises:
        BadSetting: Something cannot be used; see there.
    """
    path = options.get("config") or environ.get("HOKM_CONFIG") or None
    written = _flat(_read_toml(path, read_file), path) if path else {}
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for setting in all_settings():
        section, _, name = setting.key.rpartition(".")
        for source, value in _places(setting, options, environ, written, path):
            values[section][name] = _checked(setting, source, value, cpus)
            break
    top = values.pop("")
    top.setdefault("workers", WorkerRange.parse("auto", cpus=cpus))
    top["table"] = _table(values.pop("table"))
    for section, found in values.items():
        top[section] = _SECTIONS[section](**found)
    return _with_token(Settings(**top), read_file)


def _places(
    setting: Setting,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    written: Mapping[str, Any],
    path: str | None,
) -> Iterator[tuple[str, Any]]:
    """Yield (source in words, value) wherever the setting is given, what wins first."""
    if setting.option is not None and options.get(setting.option) is not None:
        yield f"option --{setting.option}", options[setting.option]
    if environ.get(setting.variable):
        yield f"environment variable {setting.variable}", environ[setting.variable]
    if setting.key in written:
        yield f"{path}, key {setting.key}", written[setting.key]
    if setting.key == "state_dir" and environ.get("STATE_DIRECTORY"):
        # systemd.exec(5): several directories are separated by colons.
        yield "environment variable STATE_DIRECTORY", environ["STATE_DIRECTORY"].split(":")[0]


def _checked(setting: Setting, source: str, value: Any, cpus: int) -> Any:
    kind = typing.get_args(setting.type)[0] if hasattr(setting.type, "__metadata__") else None
    try:
        if kind is Endpoint:
            return Endpoint.parse(str(value))
        if kind is WorkerRange:
            return WorkerRange.parse(str(value), cpus=cpus)
        if kind == tuple[str, ...] and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        found = msgspec.convert(value, setting.type, strict=not isinstance(value, str))
        if setting.key == "worker.trusted_proxies":
            for network in found:
                ip_network(network)
    except msgspec.ValidationError:
        raise BadSetting(f"{setting.key} must be {setting.allowed} ({source})") from None
    except ValueError as error:
        raise BadSetting(f"{setting.key} {error} ({source})") from None
    return found


def _table(values: dict[str, Any]) -> TableOptions:
    try:
        return msgspec.convert(values, TableOptions)
    except msgspec.ValidationError as error:  # values that are right alone and wrong together
        raise BadSetting(f"{error} (section [table] or variables HOKM_TABLE_)") from None


def _with_token(settings: Settings, read_file: Callable[[str], bytes]) -> Settings:
    """Read the token's file, unless the token itself is given, and check the token."""
    token, path = settings.admin_token, settings.admin_token_file
    if token is None and path is not None:
        token = _read("admin_token_file", path, read_file).strip()
    if token is not None and len(token) < _TOKEN_CHARACTERS:
        raise BadSetting(f"admin_token must have at least {_TOKEN_CHARACTERS} characters")
    return msgspec.structs.replace(settings, admin_token=token)


def _read(key: str, path: str, read_file: Callable[[str], bytes]) -> str:
    try:
        return read_file(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise BadSetting(f"{key}: cannot read {path}: {reason}") from None


def _read_toml(path: str, read_file: Callable[[str], bytes]) -> dict[str, Any]:
    try:
        return tomllib.loads(_read("config", path, read_file))
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"config: {path} is no TOML: {error}") from None


def _flat(tree: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """Turn sections into dotted keys, and refuse what no setting is called."""
    known = {setting.key for setting in all_settings()}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if name in _SECTIONS and not isinstance(value, dict):
            raise BadSetting(f"{name} must be a section, [{name}] ({path}, key {name})")
        is_section = isinstance(value, dict) and (name in _SECTIONS or name not in known)
        flat |= {f"{name}.{k}": v for k, v in value.items()} if is_section else {name: value}
    for key in flat:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise BadSetting(f"{key} is no setting; the nearest is {near} ({path}, key {key})")
    return flat


def _written(value: Any) -> str:
    match value:
        case None | msgspec.UNSET | msgspec.NODEFAULT:
            return ""
        case Endpoint(port=port, interface=interface):
            return f"tcp:{port}" + (f":interface={interface}" if interface else "")
        case tuple():
            return ",".join(value)
        case float():
            return f"{value:g}"
    return str(value)


def _allowed(kind: Any) -> str:
    """Say in words what values *kind*, an annotation or one of msgspec's types, takes."""
    match kind if isinstance(kind, shape.Type) else shape.type_info(kind):
        case shape.Metadata(type=inner):
            return _allowed(inner)
        case shape.StructType(cls=struct):
            return _NOTATIONS[struct]
        case shape.LiteralType(values=values):
            return " or ".join(str(value) for value in values)
        case shape.UnionType(types=types):
            return " or ".join(_allowed(t) for t in types if not isinstance(t, shape.NoneType))
        case shape.IntType() | shape.FloatType() as number:
            limits = {"above": number.gt, "at least": number.ge, "at most": number.le}
            words = ["a whole number" if isinstance(number, shape.IntType) else "a number"]
            words += [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
            return ", ".join(words)
        case shape.VarTupleType():
            return "a list of texts, separated by commas outside TOML"
    return "text"
