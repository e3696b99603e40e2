"""A Debian system as a directory: for tests that boot it, and for a container image's base.

The bare one is made once by mmdebstrap (25 s, 250 MB), of the release and from the mirror that this
machine itself uses, and kept in the user's cache until the recipe changes. In a copy of it hokm is
installed by scripts/install_service, as on a VM without a network.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parents[1]
PACKAGES = ("systemd-sysv", "python3-venv")  # with all that they need, and no more
# What hokm's needs ask for where Python is older than here: pip goes by its own Python.
OLDER = ("async-timeout>=4.0.3",)
MAKE_SECONDS = 600.0
INSTALL_SECONDS = 180.0


def base() -> Path:
    """Return the bare system; nobody may change it.

    The test is skipped where it cannot be had: see `tests.conftest.missing`.
    """
    if os.geteuid() != 0:
        missing("root", "run the tests as root")
    for program in ("mmdebstrap", "systemd-nspawn"):
        if shutil.which(program) is None:
            missing(program, "apt install mmdebstrap systemd-container")
    suite, mirror = _source()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hokm"
    tree, recipe = cache / "debian", cache / "debian.recipe"
    wanted = f"{suite} {mirror} {' '.join(PACKAGES)}\n"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not recipe.exists() or recipe.read_text() != wanted:
            recipe.unlink(missing_ok=True)
            shutil.rmtree(tree, ignore_errors=True)
            _make(tree, suite, mirror)
            recipe.write_text(wanted)
    return tree


def wheels(directory: Path) -> Path:
    """Put hokm, from this checkout and not compiled, and all it needs into a directory.

    They fit the Python of `base`, whichever runs the tests. Returns hokm's wheel.
    """
    directory.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    _run(
        [*pip, "wheel", "--no-deps", "-w", directory, ROOT],
        env={**os.environ, "HOKM_COMPILE": "never"},
        timeout=INSTALL_SECONDS,
    )
    [wheel] = directory.glob("hokm-*.whl")
    [python] = (base() / "usr/lib").glob("python3.*")
    which = ["--only-binary=:all:", "--python-version", python.name.removeprefix("python")]
    _run(
        [*pip, "download", *which, "-c", ROOT / "constraints.txt", "-d", directory, wheel, *OLDER],
        timeout=INSTALL_SECONDS,
    )
    return wheel


def with_hokm(tree: Path) -> Path:
    """Make a copy of the bare system with hokm installed as a service; returns *tree*.

    It also has the checkout's scripts and files of deployment as /root/hokm, with all wheels.
    """
    _run(["cp", "-a", "--reflink=auto", base(), tree], timeout=MAKE_SECONDS)
    there = tree / "root/hokm"
    for part in ("etc", "scripts"):
        shutil.copytree(ROOT / part, there / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", there)
    wheel = wheels(there / "wheels")
    # systemd's tools need /proc; this one goes with the command.
    enter = ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && chroot "$0" "$@"']
    command = install(wheel.relative_to(tree), "SYSTEMD_OFFLINE=1")
    _run([*enter, tree, *command], timeout=INSTALL_SECONDS)
    return tree


def install(wheel: Path, *environ: str) -> list[str]:
    """Return the command, of the system `with_hokm`, that installs the wheel of that path."""
    offline = ["PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/hokm/wheels"]
    clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *offline, *environ]
    return [*clean, "/root/hokm/scripts/install_service", f"/{wheel}"]


def _source() -> tuple[str, str]:
    """Return this machine's Debian release, and where its packages come from."""
    release = Path("/etc/os-release").read_text().splitlines()
    told = dict(line.split("=", 1) for line in release if "=" in line)
    suite = told.get("VERSION_CODENAME", "")
    if told.get("ID") != "debian" or shutil.which("apt-get") is None:
        missing("a Debian mirror", "run the tests on Debian")
    targets = _run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"], timeout=60
    )
    mirrors = [line for line in targets.splitlines() if line.startswith(f"{suite} main ")]
    if not mirrors:
        missing("a Debian mirror", f"name one for {suite} in /etc/apt")
    return suite, mirrors[0].split()[-1]


def _make(tree: Path, suite: str, mirror: str) -> None:
    # What makes it three times as fast: nobody needs the tree after a power cut.
    how = ["-q", "--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io"]
    which = f"--include={','.join(PACKAGES)}"
    _run(["mmdebstrap", *how, which, suite, tree, mirror], timeout=MAKE_SECONDS)


def _run(command: list[str | Path], *, timeout: float, env: dict[str, str] | None = None) -> str:
    """Run a command; returns what it wrote to stdout."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout
