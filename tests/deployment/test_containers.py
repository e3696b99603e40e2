"""The image and the compose files, built and run for real with buildah and podman."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.deployment.conftest import IMAGE, SERVICES
from tests.deployment.game import Game, until
from tests.deployment.sandbox import ROOT, Sandbox

pytestmark = pytest.mark.slow

TOKEN = "a token of the tests"
FILES = ("docker-compose.scaling", "tls")
TABLES = 24  # two servers share them by a hash of their codes: not all fall to one
WITHOUT_GRAFANA = ("haproxy", "prometheus", "redis-replica", "sentinel")  # and what they need


@pytest.fixture
def container(sandbox: Sandbox) -> Iterator[str]:
    """Give a running container, as read-only as an operator would have it."""
    name = "hokm"
    options = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=host"]
    options += ["--security-opt=no-new-privileges"]
    sandbox.run("podman", "run", "--detach", "--name", name, *options, IMAGE, "--workers", "1-2")
    yield name
    sandbox.run("podman", "rm", "--force", "--volumes", "--ignore", name)
    assert sandbox.leftovers() == ""


def is_healthy(sandbox: Sandbox, name: str) -> bool:
    """Run the image's own health check in a container."""
    check = sandbox.inspect(IMAGE)["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    sandbox.run("podman", "exec", name, *check[1:])
    return True


def test_the_image(sandbox: Sandbox, container: str) -> None:
    """It is healthy by its own check, not root, without a compiler; it knows its plugins."""
    until(lambda: is_healthy(sandbox, container))

    def inside(*command: str) -> str:
        return sandbox.run("podman", "exec", container, *command)

    config = sandbox.inspect(IMAGE)["Config"]
    assert config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM"
    assert inside("id", "-u") == "10001\n"
    assert inside("sh", "-c", "command -v cc gcc || true") == ""
    cache = inside("sh", "-c", "ls /opt/hokm/lib/python3*/site-packages/twisted/plugins")
    assert {"dropin.cache", "hokm_plugin.py"} <= set(cache.split())
    assert "1 wanted" in inside("hokmctl", "status")


def test_a_container_is_replaced_in_place_and_stopped(sandbox: Sandbox, container: str) -> None:
    """A match goes on through `upgrade` and `replace`; SIGTERM ends all in time; no zombies."""
    until(lambda: is_healthy(sandbox, container))
    game = Game(sandbox, "http://127.0.0.1:8765", 2)
    sandbox.run("podman", "exec", container, "hokmctl", "upgrade")
    sandbox.run("podman", "exec", container, "hokmctl", "replace")
    result = game.end()
    assert min(result["plays"]) > 0 and result["resumes"] == 0
    states = sandbox.run("podman", "exec", container, "sh", "-c", "cat /proc/[0-9]*/stat")
    assert ") Z " not in states  # the first process sees to its children's ends
    sandbox.run("podman", "stop", "--time", "20", container)
    state = sandbox.inspect(container)["State"]
    logs = sandbox.run("sh", "-c", f"podman logs {container} 2>&1")
    assert state["ExitCode"] == 0 and "stopped" in logs


@pytest.fixture
def compose(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Give podman-compose for the file of several servers; at the end nothing of it is left."""
    (tmp_path / "admin_token").write_text(TOKEN)
    authority = Authority(tmp_path)
    authority.write(tmp_path / "hokm.crt", tmp_path / "hokm.key")
    parts = [(tmp_path / name).read_text() for name in ("hokm.crt", "hokm.key")]
    (tmp_path / "hokm.pem").write_text("".join(parts))
    environ = {
        "HOKM_IMAGE": IMAGE,
        "HAPROXY_IMAGE": SERVICES,
        "PROMETHEUS_IMAGE": SERVICES,
        "REDIS_IMAGE": SERVICES,
        "HOKM_SECRETS": str(tmp_path),
        "HOKM_WORKERS": "1",
    }
    program = Path(sys.executable).with_name("podman-compose")
    files = (f"--file={ROOT / 'etc/compose' / name}.yml" for name in FILES)
    start = (program, *files)

    def run(*command: str) -> str:
        return sandbox.run(*start, *command, environ=environ, seconds=120)

    yield run
    # podman-compose ends as many servers as the file names; docker-compose does without this.
    sandbox.run("podman", "rm", "--force", "--ignore", "hokm-scaling_hokm-server_3")
    run("down", "--volumes", "--timeout", "2")
    assert sandbox.leftovers() == ""


def in_service(sandbox: Sandbox) -> int:
    """Return to how many servers HAProxy gives rooms: they are up, and by a check."""
    rows = sandbox.run("curl", "-s", "http://127.0.0.1:8404/stats;csv").splitlines()
    fields = (row.split(",") for row in rows)
    up = [f[1] for f in fields if f[0] == "hokm" and (f[17], f[36]) == ("UP", "L7OK")]
    return sum(re.fullmatch(r"i\d+", name) is not None for name in up)


def test_several_servers_behind_haproxy(sandbox: Sandbox, compose: Callable[..., str]) -> None:
    """Two servers over one Redis; one more comes and one ends while all tables are played at.

    Who sat at the one that ends finds his table again at another. Prometheus finds them all.
    """
    compose("up", "--detach", "--no-build", *WITHOUT_GRAFANA)
    until(lambda: in_service(sandbox) == 2)
    game = Game(sandbox, "http://127.0.0.1:8765", TABLES)
    compose(
        "up", "--detach", "--no-build", "--no-recreate", "--scale", "hokm-server=3", "hokm-server"
    )
    until(lambda: in_service(sandbox) == 3)
    servers = sandbox.run("podman", "ps", "--quiet", "--filter", "name=hokm-server").split()
    until(lambda: sum(players(sandbox, server) for server in servers) == TABLES * 4)
    until(lambda: scraped(sandbox) == ["haproxy", *["hokm-servers"] * 3])
    busiest = max(servers, key=lambda server: players(sandbox, server))
    ending = players(sandbox, busiest)
    assert ending < TABLES * 4  # some play elsewhere
    sandbox.run("podman", "stop", "--time", "20", busiest)
    until(lambda: in_service(sandbox) == 2)
    result = game.end()
    assert min(result["plays"]) > 0 and result["resumes"] >= ending > 0
    assert sandbox.inspect(busiest)["State"]["ExitCode"] == 0


def players(sandbox: Sandbox, server: str) -> int:
    """Return how many connections a server says it has, on its operators' port, with the token."""
    status = sandbox.run("podman", "exec", server, "hokmctl", "--json", "status")
    return int(json.loads(status)["connections"])


def scraped(sandbox: Sandbox) -> list[str]:
    """Return which jobs' targets Prometheus has read, one name for each."""
    answer = sandbox.run("curl", "-sf", "http://127.0.0.1:9090/api/v1/targets?state=active")
    targets = json.loads(answer)["data"]["activeTargets"]
    return sorted(target["labels"]["job"] for target in targets if target["health"] == "up")
