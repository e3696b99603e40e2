"""What is done about decisions: on a fake clock, with workers that are only counted."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hokm.jobs import Failed, Job, Jobs
from hokm.metrics import Metrics
from hokm.scaling import Reading, Rule, Scaling, WorkerReading
from hokm.supervisor.scaler import BY_OPERATOR, KEPT, Scaler, bounds_with

INTERVAL_S = 1.0
RULES = (
    Rule(name="crowded", metric="connections_per_worker", above=10, duration_s=3, cooldown_s=5),
    Rule(name="deserted", metric="connections_per_worker", below=4, duration_s=3, cooldown_s=5),
    Rule(name="full", metric="host_cpu", above=90, duration_s=2, cooldown_s=0, adds="instance"),
)
SCALING = Scaling(
    min_workers=1,
    max_workers=4,
    interval_s=INTERVAL_S,
    keep_s=10,
    rule=RULES,
    instance_command=("more", "please"),
)


class Server:
    """Pool, operations and readings in one.

    Attributes:
        connections: Of all workers together; None: they cannot be counted.
        slow: Whether jobs wait until the test ends them.
    """

    def __init__(self, scaling: Scaling = SCALING, target: int | None = None) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.target = scaling.min_workers if target is None else target
        self.connections: int | None = 5
        self.lag_ms = 1.0
        self.host_cpu = 0.1
        self.slow = False
        self.asked: list[tuple[int, str]] = []
        self.full: list[tuple[Any, Any]] = []
        self._jobs = Jobs(self.clock)
        self._end: Deferred[None] = Deferred()
        everything: Any = self
        self.scaler = Scaler(
            clock=self.clock,
            scaling=scaling,
            pool=everything,
            readings=everything,
            operations=everything,
            metrics=self.metrics,
            hook=everything,
            now=lambda: 1_700_000_000 + self.clock.seconds(),
        )
        self.scaler.start()

    def wanted(self, scaling: Scaling, reasons: Any) -> None:
        self.full.append((scaling.instance_command, reasons))

    def unwanted(self) -> None:
        self.full.clear()

    @property
    def busy(self) -> bool:
        return self._jobs.busy

    def scale(self, workers: int, why: str = "") -> Job:
        self.asked.append((workers, why))

        async def body(job: Job) -> None:
            before, self.target = self.target, workers
            try:
                if self.slow:
                    await self._end
            except Failed:
                self.target = before
                raise

        return self._jobs.start("scale", f"to {workers}", body)

    def end(self, failure: str | None = None) -> None:
        """End the job that is under way."""
        end, self._end = self._end, Deferred()
        if failure is None:
            end.callback(None)
        else:
            end.errback(Failed(failure))

    def take(self, seconds: float) -> Reading:
        assert seconds == self.scaler.scaling.interval_s
        each = None if self.connections is None else self.connections // self.target
        return Reading(
            at=self.clock.seconds(),
            target=self.target,
            workers=tuple(
                WorkerReading(id=n, cpu=0.1, connections=each, rooms=1, loop_lag_ms=self.lag_ms)
                for n in range(1, self.target + 1)
            ),
            host_cpu=self.host_cpu,
            queue_length=0,
        )

    def recent(self) -> tuple[WorkerReading, ...]:
        return (WorkerReading(id=1, rooms=1, loop_lag_ms=self.lag_ms),)

    def watch(self, seconds: int) -> None:
        """Look for an overload each second."""
        for _ in range(seconds):
            self.scaler.watch()
            self.clock.advance(1.0)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pump([INTERVAL_S] * int(seconds / INTERVAL_S))

    def steps(self) -> list[tuple[int, int]]:
        """Return all changes of the number of workers that the status tells."""
        log = self.scaler.status().decisions
        return [(entry.before, entry.target) for entry in log if entry.before != entry.target]

    def shown(self, name: str) -> float:
        """Return the value of a metric."""
        lines = self.metrics.render().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


def test_up_and_down_again() -> None:
    """More connections bring workers, fewer take them away, each with its reason and time."""
    server = Server()
    server.wait(5)
    assert server.asked == []
    server.connections = 30
    server.wait(3)
    assert server.asked == []  # not for long enough
    server.wait(2)
    assert server.asked == [(4, "by the rules")]
    server.connections = 4
    server.wait(60)
    assert server.steps()[0] == (1, 4)
    assert server.target == 1
    status = server.scaler.status()
    assert [entry.target for entry in status.decisions] == [4, 3, 2, 1]
    assert status.decisions[0].at == "2023-11-14T22:13:29+00:00"
    assert status.decisions[0].reasons[0].startswith("crowded: connections_per_worker 30 above 10")
    assert status.last is not None and "2 to 1 workers: deserted" in status.last
    assert (status.min_workers, status.max_workers, status.wanted) == (1, 4, 1)
    assert status.measured["connections_per_worker"] == 4
    assert status.measured["memory"] is None  # it cannot be read here


def test_one_change_at_a_time() -> None:
    """While workers are being added nothing else is begun; what was looked at still counts."""
    server = Server()
    server.slow = True
    server.connections = 15
    server.wait(20)
    assert server.asked == [(2, "by the rules")]
    server.connections = 60
    server.wait(20)
    assert len(server.asked) == 1
    server.end()
    server.wait(1)
    assert server.asked[1:] == [(4, "by the rules")]


def test_a_change_that_fails_is_no_operators_wish() -> None:
    """The number is as before then, and the bounds are, too; the rules try it again."""
    server = Server()
    server.slow = True
    server.connections = 15
    server.wait(5)
    server.end("no worker starts")
    assert server.target == 1
    server.wait(20)
    assert len(server.asked) == 2
    assert (server.scaler.scaling.min_workers, server.scaler.scaling.max_workers) == (1, 4)
    assert BY_OPERATOR not in [entry.reasons[0] for entry in server.scaler.status().decisions]


def test_an_operator_is_heeded() -> None:
    """What he asks for stays where it is allowed, and extends the bounds where it is not."""
    server = Server()
    server.wait(5)
    server.target = 6
    server.wait(2)
    assert server.target == 6 and server.asked == []
    assert (server.scaler.scaling.min_workers, server.scaler.scaling.max_workers) == (1, 6)
    [entry] = server.scaler.status().decisions
    assert (entry.before, entry.target, entry.reasons) == (1, 6, (BY_OPERATOR,))


def test_a_fixed_number_stays_the_operators() -> None:
    """Fixed at 3, scaled to 2 by hand, it is fixed at 2: the rules do not fetch the third back."""
    server = Server(bounds_with(Scaling(min_workers=3, max_workers=3, rule=RULES), 3))
    server.wait(5)
    server.target = 2
    server.wait(60)
    assert server.target == 2 and server.asked == []
    assert server.scaler.scaling.max_workers == 2


def test_a_number_from_the_life_before() -> None:
    """It stands, and nobody is told that an operator had just asked for it."""
    server = Server(Scaling(min_workers=2, max_workers=2, rule=RULES), target=5)
    server.wait(30)
    assert server.target == 5 and server.asked == []
    assert server.scaler.status().decisions == ()


@pytest.mark.parametrize(
    ("low", "high", "wish", "bounds"),
    [(2, 2, 5, (5, 5)), (2, 2, 1, (1, 1)), (2, 4, 3, (2, 4)), (2, 4, 9, (2, 9)), (2, 4, 1, (1, 4))],
)
def test_bounds(low: int, high: int, wish: int, bounds: tuple[int, int]) -> None:
    """A fixed number becomes the one asked for; a range grows to it."""
    found = bounds_with(Scaling(min_workers=low, max_workers=high), wish)
    assert (found.min_workers, found.max_workers) == bounds


def test_overload() -> None:
    """At the most workers, with most of them lagging, new rooms are refused, until it is over.

    No rule is needed for that. It is told why, where one looks and where one reads afterwards.
    """
    server = Server(Scaling(min_workers=1, max_workers=2, rule=()), target=2)
    server.lag_ms = 300
    server.watch(5)
    assert not server.scaler.overloaded
    server.watch(1)
    assert server.scaler.overloaded and server.shown("hokm_overloaded") == 1
    status = server.scaler.status()
    assert status.overloaded
    assert status.reasons[-1].endswith("there are 2, the most allowed: new rooms are refused")
    server.lag_ms = 1
    server.watch(5)
    assert server.scaler.overloaded
    server.watch(1)
    assert not server.scaler.overloaded and server.shown("hokm_overloaded") == 0
    began, ended = server.scaler.status().decisions
    assert (began.overloaded, ended.overloaded) == (True, False)
    assert began.reasons == status.reasons[-1:]
    assert "welcome again" in ended.reasons[0]


def test_another_instance() -> None:
    """The hook hears at each look whether it is wished for, and why."""
    server = Server()
    server.wait(5)
    server.host_cpu = 0.95
    server.wait(30)
    command, reasons = server.full[-1]
    assert command == ("more", "please")
    assert "full: host_cpu 95 % above 90 for 2 s: another instance is wanted" in reasons
    assert server.shown("hokm_instances_wanted") == 1
    server.host_cpu = 0.5
    server.wait(3)
    assert server.shown("hokm_instances_wanted") == 0
    assert server.full == []


def test_what_cannot_be_read_changes_nothing() -> None:
    """Without any figures no worker comes or goes, and the rules' nearness is not known."""
    server = Server(target=3)
    server.connections = None
    server.wait(120)
    assert server.asked == []
    standing = server.scaler.status().rules[0]
    assert (standing.state, standing.value, standing.level) == ("unknown", None, None)
    assert b'hokm_scaling_rule_level{rule="crowded"}' not in server.metrics.render()


def test_other_rules_without_a_restart() -> None:
    """They hold from the next look on, at their own interval; those that are gone show nothing."""
    server = Server()
    server.wait(5)
    rule = Rule(name="tight", metric="connections_per_worker", above=2, duration_s=2, cooldown_s=5)
    server.scaler.reload(Scaling(min_workers=1, max_workers=3, interval_s=2, rule=(rule,)))
    server.wait(4)
    assert server.asked == [(3, "by the rules")]
    text = server.metrics.render().decode()
    assert 'rule="tight"' in text and 'rule="crowded"' not in text
    server.scaler.stop()
    assert not server.clock.getDelayedCalls()


def test_the_log_is_bounded() -> None:
    """Of many decisions the latest are kept."""
    server = Server()
    for wish in range(2, 2 * KEPT):
        server.target = 1 + wish % 2
        server.wait(1)
    assert len(server.scaler.status().decisions) == KEPT
