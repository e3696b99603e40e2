"""Every message between the supervisor and a gate; rules as in `hokm.control.messages`.

A gate says hello, is ready, answers pings and stops with a worker's messages.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder

from hokm.control import messages as m


class Pem(Struct, frozen=True):
    """What TLS is ended with, as PEM.

    Attributes:
        certificate: Of this server, followed by those up to one that players' devices know.
        key: Its private key, without a passphrase.
    """

    certificate: bytes
    key: bytes


class _Message(Struct, frozen=True, tag=True, kw_only=True):
    """What all messages share: the type is told by the class's name."""


# --- supervisor -> gate ----------------------------------------------------------------------


class Begin(_Message, frozen=True):
    """What a gate needs to begin; its first message. With TLS, the socket that listens for it.

    Attributes:
        home: Where the public port of this instance is.
        secret: By which that knows its gates.
        pem: None where there is no TLS.
        log_format, log_level: As the settings have them.
    """

    home: tuple[str, int]
    secret: bytes
    pem: Pem | None
    log_format: str
    log_level: str
    protocol: int = m.PROTOCOL


class Renew(_Message, frozen=True):
    """Shake hands with this certificate from now on."""

    pem: Pem


class Relay(_Message, frozen=True):
    """Pass a connection on to another instance; with the socket, whose request nobody has read.

    Attributes:
        origin: Address that it comes from.
        to: Address and port of the instance.
        hops: How many instances have passed it on to here.
    """

    origin: str
    to: tuple[str, int]
    hops: int


class Retire(_Message, frozen=True):
    """Accept nothing more, and end when the last connection has gone."""


# --- gate -> supervisor ----------------------------------------------------------------------


class Load(_Message, frozen=True):
    """How many connections go through the gate, told now and then."""

    connections: int


ToGate: TypeAlias = Begin | Renew | Relay | Retire | m.Stop | m.Ping
FromGate: TypeAlias = m.Hello | m.Ready | m.Misconfigured | Load | m.Pong | m.Stopped

TO_GATE: Final[Decoder[ToGate]] = Decoder(ToGate)
FROM_GATE: Final[Decoder[FromGate]] = Decoder(FromGate)
