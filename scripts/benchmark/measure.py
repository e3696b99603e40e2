"""One run: a server, freshly started, is sat down at, played at, and its accounts are read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from msgspec import Struct

from benchmark.accounts import cpu_seconds, private_kb
from benchmark.cores import Cores
from benchmark.figures import Latency, Run
from benchmark.folder import Folder, Unavailable
from benchmark.load import Load, LoadFailed
from benchmark.ours import hokm
from benchmark.peers.start import COMMANDS, peer
from benchmark.seating import places
from benchmark.server import DidNotStart, Server

OURS: Final = ("hokm", "hokm_nostore")
SERVERS: Final = (*OURS, *COMMANDS)
SETTLE_SECONDS: Final = 0.3  # before memory is read: what a server does after a connection


class Bench(Struct, frozen=True):
    """Where and with what is measured."""

    folder: Folder
    cores: Cores
    load: list[str]

    def server(self, name: str) -> AbstractContextManager[Server]:
        """Run a server until the end of the block."""
        if name in OURS:
            return hokm(self.cores, store=name == "hokm")
        return peer(name, self.folder, self.cores)

    @contextmanager
    def playing(self, server: Server) -> Iterator[Load]:
        """Have a load for a server until the end of the block."""
        load = Load(self.load, server.dialect, server.port, self.cores.load)
        try:
            yield load
        finally:
            load.close()


class Game(Struct, frozen=True):
    """What is played in a run.

    Attributes:
        rates: Plays per second at which latency is measured.
        idle: Players of the run in which nobody plays and memory is read; 0: memory is read in the
            run in which they play, before they do.
    """

    rooms: int
    warm_up: float
    seconds: float
    paced_seconds: float
    rates: tuple[int, ...]
    idle: int


class Used:
    """CPU used by a server since this was made."""

    def __init__(self, server: Server) -> None:
        """Read the accounts."""
        self._server = server
        self._before = self._read()

    def microseconds(self) -> tuple[float, dict[str, float]]:
        """Return what the workers have used together, and each helper by its name."""
        workers, *helpers = (
            1e6 * (after - before) for before, after in zip(self._before, self._read(), strict=True)
        )
        return workers, dict(zip(self._server.helpers, helpers, strict=True))

    def _read(self) -> list[float]:
        workers = sum(cpu_seconds(pid) for pid in self._server.workers)
        return [workers, *(cpu_seconds(pid) for pid in self._server.helpers.values())]


def sit(server: Server, load: Load, rooms: int) -> Run:
    """Seat four players in each of *rooms*, and read what that took."""
    memory = _private_kb(server)
    used = Used(server)
    load.seat(places(server, rooms))
    time.sleep(SETTLE_SECONDS)
    spent, helpers = used.microseconds()
    players = 4 * rooms
    return Run(
        server.name,
        kb_per_connection=(_private_kb(server) - memory) / players,
        accept_us=spent / players,
        helpers_accept_us={name: figure / players for name, figure in helpers.items()},
    )


def measure(bench: Bench, name: str, game: Game) -> Run:
    """Measure one server; errors that the load finds are in the run.

    Raises:
        Unavailable: It cannot be installed here.
        DidNotStart: It did not.
    """
    try:
        return _measure(bench, name, game)
    except LoadFailed as failed:
        return Run(name, errors=failed.errors, first_error=str(failed))


def _measure(bench: Bench, name: str, game: Game) -> Run:
    seated = None
    if game.idle:
        with bench.server(name) as server, bench.playing(server) as load:
            seated = sit(server, load, game.idle // 4)
    with bench.server(name) as server, bench.playing(server) as load:
        seated = sit(server, load, game.rooms) if seated is None else seated
        if game.idle:
            load.seat(places(server, game.rooms))
        load.start()
        load.closed(game.warm_up)
        used = Used(server)
        closed = load.closed(game.seconds)
        spent, helpers = used.microseconds()
        latency = {}
        for rate in game.rates:
            paced = load.paced(rate, game.paced_seconds)
            latency[rate] = Latency(paced.p50_ms, paced.p99_ms)
    return Run(
        name,
        cpu_us_per_play=spent / closed.plays,
        plays_per_second=closed.plays / closed.seconds,
        latency=latency,
        helpers_us_per_play={who: figure / closed.plays for who, figure in helpers.items()},
        kb_per_connection=seated.kb_per_connection,
        accept_us=seated.accept_us,
        helpers_accept_us=seated.helpers_accept_us,
    )


def _private_kb(server: Server) -> int:
    return sum(private_kb(pid) for pid in server.workers)


def measure_all(
    bench: Bench, names: Sequence[str], game: Game, rounds: int, tell: Callable[[str], None]
) -> tuple[list[list[Run]], dict[str, str]]:
    """Measure all servers in each round, one after the other.

    Args:
        tell: Is told how it goes, a line at a time.

    Returns:
        The runs of each round, and why a server is missing, by its name.
    """
    measured: list[list[Run]] = []
    missing: dict[str, str] = {}
    for number in range(rounds):
        runs = []
        for name in names:
            if name in missing:
                continue
            try:
                run = measure(bench, name, game)
            except (Unavailable, DidNotStart) as why:
                missing[name] = str(why)
                tell(f"round {number + 1}: {name} is missing: {why}")
                continue
            tell(f"round {number + 1}: {describe(run)}")
            runs.append(run)
        measured.append(runs)
    return measured, missing


def describe(run: Run) -> str:
    """Say in one line how a run went."""
    if run.errors:
        return f"{run.server} does not count, {run.errors} errors, the first: {run.first_error}"
    return (
        f"{run.server} {run.cpu_us_per_play:.1f} us of CPU per play, "
        f"{run.plays_per_second:.0f} plays/s on the clock"
    )
