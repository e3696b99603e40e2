"""Who this server is in a fleet: an id that outlives it, and what tells it from any other."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from hokm.store.embedded import StateDir, StateDirError

_FILE: Final = "instance.json"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_HOST_CHARACTERS: Final = 40  # of the host's name in an id


class Identity(Struct, frozen=True):
    """An instance's identity.

    Attributes:
        id: Names it to people and to the other instances.
        holder: Of its lease: the same for each server on one state directory, which only one can
            lock, since one boot of the machine; a copy of the directory elsewhere has another.
    """

    id: str
    holder: str


class _Kept(Struct, frozen=True):
    id: str
    secret: str


def identify(state: StateDir, wanted: str | None) -> Identity:
    """Find out who this server is; what is made up is kept in the state directory.

    Args:
        wanted: The id, as the settings have it; None: the one of the directory.

    Raises:
        StateDirError: The directory's file cannot be read or written.
    """
    path = state.path / _FILE
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        kept = _Kept(_make_id(), secrets.token_hex(16))
        _write(path, kept)
    except (OSError, msgspec.DecodeError) as error:
        raise StateDirError(f"{path} cannot be read: {error}") from None
    return Identity(wanted or kept.id, f"{kept.secret}/{_boot_id()}")


def _make_id() -> str:
    host = re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname()).strip("-")[:_HOST_CHARACTERS]
    return f"{host or 'hokm'}-{secrets.token_hex(3)}"


def _write(path: Path, kept: _Kept) -> None:
    fresh = path.with_suffix(".new")
    try:
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.chmod(0o600)
        os.replace(fresh, path)  # noqa: PTH105 - the call that is known to be atomic
    except OSError as error:
        raise StateDirError(f"{path} cannot be written: {error.strerror}") from None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""  # another system than Linux; the state directory's lock is all there is
