"""The Grafana dashboards under etc/grafana/dashboards: what is to be seen on each."""

from __future__ import annotations

from typing import Any, Final

from documents.grafana import Panel, Row, dashboard


def _quantiles(metric: str, window: str = "$__rate_interval") -> tuple[tuple[str, str], ...]:
    rate = f"sum by (le) (rate({metric}_bucket{{I}}[{window}]))"
    return tuple(
        (f"histogram_quantile({part}, {rate})", name)
        for part, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


def _rate(metric: str, by: str = "", times: str = "") -> str:
    """Return the expression of a counter's growth, a second or as often as *times* says."""
    grouping = f" by ({by})" if by else ""
    return f"{times}sum{grouping} (rate({metric}{{I}}[$__rate_interval]))"


PLAYERS: Final[tuple[Row, ...]] = (
    (
        "Now",
        (
            Panel("Players", "none", (("sum(hokm_connected_players{I})", ""),), stat=True),
            Panel("Matches", "none", (("sum(hokm_active_games{I})", ""),), stat=True),
            Panel("Waiting", "none", (("sum(hokm_player_queue_length{I})", ""),), stat=True),
            Panel(
                "Most players at once, last 24 h",
                "none",
                (("hokm:connected_players:peak1d", ""),),
                stat=True,
                what="Of the whole fleet, whatever instances are chosen.",
            ),
            Panel(
                "Matches completed in the last hour",
                "none",
                (("sum(increase(hokm_games_completed_total{I}[1h]))", ""),),
                stat=True,
            ),
            Panel(
                "Mean length of a match, last hour",
                "s",
                (
                    (
                        "sum(increase(hokm_game_duration_seconds_sum{I}[1h])) / "
                        "(sum(increase(hokm_game_duration_seconds_count{I}[1h])) > 0)",
                        "",
                    ),
                ),
                stat=True,
            ),
        ),
    ),
    (
        "Players",
        (
            Panel(
                "Players by instance",
                "none",
                (("sum by (instance) (hokm_connected_players{I})", "{{instance}}"),),
            ),
            Panel(
                "Coming, a minute",
                "none",
                (
                    (_rate("hokm_player_joins_total", times="60 * "), "seats taken or resumed"),
                    (_rate("hokm_connections_total", times="60 * "), "connections"),
                ),
            ),
            Panel("Most at once", "none", (("hokm_peak_connected_players{I}", "{{instance}}"),)),
        ),
    ),
    (
        "Games",
        (
            Panel(
                "Games, a minute",
                "none",
                (
                    (_rate("hokm_games_created_total", times="60 * "), "rooms created"),
                    (_rate("hokm_games_completed_total", times="60 * "), "matches completed"),
                ),
            ),
            Panel("Length of a match", "s", _quantiles("hokm_game_duration_seconds", "1h")),
            Panel("Cards played", "ops", ((_rate("hokm_plays_total"), "plays"),)),
        ),
    ),
    (
        "Who comes back",
        (
            Panel(
                "Guests",
                "none",
                (("max by (period) (hokm_guests{I})", "{{period}}"),),
                what="Browsers in which somebody played; whole days but for today.",
            ),
            Panel(
                "Came again, days later",
                "percentunit",
                (("max by (days) (hokm_guest_retention{I})", "{{days}}"),),
                what="Of the guests of a day, those who also played yesterday.",
            ),
        ),
    ),
    (
        "What players feel",
        (
            Panel("Time to an answer", "s", _quantiles("hokm_response_time_seconds")),
            Panel(
                "Failed messages",
                "percentunit",
                (("max by (instance) (hokm_error_rate{I})", "{{instance}}"),),
                what="Of each instance's worst worker.",
            ),
            Panel(
                "Refused messages",
                "ops",
                ((_rate("hokm_messages_refused_total", "code") + " > 0", "{{code}}"),),
            ),
        ),
    ),
)

OPERATORS: Final[tuple[Row, ...]] = (
    (
        "Is it well?",
        (
            Panel(
                "Instances that serve",
                "none",
                (("sum(hokm_healthy{I})", "healthy"), ("count(hokm_healthy{I})", "in all")),
                stat=True,
            ),
            Panel("Store", "none", (("min(hokm_store_up{I})", ""),), stat=True),
            Panel("Overloaded", "none", (("sum(hokm_overloaded{I})", ""),), stat=True),
            Panel(
                "Workers",
                "none",
                (
                    ("sum(hokm_workers{I})", "take rooms"),
                    ("sum(hokm_workers_target{I})", "are to"),
                    ("sum(hokm_workers_wanted{I})", "the rules ask for"),
                ),
            ),
            Panel(
                "Changes and deaths of workers, last hour",
                "none",
                (
                    (
                        "sum by (direction) (increase(hokm_scaling_events_total{I}[1h]))",
                        "{{direction}}",
                    ),
                    ("sum(increase(hokm_worker_restarts_total{I}[1h]))", "died"),
                ),
            ),
            Panel(
                "How near the rules are to firing",
                "percentunit",
                (("max by (rule) (hokm_scaling_rule_level{I})", "{{rule}}"),),
                what="From 100 % on the metric is beyond the threshold.",
            ),
        ),
    ),
    (
        "Workers",
        (
            Panel("CPU", "percentunit", (("hokm_cpu_usage{I}", "{{instance}} {{worker}}"),)),
            Panel("Memory", "percentunit", (("hokm_memory_usage{I}", "{{instance}} {{worker}}"),)),
            Panel("Lag, p99", "s", (("hokm_worker_lag_seconds{I}", "{{instance}} {{worker}}"),)),
            Panel("Rooms", "none", (("hokm_worker_rooms{I}", "{{instance}} {{worker}}"),)),
            Panel(
                "Connections", "none", (("hokm_worker_connections{I}", "{{instance}} {{worker}}"),)
            ),
            Panel("Lag of all timers", "s", _quantiles("hokm_event_loop_lag_seconds")),
        ),
    ),
    (
        "Store",
        (
            Panel("Commits", "s", _quantiles("hokm_commit_seconds")),
            Panel("Commits, a second", "ops", ((_rate("hokm_commits_total"), "commits"),)),
            Panel("Disk in use", "percentunit", (("hokm_store_disk_usage{I}", "{{instance}}"),)),
        ),
    ),
    (
        "Several instances",
        (
            Panel("Instances that live", "none", (("hokm_instances{I}", "seen by {{instance}}"),)),
            Panel("Age of the lease", "s", (("hokm_lease_age_seconds{I}", "{{instance}}"),)),
            Panel(
                "Connections relayed to another instance",
                "ops",
                ((_rate("hokm_relays_total", "instance"), "{{instance}}"),),
            ),
        ),
    ),
    (
        "Machine",
        (
            Panel(
                "CPU and memory of the machine",
                "percentunit",
                (
                    ("hokm_host_cpu_usage{I}", "{{instance}} CPU"),
                    ("hokm_host_memory_usage{I}", "{{instance}} memory"),
                ),
            ),
            Panel(
                "Cores used", "none", ((_rate("hokm_cpu_seconds_total", "process"), "{{process}}"),)
            ),
            Panel("Memory", "bytes", (("sum by (process) (hokm_memory_bytes{I})", "{{process}}"),)),
            Panel(
                "Players' bytes",
                "Bps",
                ((_rate("hokm_network_bytes_total", "direction"), "{{direction}}"),),
            ),
            Panel(
                "Network and disks of the machine",
                "Bps",
                (
                    (_rate("hokm_host_network_bytes_total", "direction"), "network {{direction}}"),
                    (_rate("hokm_host_disk_bytes_total", "direction"), "disk {{direction}}"),
                ),
            ),
            Panel(
                "Disk, by process",
                "Bps",
                (
                    (
                        _rate("hokm_disk_bytes_total", "process, direction"),
                        "{{process}} {{direction}}",
                    ),
                ),
            ),
            Panel(
                "Descriptors in use",
                "percentunit",
                (("hokm_descriptor_usage{I}", "{{instance}} {{process}}"),),
            ),
            Panel(
                "Connections turned away",
                "ops",
                ((_rate("hokm_connections_refused_total", "reason"), "{{reason}}"),),
            ),
            Panel(
                "Another instance wanted", "none", (("hokm_instances_wanted{I}", "{{instance}}"),)
            ),
        ),
    ),
)

HANDOFFS: Final[tuple[Row, ...]] = (
    (
        "Rooms that move",
        (
            Panel(
                "Moves, a minute", "none", ((_rate("hokm_moves_total", times="60 * "), "rooms"),)
            ),
            Panel(
                "Standstill",
                "s",
                _quantiles("hokm_handoff_pause_seconds", "15m"),
                what="Promised: p99 of 50 ms.",
            ),
            Panel(
                "Moves that were aborted, last 15 minutes",
                "none",
                (("sum by (reason) (increase(hokm_move_aborts_total{I}[15m]))", "{{reason}}"),),
                what="The room stays where it was, and goes on.",
            ),
        ),
    ),
    (
        "Workers that die",
        (
            Panel(
                "Deaths, last 15 minutes",
                "none",
                (
                    (
                        "sum by (instance) (increase(hokm_worker_restarts_total{I}[15m]))",
                        "{{instance}}",
                    ),
                ),
            ),
            Panel(
                "Standstill",
                "s",
                _quantiles("hokm_recovery_pause_seconds", "15m"),
                what="Promised: 1 s.",
            ),
            Panel(
                "Connections",
                "none",
                (
                    ("sum(increase(hokm_adopted_connections_total{I}[15m]))", "went on"),
                    (
                        "sum by (trust) (increase(hokm_distrusted_streams_total{I}[15m]))",
                        "closed: {{trust}}",
                    ),
                ),
                what="Of dead workers, in 15 minutes. Closed ones are resumed by token.",
            ),
        ),
    ),
    (
        "Where rooms are",
        (
            Panel("Rooms", "none", (("hokm_worker_rooms{I}", "{{instance}} {{worker}}"),)),
            Panel(
                "Connections", "none", (("hokm_worker_connections{I}", "{{instance}} {{worker}}"),)
            ),
            Panel("Lag, p99", "s", (("hokm_worker_lag_seconds{I}", "{{instance}} {{worker}}"),)),
        ),
    ),
)


def dashboards() -> dict[str, dict[str, Any]]:
    """Return all dashboards by the name of their file."""
    return {
        "players.json": dashboard("hokm-players", "hokm: players", PLAYERS),
        "operators.json": dashboard("hokm-operators", "hokm: operators", OPERATORS),
        "handoffs.json": dashboard("hokm-handoffs", "hokm: handoffs", HANDOFFS),
    }
