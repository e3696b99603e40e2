"""All settings as a list: what the option parser, the checks and the documents see."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec import inspect as shape

from hokm.config.settings import Endpoint, Settings, WebSettings, WorkerRange, WorkerSettings
from hokm.scaling import Scaling
from hokm.wire import TableOptions

SECTIONS: Final[Mapping[str, type[Struct]]] = {
    "": Settings,
    "worker": WorkerSettings,
    "web": WebSettings,
    "table": TableOptions,
    "scaling": Scaling,
}
TABLES: Final = frozenset({"scaling.rule"})  # lists of tables: in the file only, and read apart
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
    for section, struct in SECTIONS.items():
        hints = typing.get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            if (not section and field.name in SECTIONS) or f"{section}.{field.name}" in TABLES:
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


def _written(value: Any) -> str:
    match value:
        case None | msgspec.UNSET | msgspec.NODEFAULT:
            return ""
        case Endpoint(port=port, interface=interface):
            return f"tcp:{port}" + (f":interface={interface}" if interface else "")
        case tuple():
            return ",".join(value)
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
    return str(value)


def _allowed(kind: Any) -> str:
    """Say in words what values *kind*, an annotation or one of msgspec's types, takes."""
    match kind if isinstance(kind, shape.Type) else shape.type_info(kind):
        case shape.Metadata(extra_json_schema={"title": str(title)}):
            return title
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
        case shape.BoolType():
            return "true or false"
        case shape.VarTupleType():
            return "a list of texts, separated by commas outside TOML"
    return "text"
