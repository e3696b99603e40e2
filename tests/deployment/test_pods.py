"""The pods of the Kubernetes manifests, run as the manifests say: commands, probes, ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.conftest import IMAGE, SERVICES
from tests.deployment.game import Game, until
from tests.deployment.pods import SERVICE, Cluster, Pod
from tests.deployment.sandbox import Sandbox
from tests.deployment.test_kubernetes import POD_NAME, SECRETS, of, one

TABLES = 4


@pytest.fixture
def cluster(sandbox: Sandbox, tmp_path: Path) -> Iterator[Cluster]:
    """Give the pods what they are given; at the end nothing is left of them."""
    cluster = Cluster(
        sandbox,
        tmp_path,
        images={"hokm": IMAGE, "redis:7.2": SERVICES},
        secrets=SECRETS,
        configs={d["metadata"]["name"]: d["data"] for d in of("ConfigMap")},
        named=[
            s["spec"]["selector"][POD_NAME]
            for s in of("Service")
            if POD_NAME in s["spec"]["selector"]
        ],
    )
    yield cluster
    cluster.close()
    assert sandbox.leftovers() == ""


@pytest.mark.slow
def test_the_pods_run(sandbox: Sandbox, cluster: Cluster) -> None:
    """Three of Redis and two of hokm get ready by their probes, and are played at.

    One of hokm is ended as the kubelet does it: its rooms go to the other. Then the node of Redis'
    master is lost: the Sentinels make another one master. Play goes on through both.
    """
    redis = [Pod(cluster, one("StatefulSet", "redis"), f"redis-{n}") for n in range(3)]
    until(lambda: all(pod.passes("readinessProbe") for pod in redis))
    servers = [Pod(cluster, one("Deployment", "hokm-server"), f"hokm-server-{n}") for n in "ab"]
    until(lambda: all(pod.passes("startupProbe") for pod in servers))
    until(lambda: all(pod.passes("readinessProbe") for pod in servers))
    until(lambda: all(pod.passes("livenessProbe") for pod in (*redis, *servers)))
    cluster.serve(servers, 8765)
    game = Game(sandbox, f"http://{SERVICE}:8765", TABLES)
    game.goes_on()
    until(lambda: sum(map(rooms, servers)) == TABLES)
    ending, staying = sorted(servers, key=rooms, reverse=True)
    cluster.serve([staying], 8765)
    assert ending.terminate() == [0]
    assert re.search(r"[1-9]\d* rooms were left to other instances", ending.log())
    game.goes_on()
    redis[0].kill()
    game.goes_on()
    until(lambda: staying.passes("livenessProbe"))
    assert min(game.end()["plays"]) > 0


def rooms(server: Pod) -> int:
    """Return how many rooms a server says it has."""
    return int(json.loads(server.ask("hokmctl", "--json", "status"))["rooms"])
