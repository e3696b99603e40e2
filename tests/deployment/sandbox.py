"""Podman in namespaces of its own, so that nothing of it stays on the machine.

Three things are in the way of containers on a small virtual machine: limits that may not be raised
(no CAP_SYS_RESOURCE), control groups of both versions at once, which crun refuses, and what podman
leaves behind: rules for packets, files in /run, processes. So it has a network, mounts and
processes of its own; `Sandbox.run` enters them, and with their first process all of it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import missing

ROOT = Path(__file__).parents[2]
_UNSHARE = (
    *("unshare", "--net", "--pid", "--fork", "--kill-child"),
    *("--mount", "--mount-proc", "--propagation", "private"),
)
_FIRST = """\
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs "$1" && ip link set lo up || exit
echo ready
sleep infinity & wait
"""
_CONTAINERS = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:4096", "nproc=2048:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{folder}/networks"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


class Failed(AssertionError):
    """A command failed; the text is what it wrote."""


def need_containers() -> None:
    """Skip the test where containers cannot run."""
    remedy = "apt install buildah podman crun netavark aardvark-dns iptables"
    for program in ("buildah", "podman", "crun", "aardvark-dns", "iptables", "nsenter"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman") is None:
            missing(program, remedy)
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        missing("the right to make namespaces", "be root")


class Sandbox:
    """Images and containers of one test run.

    Attributes:
        folder: Where all is kept, in memory; inside only.
    """

    def __init__(self, folder: Path) -> None:
        """Make the namespaces; there are no images yet."""
        self.folder = folder
        self.environ = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
        }
        self._keeper = subprocess.Popen(
            [*_UNSHARE, "bash", "-c", _FIRST, "first", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self.environ,
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"ready\n"
        self._write("containers.conf", _CONTAINERS.format(folder=folder))
        self._write("storage.conf", _STORAGE.format(folder=folder))
        self._write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        self._write("pip.conf", "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")

    def _write(self, name: str, text: str) -> None:
        """Write a file into the folder, which is to be seen from inside only."""
        self.run("sh", "-c", 'printf %s "$1" >"$2"', "write", text, self.folder / name)

    def run(
        self, *command: str | Path, seconds: float = 60.0, environ: Mapping[str, str] | None = None
    ) -> str:
        """Run a command inside; returns what it wrote to stdout.

        Raises:
            Failed: Its exit code is not 0.
        """
        return _output(self.inside(*command), {**self.environ, **(environ or {})}, seconds)

    def inside(self, *command: str | Path, with_network: bool = True) -> list[str]:
        """Return the command line that runs a command inside.

        Args:
            with_network: Whether in the network of the sandbox, too; else in the machine's.
        """
        pid = self._keeper.pid
        processes = f"--pid=/proc/{pid}/ns/pid_for_children"
        network = ("--net",) if with_network else ()
        enter = ("nsenter", f"--target={pid}", *network, "--mount", processes, "--")
        return [*enter, *map(str, command)]

    def build(self, context: Path, tag: str, *options: str) -> None:
        """Build an image, with the machine's network and the certificates that it trusts."""
        bundle = os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
        mounts = {
            bundle: "/etc/ssl/certs/ca-certificates.crt",
            str(self.folder / "pip.conf"): "/etc/pip.conf",
        }
        command = [
            *("buildah", "bud", "--format", "docker", "--layers", "--isolation", "chroot"),
            *("--network", "host", "--signature-policy", str(self.folder / "policy.json")),
            *(f"--volume={here}:{there}:ro" for here, there in mounts.items()),
            *options,
            *("--tag", tag, str(context)),
        ]
        _output(self.inside(*command, with_network=False), self.environ, 600)

    def bring(self, tree: Path, tag: str) -> None:
        """Make an image of a directory tree."""
        pack = ["tar", "-C", str(tree), "--exclude=./var/cache/apt/archives", "-c", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
            subprocess.run(
                self.inside("podman", "import", "--quiet", "-", tag),
                stdin=tar.stdout,
                env=self.environ,
                check=True,
                capture_output=True,
                timeout=300,
            )
        assert tar.returncode == 0

    def inspect(self, name: str) -> Any:
        """Return what podman knows of a container or image."""
        return json.loads(self.run("podman", "inspect", name))[0]

    def leftovers(self) -> str:
        """Return the containers, volumes and networks there are; podman's own network is none."""
        return (
            self.run("podman", "ps", "--all", "--quiet")
            + self.run("podman", "volume", "ls", "--quiet")
            + self.run("podman", "network", "ls", "--quiet", "--filter", "name=hokm")
        )

    def close(self) -> None:
        """End all that runs; with it, all is gone."""
        self._keeper.kill()
        self._keeper.communicate()


def _output(command: Sequence[str], environ: Mapping[str, str], seconds: float) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
