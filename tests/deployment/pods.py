"""Pods as a manifest has them, run by podman: their commands, environment, probes and ends.

Not a cluster: who restarts a pod, scales, routes or renews a certificate is not here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.deployment.sandbox import Failed, Sandbox

NETWORK = "hokm-cluster"
_SUBNET = "10.89.77"
SERVICE = "10.96.0.10"  # the address of the players' service


class Pod:
    """A pod of a workload, with its containers in one network namespace.

    Attributes:
        name: As ``redis-0``.
    """

    def __init__(
        self,
        cluster: Cluster,
        workload: Mapping[str, Any],
        name: str,
    ) -> None:
        """Start it."""
        cluster.pods.append(self)
        self.name = name
        self._cluster = cluster
        self._sandbox = cluster.sandbox
        self._spec = workload["spec"]["template"]["spec"]
        self._folder = cluster.folder / name
        for number, container in enumerate(self._spec["containers"]):
            network = (
                [f"--network=container:{name}-{self._spec['containers'][0]['name']}"]
                if number
                else [f"--network={NETWORK}", *cluster.addresses(name)]
            )
            self._sandbox.run(
                *("podman", "run", "--detach", f"--name={name}-{container['name']}"),
                *network,
                *self._options(container),
                *self._entrypoint(container),
                cluster.images[container["image"]],
                *container.get("command", ())[1:],
                *container.get("args", ()),
            )

    def _options(self, container: Mapping[str, Any]) -> list[str]:
        whole, own = self._spec["securityContext"], container["securityContext"]
        options = [f"--user={whole['runAsUser']}:{whole['runAsGroup']}"]
        options += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
        if own["readOnlyRootFilesystem"]:
            options += ["--read-only", "--read-only-tmpfs=false"]
        if not own["allowPrivilegeEscalation"]:
            options += ["--security-opt=no-new-privileges"]
        options += [f"--env={name}={value}" for name, value in self.environ(container).items()]
        for mount in container["volumeMounts"]:
            options.append(f"--volume={self._volume(mount['name'])}:{mount['mountPath']}")
        return options

    def _entrypoint(self, container: Mapping[str, Any]) -> list[str]:
        return [f"--entrypoint={container['command'][0]}"] if "command" in container else []

    def environ(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return a container's environment; one variable may name those before it."""
        found: dict[str, str] = {}
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                value = self._cluster.secrets[source["secretKeyRef"]["key"]]
            elif "fieldRef" in source:
                assert source["fieldRef"] == {"fieldPath": "metadata.name"}
                value = self.name
            else:
                value = re.sub(r"\$\((\w+)\)", lambda m: found[m[1]], variable["value"])
            found[variable["name"]] = value
        return found

    def _volume(self, name: str) -> Path:
        """Make a volume, with its files; it belongs to the pod's group."""
        path = self._folder / name
        if not path.exists():
            path.mkdir(parents=True)
            for volume in self._spec["volumes"]:
                if volume["name"] == name and "configMap" in volume:
                    for file, text in self._cluster.configs[volume["configMap"]["name"]].items():
                        (path / file).write_text(text)
            os.chown(path, 0, self._spec["securityContext"]["fsGroup"])
            path.chmod(0o2775)
        return path

    def address(self) -> str:
        """Return its address."""
        first = self._spec["containers"][0]["name"]
        networks = self._sandbox.inspect(f"{self.name}-{first}")["NetworkSettings"]["Networks"]
        return str(networks[NETWORK]["IPAddress"])

    def passes(self, probe: str) -> bool:
        """Run a probe, as ``readinessProbe``, of all its containers that have one."""
        return all(
            self._passes(container, container[probe])
            for container in self._spec["containers"]
            if probe in container
        )

    def _passes(self, container: Mapping[str, Any], probe: Mapping[str, Any]) -> bool:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        seconds = str(probe.get("timeoutSeconds", 1))
        try:
            if "exec" in probe:
                self._exec(container, probe["exec"]["command"])
            elif "httpGet" in probe:
                where = f"{self.address()}:{ports[probe['httpGet']['port']]}"
                url = f"http://{where}{probe['httpGet']['path']}"
                self._sandbox.run("curl", "-sf", "-m", seconds, "-o", "/dev/null", url)
            else:
                port = ports[probe["tcpSocket"]["port"]]
                connect = f"exec 3<>/dev/tcp/{self.address()}/{port}"
                self._sandbox.run("timeout", seconds, "bash", "-c", connect)
        except Failed:
            return False
        return True

    def _exec(self, container: Mapping[str, Any], command: list[str], seconds: float = 60) -> None:
        name = f"{self.name}-{container['name']}"
        self._sandbox.run("podman", "exec", name, *command, seconds=seconds)

    def ask(self, *command: str) -> str:
        """Run a command in its first container; returns what it wrote."""
        name = f"{self.name}-{self._spec['containers'][0]['name']}"
        return self._sandbox.run("podman", "exec", name, *command)

    def log(self) -> str:
        """Return what its first container wrote."""
        name = f"{self.name}-{self._spec['containers'][0]['name']}"
        return self._sandbox.run("sh", "-c", f"podman logs {name} 2>&1")

    def terminate(self) -> list[int]:
        """End it as the kubelet does; returns the exit codes of its containers."""
        grace = self._spec["terminationGracePeriodSeconds"]
        codes = []
        for container in self._spec["containers"]:
            before = container.get("lifecycle", {}).get("preStop")
            if before:
                self._exec(container, before["exec"]["command"], seconds=grace)
            name = f"{self.name}-{container['name']}"
            self._sandbox.run("podman", "stop", "--time", str(grace), name, seconds=grace + 10)
            codes.append(self._sandbox.inspect(name)["State"]["ExitCode"])
        return codes

    def kill(self) -> None:
        """Kill it, as when its node is gone."""
        for container in reversed(self._spec["containers"]):
            self._sandbox.run(
                "podman", "rm", "--force", "--time=0", f"{self.name}-{container['name']}"
            )


class Cluster:
    """What pods are given.

    Attributes:
        images: The image that runs, by the manifest's.
        configs: Files of the ConfigMaps, by name.
        pods: All that were started.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        *,
        images: Mapping[str, str],
        secrets: Mapping[str, str],
        configs: Mapping[str, Mapping[str, str]],
        named: Sequence[str],
    ) -> None:
        """Make the network.

        Args:
            named: Pods with a service of their own: their names and addresses stay.
        """
        self.sandbox = sandbox
        self.folder = folder
        self.images = images
        self.secrets = secrets
        self.configs = configs
        self.pods: list[Pod] = []
        self._named = {name: f"{_SUBNET}.{10 + number}" for number, name in enumerate(named)}
        sandbox.run("podman", "network", "create", f"--subnet={_SUBNET}.0/24", NETWORK)

    def addresses(self, pod: str) -> list[str]:
        """Return podman's options for a pod's address, and for those that it knows by name."""
        own = [f"--ip={self._named[pod]}"] if pod in self._named else []
        return [*own, *(f"--add-host={name}:{where}" for name, where in self._named.items())]

    def serve(self, pods: Sequence[Pod], port: int) -> None:
        """Have the service lead to these pods, to any of them by chance, as kube-proxy does."""
        script = "iptables -t nat -F OUTPUT"
        for number, pod in enumerate(pods):
            part = 1 / (len(pods) - number)
            script += (
                f" && iptables -t nat -A OUTPUT -d {SERVICE} -p tcp --dport {port}"
                f" -m statistic --mode random --probability {part}"
                f" -j DNAT --to-destination {pod.address()}:{port}"
            )
        self.sandbox.run("sh", "-c", f"ip route replace {SERVICE} dev lo && {script}")

    def close(self) -> None:
        """End all pods."""
        for pod in self.pods:
            pod.kill()
        self.sandbox.run("podman", "network", "rm", NETWORK)
