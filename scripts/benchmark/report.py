"""The report: as a table for people, as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from benchmark.figures import Report, Run, Spread, Summary, ratios, summarise

HEAD = (
    "server",
    "CPU us/play [min..max]",
    "plays/s",
    "p50/p99 ms",
    "KB/player",
    "accept us/player",
    "errors",
    "beside it, us/play",
)


def make_report(
    rounds: Sequence[Sequence[Run]], names: Sequence[str], missing: Mapping[str, str]
) -> Report:
    """Sum up the runs of all rounds, the servers in the order of *names*."""
    by_name: dict[str, list[Run]] = {}
    for runs in rounds:
        for run in runs:
            by_name.setdefault(run.server, []).append(run)
    servers = [summarise(by_name[name]) for name in names if name in by_name]
    return Report(servers=servers, ratios=ratios(rounds), missing=dict(missing))


def as_json(report: Report) -> str:
    """Return the report as one JSON text."""
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    rows = [HEAD, *(_row(server) for server in report.servers)]
    lines = [*_columns(rows), "", *_about_rates(report), *_ratios(report.ratios)]
    lines += [f"{name} is missing: {why}" for name, why in report.missing.items()]
    return "\n".join(lines)


def _row(server: Summary) -> tuple[str, ...]:
    spread = f"[{server.cpu_us_per_play_min:.1f}..{server.cpu_us_per_play_max:.1f}]"
    latency = "  ".join(f"{at.p50_ms:.2f}/{at.p99_ms:.1f}" for at in server.latency.values())
    beside = (f"{who} {us:.1f}" for who, us in server.helpers_us_per_play.items())
    accept = (f", {who} {us:.0f}" for who, us in server.helpers_accept_us.items())
    return (
        server.server,
        f"{server.cpu_us_per_play:.1f} {spread}",
        f"{server.plays_per_second:.0f}",
        latency,
        f"{server.kb_per_connection:.1f}",
        f"{server.accept_us:.0f}" + "".join(accept),
        str(server.errors),
        ", ".join(beside),
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _about_rates(report: Report) -> list[str]:
    rates = sorted({rate for server in report.servers for rate in server.latency})
    return [f"p50/p99 at {' and '.join(map(str, rates))} plays/s", ""] if rates else []


def _ratios(found: Mapping[str, Spread]) -> list[str]:
    if not found:
        return []
    rows = [("CPU per play", "median", "[min..max]")]
    for name, spread in found.items():
        rows.append((name, f"{spread.median:.2f}", f"[{spread.min:.2f}..{spread.max:.2f}]"))
    return _columns(rows)
