"""The protocol's documents, from `hokm.wire`: JSON schemas, an AsyncAPI document, tables."""

from __future__ import annotations

import inspect
import typing
from typing import Any, Final

import msgspec

from hokm import wire

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
# What is not told by the name alone; the codes themselves stand in hokm.wire.
CLOSE_CODES: Final = {
    "LEFT": "You left, or the table is gone.",
    "NOT_TEXT": "A message was binary.",
    "POLICY": "Refused: no `join` in time, no such room, too fast, too many wrong joins, or "
    "the host emptied your seat.",
    "TOO_BIG": f"A message was longer than {wire.MAX_MESSAGE_BYTES} bytes.",
    "FAILED": "A fault of the server. Connect again and resume by token.",
    "RESUME": "Connect again, now or a little later, and resume by token.",
    "TAKEN_OVER": "A newer connection has taken your seat. Do not connect again by yourself.",
    "TOO_SLOW": "You read too slowly. Connect again and resume by token.",
}
HTTP: Final = (
    wire.CreateRoom,
    wire.RoomCreated,
    wire.PublicTables,
    wire.History,
    wire.Visit,
)


def commands() -> tuple[type, ...]:
    """Return the classes of all client messages."""
    return typing.get_args(wire.Command)


def messages() -> tuple[type, ...]:
    """Return the classes of all server messages."""
    return typing.get_args(wire.Message)


def schema_of(classes: tuple[type, ...], title: str) -> dict[str, Any]:
    """Return one JSON schema that fits whatever one of *classes* fits."""
    refs, definitions = msgspec.json.schema_components(classes, ref_template="#/$defs/{name}")
    return {"$schema": DRAFT, "title": title, "oneOf": list(refs), "$defs": _sorted(definitions)}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas by file name."""
    return {
        "client.json": schema_of(commands(), "What a client sends"),
        "server.json": schema_of(messages(), "What the server sends"),
        **{
            f"{_file(cls)}.json": schema_of((cls,), inspect.getdoc(cls) or cls.__name__)
            for cls in HTTP
        },
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of the WebSocket."""
    every = (*commands(), *messages())
    refs, definitions = msgspec.json.schema_components(
        every, ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hokm",
            "version": wire.SUBPROTOCOL.partition(".v")[2],
            "description": "The Hokm card game over one WebSocket per player. JSON text frames.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "localhost:8765", "protocol": "ws"}},
        "channels": {
            "room": {
                "address": "/ws",
                "description": "One room; the query names it. Subprotocol "
                f"`{wire.SUBPROTOCOL}` (optional).",
                "bindings": {"ws": {"method": "GET", "query": _query()}},
                "messages": {
                    tag_of(cls): {"$ref": f"#/components/messages/{tag_of(cls)}"} for cls in every
                },
            }
        },
        "operations": {
            "command": _operation("receive", "The server takes a command.", commands()),
            "message": _operation("send", "The server answers and tells.", messages()),
        },
        "components": {
            "messages": {
                tag_of(cls): {
                    "name": tag_of(cls),
                    "summary": (inspect.getdoc(cls) or "").partition("\n")[0],
                    "payload": ref,
                }
                for cls, ref in zip(every, refs, strict=True)
            },
            "schemas": _sorted(definitions),
        },
    }


def tables() -> str:
    """Return the tables of docs/protocol/messages.md."""
    parts = [
        "# Messages",
        "Made from `hokm/wire/` by `scripts/docs`. How they play together: [README.md](README.md).",
        "## From the client",
        *(_section(cls) for cls in commands()),
        "## From the server",
        *(_section(cls) for cls in messages()),
        "## Parts of messages",
        *(_section(cls) for cls in _parts()),
        "## Error codes",
        _rows(
            ("code", "message"),
            [(f"`{code}`", text) for code, text in sorted(wire.ERRORS.items())],
        ),
        "## Close codes",
        _rows(
            ("code", "meaning"),
            [(f"`{getattr(wire, name)}`", text) for name, text in CLOSE_CODES.items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def tag_of(cls: type) -> str:
    """Return the `type` of a message class."""
    return str(cls.__struct_config__.tag)  # type: ignore[attr-defined] # all are msgspec structs


def _query() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["room_code"],
        "properties": {
            "room_code": {"type": "string", "pattern": f"^[{wire.CODE_ALPHABET}]{{4,16}}$"}
        },
    }


def _operation(action: str, summary: str, classes: tuple[type, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/room"},
        "messages": [{"$ref": f"#/channels/room/messages/{tag_of(cls)}"} for cls in classes],
    }


def _parts() -> list[type]:
    return [
        wire.State,
        wire.TableOptions,
        wire.SeatState,
        wire.TrickState,
        wire.TurnState,
        wire.HandResult,
        wire.Proof,
    ]


def _section(cls: type) -> str:
    (_, definitions) = msgspec.json.schema_components((cls,), ref_template="{name}")
    schema = definitions[cls.__name__]
    name = schema["properties"].get("type", {}).get("enum", [cls.__name__])[0]
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", _kind(kind), "" if field in required else _default(kind))
        for field, kind in schema["properties"].items()
        if field != "type"
    ]
    table = _rows(("field", "value", "if left out"), rows) if rows else "No fields."
    return f"### {name}\n\n{_prose(cls)}\n\n{table}"


def _prose(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\nAttributes:")[0].strip()


def _default(schema: dict[str, Any]) -> str:
    return f"`{msgspec.json.encode(schema.get('default')).decode()}`"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"[{schema['$ref']}](#{schema['$ref'].lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "prefixItems" in schema:
        return "[" + ", ".join(_kind(each) for each in schema["prefixItems"]) + "]"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    text = {"integer": "whole number", "string": "text"}.get(schema["type"], schema["type"])
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is not None and high is not None:
        text += f", {low} to {high}" + (" long" if "maxLength" in schema else "")
    elif low is not None:
        text += f", from {low}"
    if "description" in schema:
        text += f" ({schema['description']})"
    return text


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _file(cls: type) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in cls.__name__).lstrip("_")


def _sorted(definitions: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(definitions.items()))
