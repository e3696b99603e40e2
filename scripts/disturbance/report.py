"""What a run has found, as a value and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from disturbance.checker import Breach
from disturbance.faults import DONE, ENDLESS, Outcome
from disturbance.tally import Tally, percentiles

SHOWN = 10  # breaches, of each kind


class Report(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        ok: Whether nothing was lost, doubled or reordered, no socket was closed, and the server got
            over every fault.
        closed: By code, 1006 where no close frame came; none of them should have been.
        excused: By code: half of a message was read by a worker that was killed.
        resent: Commands that were sent again, as the protocol asks.
        breaches: How many of each kind.
        details: The first breaches of each kind, in words.
        longest_wait_ms: For an answer, of any client.
        calm_ms, disturbed_ms: Percentiles of the waits for an answer, in milliseconds: of those
            while nothing was disturbed, and of those that were under way during a fault.
        faults: By kind and outcome.
        slowest_ms: Longest time that the server took to get over a fault, by kind.
        looks: How often an owner of a room was looked up.
        descriptors_before, descriptors_after: By process, without clients.
        handoff: What the server itself tells of its moves.
        load_cpu: Part of one core that the clients took.
    """

    ok: bool
    seed: int
    seconds: float
    tables: int
    clients: int
    plays: int
    closed: dict[int, int]
    excused: dict[int, int]
    refused_connections: int
    resent: int
    breaches: dict[str, int]
    details: list[str]
    longest_wait_ms: float
    calm_ms: dict[str, float]
    disturbed_ms: dict[str, float]
    faults: dict[str, dict[str, int]]
    slowest_ms: dict[str, float]
    looks: int
    descriptors_before: dict[str, int]
    descriptors_after: dict[str, int]
    handoff: Any
    load_cpu: float


def make_report(
    tally: Tally,
    breaches: Sequence[Breach],
    outcomes: Sequence[Outcome],
    *,
    all_done: bool,
    **measured: Any,
) -> Report:
    """Put a run's findings together.

    Args:
        all_done: Whether every fault must have ended as it should; else it must just have ended.
        measured: The fields of the report that are taken as they are.
    """
    kinds: Counter[str] = Counter(breach.kind for breach in breaches)
    details = []
    for kind in kinds:
        few = [breach for breach in breaches if breach.kind == kind][:SHOWN]
        details += [f"{kind}: {breach.who}: {breach.text}" for breach in few]
    faults: dict[str, dict[str, int]] = {}
    slowest: dict[str, float] = {}
    for outcome in outcomes:
        counts = faults.setdefault(outcome.kind, {})
        counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1
        slowest[outcome.kind] = max(slowest.get(outcome.kind, 0.0), 1000 * outcome.seconds)
    bad = [o for o in outcomes if o.outcome in ENDLESS or (all_done and o.outcome != DONE)]
    return Report(
        ok=not breaches and not tally.closed and not bad,
        plays=tally.plays,
        closed=dict(tally.closed),
        excused=dict(tally.excused),
        refused_connections=tally.refused_connections,
        resent=tally.resent,
        breaches={kind: kinds[kind] for kind in ("lost", "doubled", "reordered", *kinds)},
        details=details,
        longest_wait_ms=round(1000 * max((*tally.calm, *tally.disturbed), default=0.0), 1),
        calm_ms=percentiles(tally.calm),
        disturbed_ms=percentiles(tally.disturbed),
        faults=faults,
        slowest_ms=slowest,
        **measured,
    )


def text(report: Report) -> str:
    """Return the report for a person."""
    rows = [
        ("clients", f"{report.clients} at {report.tables} tables"),
        ("plays acknowledged", f"{report.plays}"),
        ("sockets closed", _list(report.closed) or "0"),
        ("  excused by half-read messages", _list(report.excused) or "0"),
        ("refused connections", f"{report.refused_connections}"),
        ("commands sent again", f"{report.resent}"),
        *report.breaches.items(),
        ("longest wait", f"{report.longest_wait_ms} ms"),
        ("wait for an answer, calm", _list(report.calm_ms, "ms") or "none"),
        ("  during a fault", _list(report.disturbed_ms, "ms") or "none"),
        *((f"fault {kind}", _fault(report, kind)) for kind in report.faults),
        ("owners looked up", f"{report.looks}"),
        ("descriptors before", _list(report.descriptors_before) or "not seen"),
        ("descriptors after", _list(report.descriptors_after) or "not seen"),
        *([("handoff", f"{report.handoff}")] if report.handoff is not None else []),
        ("load", f"{100 * report.load_cpu:.0f} % of a core"),
        ("seed", f"{report.seed}"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join((*lines, *report.details, "passed" if report.ok else "FAILED"))


def _fault(report: Report, kind: str) -> str:
    worst = report.slowest_ms[kind] / 1000
    outcomes = report.faults[kind]
    return ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()) + f" (<= {worst:.1f} s)"


def _list(values: dict[Any, Any], unit: str = "") -> str:
    return ", ".join(f"{name}: {value} {unit}".strip() for name, value in values.items())
