"""Which answers of a server mean that it cannot serve now; the texts are those of real ones."""

from __future__ import annotations

import pytest

from hokm.store.redis import is_demoted, is_passing

SCRIPT = "f_0a9f75e991483d02789696e4c90d26c10395863e"
IN_REDIS_6 = f"ERR Error running script (call to {SCRIPT}): @user_script:1: @user_script: 1: "
IN_REDIS_7 = " script: 0a9f75e991483d02789696e4c90d26c10395863e, on @user_script:1."


@pytest.mark.parametrize(
    "error",
    [
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
    ],
)
def test_a_server_that_cannot_serve_now(error: str) -> None:
    """Outside a script, in one of Redis 7 or Valkey, and in one of Redis 6."""
    for text in (error, error + IN_REDIS_7, IN_REDIS_6 + "-" + error):
        assert is_passing(text)
        assert not is_demoted(text)


@pytest.mark.parametrize(
    "error",
    [
        "READONLY You can't write against a read only replica.",
        IN_REDIS_6 + "-READONLY You can't write against a read only replica. ",
        "UNBLOCKED force unblock from blocking operation, instance state changed"
        " (master -> replica?)",
    ],
)
def test_a_master_that_is_a_replica_now(error: str) -> None:
    """A write, or a WAIT, says so."""
    assert is_passing(error)
    assert is_demoted(error)


@pytest.mark.parametrize(
    "error",
    [
        "ERR unknown command 'WAIT'",
        "NOSCRIPT No matching script. Please use EVAL.",
        IN_REDIS_6 + "Wrong number of args calling Redis command From Lua script",
    ],
)
def test_errors_that_stay(error: str) -> None:
    """What another try would not mend is none of those."""
    assert not is_passing(error)
    assert not is_demoted(error)
