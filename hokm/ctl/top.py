"""The whole instance in a terminal: what `hokmctl top` draws, as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hokm.ctl import text

LAG_FELT_MS: Final = 50.0  # above it players feel it: the default rule on it
CPU_HIGH: Final = 0.85  # of a core: the default rule on the busiest worker
PAUSE_PROMISED_MS: Final = 50.0  # 99th percentile of a move
TREND: Final = 24  # characters; the server remembers two minutes, 5 s a character
DECISIONS: Final = 5
BLOCKS: Final = "▁▂▃▄▅▆▇█"
LETTERS: Final = "_.:-=+*#"  # where the terminal has no blocks

_STYLES: Final = {"bold": "1", "dim": "2", "good": "32", "warn": "33", "bad": "31;1"}
_WORKER_STYLES: Final = {"ready": "", "dead": "bad"}
_RULE_STYLES: Final = {"quiet": "", "unknown": "dim", "fired": "bad"}


class Look(NamedTuple):
    """What the lines are for.

    Attributes:
        width, height: Of the terminal, in characters; None where they are no matter.
        colour: Whether lines may have colours.
        blocks: Eight characters for small to large.
    """

    width: int | None = None
    height: int | None = None
    colour: bool = False
    blocks: str = BLOCKS


Line = tuple[str, str]  # text, and a style or nothing


def draw(
    status: Mapping[str, Any], trends: Mapping[str, Any], look: Look, link: str = ""
) -> list[str]:
    """Draw the instance.

    Args:
        status, trends: As the server tells them.
        link: What is wrong with the connection to it; empty: nothing.
    """
    parts = (
        _head(status, link),
        _figures(status),
        _workers(status["workers"], trends["workers"], look.blocks),
        _jobs(status["jobs"]),
        _fleet(status),
        _rules(status["scaling"]),
        _decisions(status["scaling"]["decisions"]),
    )
    lines: list[Line] = []
    for part in parts:
        found = list(part)
        lines += [("", ""), *found] if lines and found else found
    return [_paint(line, look) for line in _cut(lines, look.height)]


def _cut(lines: list[Line], height: int | None) -> list[Line]:
    """Leave out what the terminal has no place for, and say so."""
    if height is None or len(lines) <= height:
        return lines
    shown = max(height - 1, 0)
    return [*lines[:shown], (f"{len(lines) - shown} more lines: the window is too low", "dim")]


def _paint(line: Line, look: Look) -> str:
    """Make a line fit, and give it its colour; what could steer the terminal is taken out."""
    words, style = line
    plain = "".join(one if one.isprintable() else "?" for one in words)[: look.width]
    return f"\x1b[{_STYLES[style]}m{plain}\x1b[0m" if look.colour and style else plain


def _head(status: Mapping[str, Any], link: str) -> Iterator[Line]:
    up = text.duration(status["uptime_s"])
    yield f"hokm {status['version']} on {status['instance']['id']}, up {up}", "bold"
    if link:
        yield link, "warn"
    for reason in status["unhealthy"]:
        yield f"players cannot be served: {reason}", "bad"
    if status["scaling"]["overloaded"]:
        yield "overloaded: new tables are refused", "bad"
    if status["scaling"]["more_instances"]:
        yield "another instance is wanted", "warn"


def _figures(status: Mapping[str, Any]) -> Iterator[Line]:
    scaling, store, handoff = status["scaling"], status["store"], status["handoff"]
    measured = scaling["measured"]
    yield (
        f"players  {status['players']}, {status['connections']} connections;"
        f" {status['rooms']} rooms, {status['games']} matches in play",
        "",
    )
    rate, queue = _known(measured, "game_creation_rate"), _known(measured, "queue_length")
    yield f"new      {rate} rooms a minute; queue {queue}", ""
    cpu, memory = _known(measured, "host_cpu"), _known(measured, "host_memory")
    yield f"machine  CPU {cpu} %, memory {memory} %", ""
    up = "up" if store["up"] else "AWAY"
    yield f"store    {up}, {store['kind']}, {store['address']}", "" if store["up"] else "bad"
    slow = handoff["pause_ms"]["p99"] > PAUSE_PROMISED_MS
    yield f"handoff  {text.handoff(handoff)}", "warn" if slow else ""


def _known(measured: Mapping[str, float | None], name: str) -> str:
    value = measured.get(name)
    return "-" if value is None else f"{value:.4g}"


def _workers(
    workers: Sequence[Mapping[str, Any]], trends: Mapping[str, Any], blocks: str
) -> Iterator[Line]:
    rows = []
    for worker in workers:
        trend = trends.get(str(worker["id"]), {"cpu": [], "loop_lag_ms": []})
        cpu = spark(trend["cpu"], 1.0, blocks)
        lag = spark(trend["loop_lag_ms"], LAG_FELT_MS, blocks)
        rows.append((*text.worker(worker), cpu, lag))
    head, *lines = text.table((*text.WORKERS, "cpu, 2 min", "lag, 2 min"), rows)
    yield head, "dim"
    for worker, line in zip(workers, lines, strict=True):
        high = worker["cpu"] > CPU_HIGH or worker["loop_lag_ms"] > LAG_FELT_MS
        yield line, "bad" if high else _WORKER_STYLES.get(worker["state"], "warn")


def spark(values: Sequence[float], least: float, blocks: str = BLOCKS) -> str:
    """Draw values as a line of blocks, the newest at the right; each is the highest of some.

    Args:
        least: What the highest block stands for at least, so that little looks like little.
    """
    each = 120 // TREND
    parts = [values[max(end - each, 0) : end] for end in range(len(values), 0, -each)][:TREND]
    top = max([least, *values])
    marks = [blocks[min(int(max(part) / top * len(blocks)), len(blocks) - 1)] for part in parts]
    return "".join(reversed(marks)).rjust(TREND)


def _jobs(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for job in jobs:
        if job["state"] == "running":
            yield text.bar(job), "warn"
    ended = [job for job in jobs if job["state"] != "running"]
    for job in ended[-1:]:
        yield text.job_line(job), "good" if job["state"] == "done" else "bad"


def _fleet(status: Mapping[str, Any]) -> Iterator[Line]:
    if not status["fleet"]:
        return
    instance = status["instance"]
    fine = instance["has_lease"] and instance["state"] == "active"
    yield f"lease    {text.lease(instance)}", "" if fine else "bad"
    head, *lines = text.fleet(status["fleet"])
    yield head, "dim"
    for member, line in zip(status["fleet"], lines, strict=True):
        yield line, "" if member["state"] == "active" else "warn"


def _rules(scaling: Mapping[str, Any]) -> Iterator[Line]:
    low, high = scaling["min_workers"], scaling["max_workers"]
    why = "; ".join(scaling["reasons"])
    yield f"{scaling['target']} workers wanted, {low} to {high} allowed: {why}", "bold"
    head, *lines = text.rules(scaling["rules"])
    yield head, "dim"
    for rule, line in zip(scaling["rules"], lines, strict=True):
        yield line, _RULE_STYLES.get(rule["state"], "warn")


def _decisions(decisions: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if decisions:
        yield "what has changed, the latest first", "dim"
    for decision in list(reversed(decisions))[:DECISIONS]:
        yield text.decision(decision), ""
