"""The Dockerfile and the compose files by their schemas and by the tools that read them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.sandbox import ROOT

BIN = Path(sys.executable).parent
COMPOSED = ("docker-compose.scaling", "tls")
FILES = sorted((ROOT / "etc/compose").glob("docker-compose*.yml"))


def run(*command: str | Path, **environ: str) -> tuple[int, str]:
    """Run a command; returns its exit code and all that it wrote."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environ},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def docker_compose(*options: str | Path) -> tuple[int, str]:
    """Run the docker-compose that the package holds: its own wrapper exits with 0 always."""
    spec = find_spec("compose")
    assert spec is not None and spec.origin is not None
    return run(Path(spec.origin).with_name("docker-compose"), *options)


@pytest.mark.parametrize("file", ["Dockerfile", "tests/deployment/services/Dockerfile"])
def test_dockerfile(file: str, tmp_path: Path) -> None:
    """Hadolint has nothing to say; of a bad file it has."""
    assert run(BIN / "hadolint", ROOT / file) == (0, "")
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp\n")
    assert run(BIN / "hadolint", tmp_path / "Dockerfile")[0] != 0


def test_what_goes_into_the_image() -> None:
    """The build gets what the wheel is made of, and nothing else of the checkout."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    wanted = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in wanted)
    assert {"setup.cfg", "pyproject.toml", "hokm", "twisted", "scripts/building"} <= wanted


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_compose_files(file: Path, tmp_path: Path) -> None:
    """They fit the compose specification, and docker-compose reads them; a wrong one neither."""
    check = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert run(*check, file)[0] == 0
    code, said = docker_compose("-f", file, "config", "--quiet")
    assert (code, said) == (0, "")
    wrong = tmp_path / file.name
    wrong.write_text(file.read_text().replace("volumes:", "volumens:", 1))
    assert run(*check, wrong)[0] != 0
    assert docker_compose("-f", wrong, "config", "--quiet")[0] != 0


def test_tls() -> None:
    """The file that adds TLS fits the one that it is added to."""
    options = [f"--file={ROOT / 'etc/compose' / name}.yml" for name in COMPOSED]
    code, text = docker_compose(*options, "config")
    assert code == 0
    haproxy = yaml.safe_load(text)["services"]["haproxy"]
    assert {8765, 8766} <= {port["target"] for port in haproxy["ports"]}
    assert haproxy["environment"]["HOKM_PEM"] == "/run/secrets/hokm.pem"


def composed(file: Path) -> Any:
    code, text = docker_compose("-f", file, "config")
    assert code == 0
    return yaml.safe_load(text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_compose_files_name_is_there(file: Path) -> None:
    """Files that are mounted exist, networks and volumes are used, stopping gets its time."""
    whole = composed(file)
    services = whole["services"]
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    for mount in mounts:
        if mount["type"] == "bind":
            assert Path(mount["source"]).exists(), mount
    used = {mount["source"] for mount in mounts if mount["type"] == "volume"}
    assert used == set(whole.get("volumes", {}))
    networks = {name for service in services.values() for name in service["networks"]}
    assert networks == set(whole["networks"])
    for service in services.values():
        if service["image"].startswith("hokm"):
            assert service["stop_grace_period"] == "30s"  # stop_seconds is 10 by default
            assert service["read_only"] and service["cap_drop"] == ["ALL"]


def test_only_haproxy_and_the_operators_pages_are_reached_from_outside() -> None:
    """Of the servers' and the stores' ports none is published; operators' ones on loopback."""
    services = composed(ROOT / "etc/compose/docker-compose.scaling.yml")["services"]
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert (name, port["target"]) == ("haproxy", 8765) or port["host_ip"] == "127.0.0.1"
    assert "ports" not in services["hokm-server"] and "ports" not in services["redis-master"]
