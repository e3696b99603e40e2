"""What every message of a player takes: in C (quick.c) where hokm is compiled, else in Python."""

try:
    from hokm.connection._quick import read_text, send_some
except ImportError:
    from hokm.connection.frames import read_text
    from hokm.transports import send_some

__all__ = ["read_text", "send_some"]
