"""What a connection is made of, beside its socket: enough for another process to go on with it."""

from __future__ import annotations

from msgspec import Struct


class Record(Struct, frozen=True, kw_only=True):
    """A frozen connection. Fields are only ever added, with a default: releases exchange these.

    Attributes:
        head: The request head, as far as it was read.
        answer: What it was answered, as far as it binds both sides; empty while it was not.
        unread: What was read since the last whole message.
        unsent: What was handed to the transport and not to the kernel.
        silent_s: Seconds since anything was heard of the peer.
        stuck_s: Seconds for which bytes have waited for a peer that does not read.
    """

    head: bytes
    answer: bytes
    unread: bytes = b""
    unsent: bytes = b""
    silent_s: float = 0.0
    stuck_s: float = 0.0


class Unrestorable(Exception):
    """A connection cannot be gone on with here: this release would have answered it otherwise.

    The caller lets go of it; its last owner keeps it, or its player resumes by token.
    """
