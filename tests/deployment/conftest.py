"""What the tests of containers share: images, made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.debian import base
from tests.deployment.sandbox import ROOT, Sandbox, need_containers

IMAGE = "localhost/hokm:test"
SERVICES = "localhost/services:test"  # HAProxy, Prometheus, Redis
_BASE = "localhost/debian:test"
_PLAIN = "--build-arg=HOKM_COMPILE=never"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Give a sandbox with the images; at the end nothing is left of it."""
    need_containers()
    tree = base()
    # Not under pytest's own directory: sockets of podman have long names.
    with tempfile.TemporaryDirectory(prefix="hokm-") as folder:
        sandbox = Sandbox(Path(folder))
        try:
            sandbox.bring(tree, _BASE)
            option = f"--build-arg=BASE={_BASE}"
            contexts = {IMAGE: ROOT, SERVICES: ROOT / "tests/deployment/services"}
            with ThreadPoolExecutor() as pool:  # each waits for downloads
                list(
                    pool.map(
                        lambda tag: sandbox.build(contexts[tag], tag, option, _PLAIN), contexts
                    )
                )
            yield sandbox
        finally:
            sandbox.close()
