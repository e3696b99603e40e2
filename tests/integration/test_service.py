"""hokm as a service of a real systemd, on a machine of its own: nothing closes a player's socket.

The machine is a container with the same kernel; hokm came there by scripts/install_service.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor, threads

from hokm.client import create_room
from tests import debian
from tests.certificates import Authority
from tests.conftest import Server
from tests.integration.test_lives import check_kept
from tests.integration.test_matches import FAST, disturb, wait
from tests.integration.test_proxies import create
from tests.machine import Machine
from tests.rawsocket import RawSocket

SECONDS = 60.0
TLS_PORT = 8766
MOST_EXPOSURE = 1.5  # as systemd-analyze sums up what a service may do, 0 to 10
RESTARTED = 1012  # RFC 6455's registry: the service restarts
SCRIPT = "/root/hokm/scripts/install_service"
WATCHDOG_SECONDS = 5
# The unit's own limit would make the test wait for ten seconds.
DROP_IN = f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n"


class Service(Server):
    """The service, as its players and its operator see it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.port = 8765
        self.url, self.admin = "http://127.0.0.1:8765", "http://127.0.0.1:8764"

    def systemctl(self, *arguments: str) -> None:
        """Have systemd do something to hokm, and wait until that is done."""
        self.machine.run("systemctl", *arguments, "hokm.service")

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.machine.run("systemctl", "show", "--value", f"--property={name}", "hokm")

    def pid(self, pattern: str) -> int:
        """Return the pid, here, of hokm's process whose command line has a pattern."""

        def fits(entry: Path) -> bool:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            return re.search(pattern, command) is not None

        return self._find(fits, pattern)

    def pid_here(self, pid: int) -> int:
        """Return the pid, here, of the process that has this one there."""

        def fits(entry: Path) -> bool:
            status = (entry / "status").read_text()
            return re.search(rf"^NSpid:.*\t{pid}$", status, re.MULTILINE) is not None

        return self._find(fits, f"of pid {pid} there")

    def _find(self, fits: Callable[[Path], bool], what: str) -> int:
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                namespace = (entry / "ns/pid").readlink()
                ours = namespace == Path(f"/proc/{self.machine.init}/ns/pid").readlink()
                if ours and fits(entry):
                    return int(entry.name)
        raise AssertionError(f"no process {what}")

    def journal(self) -> str:
        """Return what hokm and systemd said of it."""
        return self.machine.run("journalctl", "--unit=hokm", "--no-pager", "--output=cat")

    async def until_ready(self) -> None:
        """Wait until it serves players."""
        until = time.monotonic() + SECONDS
        while not self.is_ready() or not self.worker_pids():
            assert time.monotonic() < until, self.journal()[-3000:]
            await wait(0.05)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouch for the server's certificate."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Path]:
    """Install hokm on a Debian system, with settings and a certificate."""
    made = debian.with_hokm(tmp_path_factory.mktemp("service") / "debian")
    directory = made / "etc/hokm"
    files = {"TLS_CERTIFICATE": "server.pem", "TLS_KEY": "server.key"}
    authority.write(*(directory / name for name in files.values()))
    settings = FAST | {f"HOKM_{name}": f"/etc/hokm/{file}" for name, file in files.items()}
    (directory / "hokm.env").write_text("".join(f"{n}={v}\n" for n, v in settings.items()))
    drop_in = made / "etc/systemd/system/hokm.service.d"
    drop_in.mkdir()
    (drop_in / "test.conf").write_text(DROP_IN)
    yield made
    shutil.rmtree(made)


@contextlib.contextmanager
def booted(tree: Path) -> Iterator[Service]:
    """Boot the machine, and be in its network."""
    name = f"hokm{os.getpid()}"
    with Machine(tree, name, tree.with_name("console.log")) as machine, machine.network():
        yield Service(machine)


@pytest.fixture(scope="module")
def service(tree: Path) -> Iterator[Service]:
    """Run the service, for all tests of this module."""
    with booted(tree) as made:
        yield made


async def restart(service: Service) -> None:
    await threads.deferToThread(service.systemctl, "restart")


async def reload(service: Service) -> None:
    workers = set(service.worker_pids())
    await threads.deferToThread(service.systemctl, "reload")
    assert not workers & set(service.worker_pids())


async def kill_supervisor(service: Service) -> None:
    await signal_supervisor(service, signal.SIGKILL)


async def kill_worker(service: Service) -> None:
    rooms = service.get("/api/rooms", admin=True)["rooms"]
    played_at = max(rooms, key=lambda room: room["connections"])
    pids = {worker["id"]: worker["pid"] for worker in service.status()["workers"]}
    await kill(service.pid_here(pids[played_at["worker"]]))


async def kill_store(service: Service) -> None:
    await kill(service.pid("valkey-server"))


async def kill(pid: int) -> None:
    """Kill a process, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        await wait(0.01)


async def hang(service: Service) -> None:
    """Stop the supervisor as if it hung; systemd's watchdog sees it."""
    await signal_supervisor(service, signal.SIGSTOP)


async def signal_supervisor(service: Service, number: signal.Signals) -> None:
    """Send a signal that ends its life, and wait for the next one."""
    before = service.show("NRestarts")
    os.kill(service.pid("twistd"), number)
    until = time.monotonic() + SECONDS
    while service.show("NRestarts") == before or service.show("ActiveState") != "active":
        assert time.monotonic() < until
        await wait(0.1)


async def upgrade(service: Service) -> None:
    """Install the same code once more, which is another release as far as the service knows."""
    [wheel] = (service.machine.tree / "root/hokm/wheels").glob("hokm-*.whl")
    command = debian.install(wheel.relative_to(service.machine.tree))
    old = service.machine.run("readlink", "/opt/hokm/venv")
    await threads.deferToThread(service.machine.run, *command, timeout=180)
    assert service.machine.run("readlink", "/opt/hokm/venv") != old
    assert service.machine.run("readlink", "/opt/hokm/previous") == old


async def roll_back(service: Service) -> None:
    back = service.machine.run("readlink", "/opt/hokm/previous")
    await threads.deferToThread(service.machine.run, SCRIPT, "--rollback", timeout=180)
    assert service.machine.run("readlink", "/opt/hokm/venv") == back


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (restart, 2),
        (reload, 1),
        (kill_supervisor, 2),
        (kill_worker, 1),
        (kill_store, 1),
        (hang, 1),
        (upgrade, 1),
        (roll_back, 1),
    ],
)
@pytest_twisted.ensureDeferred
async def test_nobody_loses_his_socket(
    service: Service, fault: Callable[[Service], Awaitable[None]], times: int
) -> None:
    """Under play: what was acknowledged is in the store, once, and all sockets are the same."""
    await service.until_ready()

    async def strike(_: int) -> None:
        await service.until_ready()
        await fault(service)

    tables, _ = await disturb(service, times, strike, rest_seconds=1.0)
    check_kept(tables)
    stall = max(witness.stall for table in tables for witness in table.witnesses)
    print(f"{fault.__name__}, {times} times: play stood still for {stall:.2f} s at most")


def sit_down(service: Service, room: str, **fields: object) -> tuple[RawSocket, str]:
    """Take a seat at a table; returns the player and his token."""
    player = RawSocket(service.port, room)
    player.sock.settimeout(SECONDS)
    player.send({"type": "join", "id": 1, "name": "Sara", **fields})
    return player, player.until("welcome")["token"]


async def check_told_and_kept(service: Service, end: Callable[[], None]) -> tuple[str, str]:
    """End the service in order; its players are told to come again. Returns room and token."""
    await service.until_ready()
    room = (await create_room(service.url, {}, reactor=reactor)).room_code
    player, token = sit_down(service, room)
    with contextlib.closing(player):
        end()
        while isinstance(told := player.receive(), dict):
            pass
        assert told == RESTARTED
    return room, token


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_stop_tells_players_to_come_again(service: Service) -> None:
    """Nothing is left running; after the next start the seat is the player's by his token."""
    room, token = await check_told_and_kept(service, lambda: service.systemctl("stop"))
    assert service.show("Result") == "success"
    assert service.show("NFileDescriptorStore") == "0"
    assert service.show("TasksCurrent") in ("0", "[not set]")
    service.systemctl("start")
    await service.until_ready()
    player, _ = sit_down(service, room, token=token)
    player.close()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_systemd_may_listen_for_it(service: Service) -> None:
    """With the socket unit, who comes while hokm is down waits until it has started."""
    service.systemctl("stop")
    service.machine.run("systemctl", "start", "hokm.socket")
    try:
        room = create(service.port)
        await service.until_ready()
        player, _ = sit_down(service, room)
        with contextlib.closing(player):
            service.systemctl("restart")
            player.send({"type": "sync", "id": 2})
            assert player.answer(2)["type"] == "ok"
    finally:
        service.machine.run("systemctl", "stop", "hokm.socket")


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_release_that_does_not_start_is_not_used(service: Service) -> None:
    """The reload fails and says so; the release in use stays, and serves all the while."""
    await service.until_ready()
    old = service.machine.run("readlink", "/opt/hokm/venv")
    settings = service.machine.tree / "etc/hokm/hokm.toml"
    good = settings.read_text()
    settings.write_text("workres = 3\n")
    try:
        told = await threads.deferToThread(service.machine.ask, SCRIPT, "--rollback", timeout=180)
    finally:
        settings.write_text(good)
    assert "the one before is in use again" in told
    assert "workres is no setting" in service.journal()
    assert service.machine.run("readlink", "/opt/hokm/venv") == old
    assert service.is_ready()
    assert service.show("ActiveState") == "active"


def test_the_unit_is_sound_and_closed(service: Service) -> None:
    """systemd finds no fault with it, and little that it may do; what it may, the kernel says."""
    unit, port = (f"/etc/systemd/system/hokm.{kind}" for kind in ("service", "socket"))
    assert service.machine.run("systemd-analyze", "verify", unit, port) == ""
    offline = ["--offline=yes", f"--threshold={10 * MOST_EXPOSURE:.0f}"]
    service.machine.run("systemd-analyze", "security", *offline, unit)
    status = Path(f"/proc/{service.pid('twistd')}/status").read_text()
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"):
        assert line in status
    limits = Path(f"/proc/{service.pid('twistd')}/limits").read_text()
    [files] = re.findall(r"^Max open files +(\d+)", limits, re.MULTILINE)
    assert f" {files} descriptors each" in service.journal()


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_tls_works_behind_the_walls(service: Service, authority: Authority) -> None:
    """The gate reads its key, and OpenSSL needs no memory to write and execute."""
    await service.until_ready()
    with (
        socket.create_connection(("127.0.0.1", TLS_PORT), SECONDS) as sock,
        authority.context().wrap_socket(sock, server_hostname="localhost") as player,
    ):
        player.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert player.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_the_sampler_sees_through_the_walls(service: Service) -> None:
    """What the rules of scaling go by is there: of the workers, and of the whole machine."""
    until = time.monotonic() + SECONDS
    while not all(seen := measured(service)):
        assert time.monotonic() < until, seen
        time.sleep(0.1)


def measured(service: Service) -> list[object]:
    """Return what a worker uses and what is used of the machine; None for what is not seen yet."""
    status = service.status()
    rules = {rule["metric"]: rule["value"] for rule in status["scaling"]["rules"]}
    worker = status["workers"][0]
    return [worker["cpu"] is not None, worker["memory"], rules.get("host_memory")]


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_the_machine_is_switched_off(tree: Path, service: Service) -> None:
    """Players are told to come again; when it is on again, the table is there."""
    room, token = await check_told_and_kept(service, service.machine.close)
    with booted(tree) as again:
        await again.until_ready()
        player, _ = sit_down(again, room, token=token)
        player.close()
