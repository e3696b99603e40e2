"""Where settings are read from, and how they are checked."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

import msgspec

from hokm.config.catalogue import SECTIONS, TABLES, Setting, all_settings
from hokm.config.settings import (
    BadSetting,
    Endpoint,
    Settings,
    WorkerRange,
    check_address,
    check_instance_id,
)
from hokm.scaling import BadRule, Scaling, check, read_rules
from hokm.wire import TableOptions

_TOKEN_CHARACTERS: Final = 16


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
        cpus: The most workers of ``workers = auto``.

    Raises:
        BadSetting: Something cannot be used; see there.
    """
    path = options.get("config") or environ.get("HOKM_CONFIG") or None
    written = _flat(_read_toml(path, read_file), path) if path else {}
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for setting in all_settings():
        section, _, name = setting.key.rpartition(".")
        for source, value in _places(setting, options, environ, written, path):
            values[section][name] = _checked(setting, source, value, cpus)
            break
    top = values.pop("")
    top.setdefault("workers", WorkerRange.parse("auto", cpus=cpus))
    top["table"] = _table(values.pop("table"))
    top["scaling"] = _scaling(values.pop("scaling"), top["workers"], written, path)
    top["workers"] = _within(top["scaling"], top["workers"].first)
    for section, found in values.items():
        top[section] = SECTIONS[section](**found)
    if (top.get("tls_certificate") is None) != (top.get("tls_key") is None):
        raise BadSetting("tls_certificate and tls_key must be given together")
    settings = Settings(**top)
    _check_store(settings)
    return _with_token(settings, read_file)


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
        if setting.key == "instance_id":
            check_instance_id(found)
        if setting.key == "advertise":
            check_address(found)
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


def _scaling(
    values: dict[str, Any], workers: WorkerRange, written: Mapping[str, Any], path: str | None
) -> Scaling:
    """Put the rules of the file over the default ones, and see whether all goes together."""
    values = {"min_workers": workers.min, "max_workers": workers.max} | values
    try:
        if "scaling.rule" in written:
            values["rule"] = read_rules(written["scaling.rule"])
        scaling = Scaling(**values)
        check(scaling)
    except BadRule as error:
        source = path or "section [scaling] or variables HOKM_SCALING_"
        raise BadSetting(f"{error} ({source})") from None
    return scaling


def _check_store(settings: Settings) -> None:
    """Refuse what the store in use cannot do."""
    if settings.redis is None and settings.durability == "replicated":
        raise BadSetting("durability replicated needs redis: hokm's own store has no replica")
    if settings.redis is not None and settings.fsync == "always":
        raise BadSetting("fsync is for hokm's own store: with redis, set appendfsync there")


def _within(scaling: Scaling, first: int) -> WorkerRange:
    """Return the bounds that hold, with as many workers to begin with as they allow."""
    low, high = scaling.min_workers, scaling.max_workers
    return WorkerRange(low, high, min(max(low, first), high))


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
    known = {setting.key for setting in all_settings()} | TABLES
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if name in SECTIONS and not isinstance(value, dict):
            raise BadSetting(f"{name} must be a section, [{name}] ({path}, key {name})")
        is_section = isinstance(value, dict) and (name in SECTIONS or name not in known)
        flat |= {f"{name}.{k}": v for k, v in value.items()} if is_section else {name: value}
    for key in flat:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise BadSetting(f"{key} is no setting; the nearest is {near} ({path}, key {key})")
    return flat
