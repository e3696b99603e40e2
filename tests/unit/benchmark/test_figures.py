"""What runs add up to: medians, ratios within a round, and who does not count."""

from __future__ import annotations

import json

import pytest
from benchmark.figures import Latency, Run, Spread, ratios, summarise
from benchmark.report import as_json, as_text, make_report


def run(server: str, cpu: float, *, errors: int = 0) -> Run:
    """Return a run with figures that are told apart."""
    return Run(
        server,
        cpu_us_per_play=cpu,
        plays_per_second=1e6 / cpu,
        latency={500: Latency(cpu / 100, cpu / 10), 2000: Latency(cpu, cpu)},
        helpers_us_per_play={"store": cpu / 5},
        kb_per_connection=cpu / 20,
        accept_us=2 * cpu,
        errors=errors,
        first_error="/ws: event 7 after 5" if errors else "",
    )


ROUNDS = [
    [run("hokm", 60.0), run("ws", 50.0)],
    [run("hokm", 90.0), run("ws", 100.0)],
    [run("hokm", 80.0), run("ws", 40.0)],
]


def test_a_ratio_is_taken_within_a_round() -> None:
    """The median of 1.2, 0.9 and 2.0: the quotient of the medians would be 1.6."""
    spread = ratios(ROUNDS)["hokm/ws"]
    assert (spread.median, spread.min, spread.max) == pytest.approx((1.2, 0.9, 2.0))


def test_only_ours_are_compared() -> None:
    """Peers are not rated against each other."""
    rounds = [[run("hokm", 1.0), run("hokm_nostore", 1.0), run("ws", 1.0), run("aiohttp", 1.0)]]
    assert set(ratios(rounds)) == {
        "hokm/hokm_nostore",
        "hokm/ws",
        "hokm/aiohttp",
        "hokm_nostore/hokm",
        "hokm_nostore/ws",
        "hokm_nostore/aiohttp",
    }


def test_a_run_with_an_error_does_not_count() -> None:
    """Neither in a median nor in a ratio; its errors are told."""
    rounds = [*ROUNDS, [run("hokm", 1.0, errors=3), run("ws", 1000.0)]]
    summary = summarise([runs[0] for runs in rounds])
    assert (summary.cpu_us_per_play, summary.cpu_us_per_play_min) == (80.0, 60.0)
    assert summary.errors == 3
    assert ratios(rounds)["hokm/ws"] == ratios(ROUNDS)["hokm/ws"]


def test_a_server_without_a_good_run() -> None:
    """It is in the report, with its errors and no ratio."""
    rounds = [[run("hokm", 60.0), Run("ws", errors=1, first_error="refused")]]
    report = make_report(rounds, ("hokm", "ws"), {})
    assert [(server.server, server.errors) for server in report.servers] == [("hokm", 0), ("ws", 1)]
    assert report.ratios == {}


def test_figures_are_medians() -> None:
    """Every figure is; p50 and p99 are those of the lowest rate."""
    summary = summarise([runs[0] for runs in ROUNDS])
    assert summary.cpu_us_per_play_max == 90.0
    assert (summary.p50_ms, summary.p99_ms) == (0.8, 8.0)
    assert summary.latency[2000] == Latency(80.0, 80.0)
    assert summary.helpers_us_per_play == {"store": 16.0}
    assert (summary.kb_per_connection, summary.accept_us) == (4.0, 160.0)


def test_the_spread_of_an_even_number() -> None:
    """The median lies between the two in the middle."""
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)


def test_json_is_what_was_promised() -> None:
    """Programs find the names that docs/performance.md gives, servers in the order asked for."""
    report = make_report(ROUNDS, ("ws", "hokm", "picows"), {"picows": "pip failed: no network"})
    told = json.loads(as_json(report))
    assert [server["server"] for server in told["servers"]] == ["ws", "hokm"]
    for server in told["servers"]:
        assert {"cpu_us_per_play", "p50_ms", "p99_ms", "kb_per_connection", "errors"} <= set(server)
    assert set(told["ratios"]["hokm/ws"]) == {"median", "min", "max"}
    assert told["missing"] == {"picows": "pip failed: no network"}


def test_the_table_names_everything() -> None:
    """Servers, ratios, the rates of the times, and who is missing and why."""
    text = as_text(make_report(ROUNDS, ("hokm", "ws"), {"picows": "pip failed: no network"}))
    for words in (
        "80.0 [60.0..90.0]",
        "1.20",
        "[0.90..2.00]",
        "500 and 2000 plays/s",
        "no network",
    ):
        assert words in text
