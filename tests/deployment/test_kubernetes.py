"""The Kubernetes manifests: strictly by schema, against each other and hokm, and their pods run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hokm import config
from hokm.metrics import Metrics
from tests.conftest import missing
from tests.deployment.sandbox import ROOT

FOLDER = ROOT / "etc/kubernetes"
VERSION = "1.33"
POD_NAME = "statefulset.kubernetes.io/pod-name"
SECRETS = {"redis-password": "5b1e7d0c9f", "admin-token": "a token of the tests"}


def documents(folder: Path = FOLDER) -> list[dict[str, Any]]:
    files = sorted(f for f in folder.glob("*.yml") if f.stem not in ("prometheus-adapter",))
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


MANIFESTS = [d for d in documents() if d["kind"] != "Kustomization"]
WORKLOADS = [d for d in MANIFESTS if d["kind"] in ("Deployment", "StatefulSet")]


def named(document: Mapping[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def one(kind: str, name: str) -> Any:
    [found] = [d for d in MANIFESTS if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def of(kind: str) -> list[dict[str, Any]]:
    return [d for d in MANIFESTS if d["kind"] == kind]


def selected(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the workloads whose pods have these labels."""
    if POD_NAME in labels:  # which the StatefulSet gives to each
        name, _, number = labels[POD_NAME].rpartition("-")
        workload = one("StatefulSet", name)
        assert int(number) < workload["spec"]["replicas"]
        return [workload]
    return [
        workload
        for workload in WORKLOADS
        if labels.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    ]


def ports(workload: Mapping[str, Any]) -> dict[str, int]:
    containers = workload["spec"]["template"]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for c in containers for port in c["ports"]}


@pytest.mark.parametrize(
    "document", MANIFESTS, ids=lambda d: f"{d['kind']}/{d['metadata']['name']}"
)
def test_schema(document: dict[str, Any]) -> None:
    """Each manifest is valid, with no field that Kubernetes does not know, in our namespace."""
    kubernetes_validate.validate(document, VERSION, strict=True)
    if document["kind"] != "Namespace":
        assert document["metadata"]["namespace"] == "hokm-game"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**document, "sepc": {}}, VERSION, strict=True)


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "monitoring"], ids=lambda f: f.name)
def test_kustomization(folder: Path) -> None:
    """`kubectl apply -k` takes every file there is, with the image of the registry."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        missing("kubectl", "see kubernetes.io, or apt install kubernetes-client")
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60, check=True
    )
    made = {(d["kind"], d["metadata"]["name"]) for d in yaml.safe_load_all(done.stdout)}
    ours = [d for d in documents(folder) if d["kind"] != "Kustomization"]
    assert made == {(d["kind"], d["metadata"]["name"]) for d in ours}
    if folder == FOLDER:
        assert re.search(r"image: registry\.example\.org/hokm:\d", done.stdout)


def test_selectors() -> None:
    """Whatever selects pods, selects those of one workload."""
    for workload in WORKLOADS:
        assert selected(workload["spec"]["selector"]["matchLabels"]) == [workload]
    for service in of("Service"):
        [workload] = selected(service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            assert ports(workload)[port["targetPort"]] == port["port"]
    for budget in of("PodDisruptionBudget"):
        assert len(selected(budget["spec"]["selector"]["matchLabels"])) == 1
    assert one("StatefulSet", "redis")["spec"]["serviceName"] == "redis"


def test_network_policies() -> None:
    """Each workload has one, and what one may send the other takes."""
    for workload in WORKLOADS:
        [policy] = [p for p in of("NetworkPolicy") if _policed(p) == workload]
        taken = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert taken == set(ports(workload))
        for rule in policy["spec"]["egress"]:
            for target in rule["to"]:
                if "namespaceSelector" in target:
                    continue  # DNS
                [other] = selected(target["podSelector"]["matchLabels"])
                assert {p["port"] for p in rule["ports"]} <= set(ports(other).values())


def _policed(policy: Mapping[str, Any]) -> Any:
    [workload] = selected(policy["spec"]["podSelector"]["matchLabels"])
    return workload


def test_ingress() -> None:
    """Both lead to the players' port by name; that of the WebSocket hashes the room's code."""
    for ingress in of("Ingress"):
        [rule] = ingress["spec"]["rules"]
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
        [path] = rule["http"]["paths"]
        service = path["backend"]["service"]
        names = {p["name"] for p in one("Service", service["name"])["spec"]["ports"]}
        assert service["port"]["name"] == "players" and "players" in names
    notes = one("Ingress", "hokm-rooms")["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/upstream-hash-by"] == "$arg_room_code"
    [server] = one("Deployment", "hokm-server")["spec"]["template"]["spec"]["containers"]
    urls = [v["value"] for v in server["env"] if v["name"] == "HOKM_PUBLIC_URL"]
    assert urls == [f"https://{rule['host']}"]


def test_the_settings_are_hokms() -> None:
    """The container's variables are settings, right ones, and its ports the ones it listens on."""
    workload = one("Deployment", "hokm-server")
    [server] = workload["spec"]["template"]["spec"]["containers"]
    names = {v["name"] for v in server["env"]} - {"REDIS_PASSWORD"}
    assert names <= {setting.variable for setting in config.all_settings()}
    environ = {v["name"]: v.get("value", "a text of at least sixteen") for v in server["env"]}
    environ["HOKM_INSTANCE_ID"] = "hokm-server-5d4f8c7b9-x2x7q"
    settings = config.load({}, environ, lambda path: b"", 8)
    found = ports(workload)
    assert found == {"players": settings.listen.port, "operators": settings.admin.port}
    assert settings.admin.interface == ""
    assert str(settings.workers.min) == server["resources"]["requests"]["cpu"]


def test_an_end_gets_its_time() -> None:
    """The pod is killed later than preStop and hokm's own end together can take."""
    spec = one("Deployment", "hokm-server")["spec"]["template"]["spec"]
    [server] = spec["containers"]
    command = server["lifecycle"]["preStop"]["exec"]["command"][-1]
    [leave] = re.findall(r"--timeout (\d+)", command)
    [sleep] = re.findall(r"sleep (\d+)", command)
    stop = config.load({}, {}, lambda path: b"", 1).stop_seconds
    assert spec["terminationGracePeriodSeconds"] >= int(leave) + int(sleep) + stop + 10


def test_what_the_autoscaler_goes_by() -> None:
    """Its target is there; each metric is hokm's, or made of one by the adapter."""
    spec = one("HorizontalPodAutoscaler", "hokm-server-hpa")["spec"]
    target = spec["scaleTargetRef"]
    assert one(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 20)
    shown = Metrics().render().decode()
    adapter = yaml.safe_load((FOLDER / "monitoring/prometheus-adapter.yml").read_text())
    made = set()
    for rule in adapter["rules"]["custom"]:
        pattern = re.search(r'__name__=~?"\^?(.+?)\$?"', rule["seriesQuery"])
        assert pattern is not None
        series = re.findall(rf"^# TYPE ({pattern[1]}) ", shown, re.MULTILINE)
        names = [found if isinstance(found, str) else found[0] for found in series]
        assert names
        made |= {rule["name"]["as"]} if "name" in rule else set(names)
    asked = {m["pods"]["metric"]["name"] for m in spec["metrics"] if m["type"] == "Pods"}
    assert asked == made


def test_pods_are_locked() -> None:
    """They keep to the restricted Pod Security Standard, which the namespace enforces."""
    labels = one("Namespace", "hokm-game")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in WORKLOADS:
        spec = workload["spec"]["template"]["spec"]
        whole = spec["securityContext"]
        assert whole["runAsNonRoot"] and whole["runAsUser"] > 0
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = {v["name"] for v in spec["volumes"]}
        volumes |= {c["metadata"]["name"] for c in workload["spec"].get("volumeClaimTemplates", ())}
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["capabilities"] == {"drop": ["ALL"]} and own["readOnlyRootFilesystem"]
            assert own["allowPrivilegeEscalation"] is False
            assert {m["name"] for m in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"]["memory"]


def test_secrets() -> None:
    """The keys that pods ask for are those that the documents have one make."""
    text = (ROOT / "docs/operations/kubernetes.md").read_text()
    asked = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for workload in WORKLOADS
        for container in workload["spec"]["template"]["spec"]["containers"]
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    assert asked == set(SECRETS) == set(re.findall(r"--from-literal=([\w-]+)=", text))


def test_the_operators_rules() -> None:
    """The PrometheusRule holds the rules that Prometheus itself was tested with."""
    [rule] = [d for d in documents(FOLDER / "monitoring") if d["kind"] == "PrometheusRule"]
    tested = yaml.safe_load((ROOT / "etc/prometheus/rules/hokm.yml").read_text())
    assert rule["spec"] == tested and len(tested["groups"]) > 1


def test_prometheus_finds_the_pods() -> None:
    """The ServiceMonitor names a port of the service, and the job by which the alerts go."""
    [monitor] = [d for d in documents(FOLDER / "monitoring") if d["kind"] == "ServiceMonitor"]
    service = one("Service", "hokm-server")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["authorization"]["credentials"] == {
        "name": "hokm-secrets",
        "key": "admin-token",
    }
    assert {"targetLabel": "job", "replacement": "hokm-servers"} in endpoint["relabelings"]
