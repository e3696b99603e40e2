"""For each alert: values at which it must fire, values just on the other side, and since when.

Values are a sample every 15 s, in promtool's notation: `2x40` is a 2 and 40 more of them, `0+3x40`
rises by 3 each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

STEP_S: Final = 15
GROUPS: Final = ("hokm-recorded", "hokm-critical", "hokm-warning")  # what is recorded comes first
LONG: Final = 300  # samples: 75 minutes
ONE: Final = 'instance="one"'

Series = dict[str, str]  # values by series


@dataclass(frozen=True)
class Case:
    """One alert.

    Attributes:
        fires: Series with which it fires.
        quiet: Others, with which it never does.
        lasts_s: For how long its condition must hold.
        since_s: When the condition begins to hold.
    """

    fires: Series
    quiet: Series
    lasts_s: int = 0
    since_s: int = 0


def _level(series: str, fires: float, quiet: float, lasts_s: int) -> Case:
    name, _, labels = series.partition("{")
    full = f"{name}{{{ONE},{labels}" if labels else f"{name}{{{ONE}}}"
    return Case({full: f"{fires}x{LONG}"}, {full: f"{quiet}x{LONG}"}, lasts_s)


def _p99(metric: str, bounds: tuple[float, float, float], lasts_s: int = 0) -> Case:
    """The 99th percentile is on the middle bound, or a little beyond it."""

    def series(within: int) -> Series:
        low, middle, high = bounds
        counts = {low: 0, middle: within, high: 100, "+Inf": 100}
        return {
            f'{metric}_bucket{{{ONE},le="{bound}"}}': f"0+{count}x{LONG}"
            for bound, count in counts.items()
        }

    # A rate needs two samples, hence a step.
    return Case(series(98), series(99), lasts_s, STEP_S)


def _jumps(counts: dict[str, tuple[int, int]]) -> Case:
    """Counters jump once, all at the same time: to the first number, or to the second one."""

    def series(which: int) -> Series:
        return {name: f"0x20 {to[which]}x{LONG}" for name, to in counts.items()}

    return Case(series(0), series(1), 0, 21 * STEP_S)


CASES: Final[dict[str, Case]] = {
    "HighErrorRate": _level('hokm_error_rate{worker="1"}', 0.051, 0.05, 120),
    "AllInstancesDown": Case(
        {f'up{{job="hokm-servers",instance="{name}"}}': f"0x{LONG}" for name in ("one", "two")},
        {
            'up{job="hokm-servers",instance="one"}': f"0x{LONG}",
            'up{job="hokm-servers",instance="two"}': f"1x{LONG}",
        },
        60,
    ),
    "Unhealthy": _level("hokm_healthy", 0, 1, 60),
    "StoreDown": _level("hokm_store_up", 0, 1, 30),
    "StoreDiskFull": _level("hokm_store_disk_usage", 0.951, 0.95, 300),
    "Overloaded": _level("hokm_overloaded", 1, 0, 60),
    "LeaseNotRenewed": _level("hokm_lease_age_seconds", 7.1, 7, 30),
    "PlayersGone": Case(
        {
            'hokm_connected_players{instance="one"}': f"60x40 29x{LONG}",
            'hokm_connected_players{instance="two"}': f"40x40 20x{LONG}",
        },
        {
            'hokm_connected_players{instance="one"}': f"60x40 30x{LONG}",
            'hokm_connected_players{instance="two"}': f"40x40 20x{LONG}",
        },
        60,
        41 * STEP_S,
    ),
    "InstanceDown": _level('up{job="hokm-servers"}', 0, 1, 60),
    "HighCPUUsage": _level('hokm_cpu_usage{worker="1"}', 0.801, 0.8, 300),
    "HighMemoryUsage": _level("hokm_host_memory_usage", 0.901, 0.9, 300),
    "ScalingEventFrequent": _jumps(
        {
            f'hokm_scaling_events_total{{{ONE},direction="up"}}': (4, 3),
            f'hokm_scaling_events_total{{{ONE},direction="down"}}': (2, 2),
        }
    ),
    "SlowResponses": _p99("hokm_response_time_seconds", (0.1, 0.2, 0.5), 300),
    "SlowEventLoop": _level('hokm_worker_lag_seconds{worker="1"}', 0.051, 0.05, 120),
    "SlowCommits": _p99("hokm_commit_seconds", (0.05, 0.1, 0.2), 300),
    "WorkersRestarting": _jumps({f"hokm_worker_restarts_total{{{ONE}}}": (3, 2)}),
    "WorkersMissing": Case(
        {f"hokm_workers{{{ONE}}}": f"1x{LONG}", f"hokm_workers_target{{{ONE}}}": f"2x{LONG}"},
        {f"hokm_workers{{{ONE}}}": f"2x{LONG}", f"hokm_workers_target{{{ONE}}}": f"2x{LONG}"},
        300,
    ),
    "LongHandoffPauses": _p99("hokm_handoff_pause_seconds", (0.025, 0.05, 0.1)),
    "LongRecoveryPauses": _p99("hokm_recovery_pause_seconds", (0.5, 1.0, 2.5)),
    "MovesAborted": _jumps(
        {
            f'hokm_move_aborts_total{{{ONE},reason="deadline"}}': (6, 5),
            f'hokm_move_aborts_total{{{ONE},reason="store_away"}}': (5, 5),
        }
    ),
    "ConnectionsRefused": Case(
        {f'hokm_connections_refused_total{{{ONE},reason="crowded"}}': f"0+15.1x{LONG}"},
        {f'hokm_connections_refused_total{{{ONE},reason="crowded"}}': f"0+15x{LONG}"},
        300,
        300,  # a rate over five minutes is small until there are so many
    ),
    "DescriptorsNearLimit": _level('hokm_descriptor_usage{process="worker 1"}', 0.801, 0.8, 300),
    "StoreDiskFilling": _level("hokm_store_disk_usage", 0.851, 0.85, 600),
    "InstanceWanted": _level("hokm_instances_wanted", 1, 0, 600),
    "QueueLong": _level("hokm_player_queue_length", 21, 20, 300),
}


def promtool_tests(rules: str) -> dict[str, Any]:
    """Return the tests of all cases, as promtool reads them.

    Args:
        rules: Path of the rules.
    """
    nobody = {f"hokm_rooms{{{ONE}}}": f"0x{LONG}"}  # Prometheus knows of no server at all
    tests = [_test("AllInstancesDown", nobody, {45: 0, 60: 1})]
    for alert, case in CASES.items():
        due = case.since_s + case.lasts_s
        times = {due: 1, due - STEP_S: 0} if due else {due: 1}
        tests.append(_test(alert, case.fires, times))
        tests.append(_test(alert, case.quiet, {due: 0, due + 600: 0}))
    return {
        "rule_files": [rules],
        "evaluation_interval": f"{STEP_S}s",
        "group_eval_order": GROUPS,
        "tests": tests,
    }


def _test(alert: str, series: Series, fires: dict[int, int]) -> dict[str, Any]:
    """Return a test: at these times, in seconds, the alert fires (1) or not (0)."""
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": f"{STEP_S}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{seconds}s",
                "exp_samples": [{"labels": "{}", "value": value}],
            }
            for seconds, value in fires.items()
        ],
    }
