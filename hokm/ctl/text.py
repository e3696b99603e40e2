"""How things look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

WORKERS: Final = ("worker", "pid", "state", "rooms", "connections", "cpu", "memory MiB", "lag ms")
_FLEET: Final = ("instance", "state", "rooms", "connections", "workers", "address", "version")
_JOBS: Final = ("job", "what", "state", "done", "of", "seconds", "note")
_RULES: Final = ("rule", "metric", "value", "threshold", "near", "held s", "of", "state")
_WORDS: Final = frozenset(
    ("state", "what", "note", "rule", "metric", "threshold", "instance", "address", "version")
)  # columns that are no numbers
_BAR: Final = 24  # characters


def status(status: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> str:
    """Write an instance's status, and which jobs are under way."""
    workers = [worker(one) for one in status["workers"]]
    store, scaling = status["store"], status["scaling"]
    facts = [
        ("store", f"{'up' if store['up'] else 'AWAY'}, {store['kind']}, {store['address']}"),
        ("rooms", f"{status['rooms']}, {status['connections']} connections"),
        ("workers", f"{scaling['target']} wanted" + _because(scaling["reasons"])),
    ]
    if "spares" in status:
        facts.append(("spares", str(status["spares"])))
    if "handoff" in status:
        facts.append(("handoff", handoff(status["handoff"])))
    if status["instance"]["lease_s"] is not None:
        facts.append(("lease", lease(status["instance"])))
    facts += [("job", job_line(job)) for job in jobs if job["state"] == "running"]
    name, up = status["instance"]["id"], duration(status["uptime_s"])
    head = f"hokm {status['version']} on {name}, up {up}"
    lines = [f"{name:8} {fact}" for name, fact in facts]
    if status["fleet"]:
        lines += ["", *fleet(status["fleet"])]
    return "\n".join([head, "", *table(WORKERS, workers), "", *lines])


def worker(worker: Mapping[str, Any]) -> tuple[object, ...]:
    """Write a worker; the columns are those of `WORKERS`."""
    return (
        worker["id"],
        worker["pid"] or "-",
        worker["state"],
        worker["rooms"],
        worker["connections"],
        f"{worker['cpu']:.0%}",
        round(worker["memory"] / 2**20),
        worker["loop_lag_ms"],
    )


def lease(instance: Mapping[str, Any]) -> str:
    """Write how an instance stands in its fleet."""
    has = "held" if instance["has_lease"] else "LOST"
    return (
        f"{has}, {instance['lease_s']:g} s, renewed {instance['lease_age_s']:.1f} s ago;"
        f" {instance['state']}; {instance['relays']} connections relayed"
    )


def fleet(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the instances of a fleet: a head, and a line each."""
    return table(_FLEET, [(one["id"], *(one[name] for name in _FLEET[1:])) for one in members])


def explanation(scaling: Mapping[str, Any]) -> str:
    """Write why there are as many workers as there are."""
    low, high = scaling["min_workers"], scaling["max_workers"]
    allowed = f"{low} to {high} are allowed" if low != high else "that number is fixed"
    lines = [f"{scaling['target']} workers are wanted; {allowed}"]
    lines += [f"  {reason}" for reason in scaling["reasons"]]
    if scaling["overloaded"]:
        lines.append("overloaded: new tables are refused")
    if scaling["more_instances"]:
        lines.append("another instance is wanted")
    lines += ["", *rules(scaling["rules"]), "", "what has changed, the latest last:"]
    lines += [f"  {decision(one)}" for one in scaling["decisions"]] or ["  nothing yet"]
    return "\n".join(lines)


def rules(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write how each rule stands: a head, and a line each."""
    rows = [
        (
            rule["rule"],
            rule["metric"],
            "-" if rule["value"] is None else f"{rule['value']:.1f}",
            f"{rule['direction']} {rule['threshold']:g}",
            "-" if rule["level"] is None else f"{rule['level']:.0%}",
            f"{rule['held_s']:.0f}",
            f"{rule['duration_s']:g}",
            rule["state"] + (f" {rule['cooling_s']:.0f} s" if rule["state"] == "cooling" else ""),
        )
        for rule in rules
    ]
    return table(_RULES, rows)


def decision(decision: Mapping[str, Any]) -> str:
    """Write one decision in a line."""
    before, target = decision["before"], decision["target"]
    change = f"{before} to {target} workers" if before != target else f"{target} workers"
    return f"{decision['at']}  {change}: {'; '.join(decision['reasons'])}"


def jobs(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Write all jobs, the latest last."""
    if not jobs:
        return "no jobs"
    rows = [
        (
            job["id"],
            _what(job),
            job["state"],
            job["done"],
            job["total"],
            f"{job['seconds']:.1f}",
            job["note"],
        )
        for job in jobs
    ]
    return "\n".join(table(_JOBS, rows))


def job_line(job: Mapping[str, Any]) -> str:
    """Write one job in a line."""
    steps = f", {job['done']} of {job['total']}" if job["total"] else ""
    note = f": {job['note']}" if job["note"] else ""
    time = f"{job['seconds']:.1f} s"
    return f"job {job['id']}, {_what(job)}: {job['state']}, {time}{steps}{note}"


def step(job: Mapping[str, Any]) -> str:
    """Write how far a job is."""
    count = f"{job['done']} of {job['total']} " if job["total"] else ""
    return f"{_what(job)}: {count}{job['note']}".rstrip(" :")


def bar(job: Mapping[str, Any]) -> str:
    """Draw how far a job is, and write it."""
    filled = _BAR * job["done"] // max(job["total"], 1)
    return f"[{'#' * filled:.<{_BAR}}] {step(job)}"


def _what(job: Mapping[str, Any]) -> str:
    return f"{job['verb']} {job['subject']}".rstrip()


def handoff(figures: Mapping[str, Any]) -> str:
    """Write what became of moves and crashes."""
    pause = ", ".join(f"{name} {value}" for name, value in figures["pause_ms"].items())
    aborts = ", ".join(f"{count} {reason}" for reason, count in figures["aborts"].items())
    return (
        f"{figures['moves']} moves, pause ms: {pause}; aborted: {aborts or 'none'};"
        f" {figures['adopted']} connections adopted, {figures['distrusted']} distrusted"
    )


def _because(reasons: Sequence[str]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


def duration(seconds: float) -> str:
    """Write how long something runs."""
    days, rest = divmod(int(seconds), 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lay out columns: numbers to the right, words to the left."""
    texts = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    sides = ["<" if name in _WORDS else ">" for name in head]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)
        ).rstrip()
        for line in texts
    ]
