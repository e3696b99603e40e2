"""Metrics of one process: all are there from the start, and none is renamed unnoticed."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from hokm.metrics import Metrics, prepare

# What dashboards, alerts and scaling rules of operators are written against.
CONTRACT = {
    "hokm_active_games": "gauge",
    "hokm_connected_players": "gauge",
    "hokm_games_created_total": "counter",
    "hokm_games_completed_total": "counter",
    "hokm_websocket_connections": "gauge",
    "hokm_response_time_seconds": "histogram",
    "hokm_error_rate": "gauge",
    "hokm_cpu_usage": "gauge",
    "hokm_memory_usage": "gauge",
    "hokm_player_queue_length": "gauge",
    "hokm_player_joins_total": "counter",
    "hokm_game_duration_seconds": "histogram",
    "hokm_scaling_events_total": "counter",
    "hokm_workers": "gauge",
    "hokm_event_loop_lag_seconds": "histogram",
    "hokm_handoff_pause_seconds": "histogram",
    "hokm_commit_seconds": "histogram",
    "hokm_commits_total": "counter",
    "hokm_plays_total": "counter",
    "hokm_messages_refused_total": "counter",
    "hokm_store_up": "gauge",
    "hokm_workers_wanted": "gauge",
    "hokm_instances_wanted": "gauge",
    "hokm_overloaded": "gauge",
    "hokm_scaling_rule_level": "gauge",
    "hokm_rooms": "gauge",
    "hokm_worker_restarts_total": "counter",
    "hokm_connections_refused_total": "counter",
    "hokm_moves_total": "counter",
    "hokm_move_aborts_total": "counter",
    "hokm_adopted_connections_total": "counter",
    "hokm_distrusted_streams_total": "counter",
    "hokm_recovery_pause_seconds": "histogram",
}


def samples(metrics: Metrics) -> dict[str, float]:
    """Read the rendered text back: sample with labels -> value."""
    return {
        sample.name + "".join(f"|{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_every_metric_is_there_from_the_start() -> None:
    """Before anything has happened each name is exposed with its type, and nothing else is."""
    lines = Metrics().render().decode().splitlines()
    types = dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE"))
    assert types == CONTRACT


def test_known_values_start_at_zero() -> None:
    """What has no labels, or known ones, is 0 and not absent."""
    found = samples(Metrics())
    assert found["hokm_plays_total"] == 0
    assert found["hokm_scaling_events_total|direction=down"] == 0
    assert found["hokm_messages_refused_total|code=must_follow"] == 0
    assert found["hokm_commit_seconds_count"] == 0
    assert found["hokm_commit_seconds_bucket|le=+Inf"] == 0
    assert set(found.values()) == {0}


def test_values_are_rendered() -> None:
    """Counts, states and times appear as they were fed; a removed label is gone."""
    metrics = Metrics()
    metrics.plays.inc(52)
    metrics.rooms.set(3)
    metrics.response_time.observe(0.002)
    metrics.cpu_usage.labels("1").set(0.25)
    metrics.cpu_usage.labels("2").set(0.5)
    metrics.cpu_usage.remove("2")
    found = samples(metrics)
    assert (found["hokm_plays_total"], found["hokm_rooms"]) == (52, 3)
    assert found["hokm_response_time_seconds_bucket|le=0.0025"] == 1
    assert found["hokm_response_time_seconds_bucket|le=0.001"] == 0
    assert found["hokm_cpu_usage|worker=1"] == 0.25
    assert "hokm_cpu_usage|worker=2" not in found


def test_prepare_cleans(tmp_path: Path) -> None:
    """The values of an earlier run are removed, and the variable for the workers is returned."""
    directory = tmp_path / "a" / "b"
    environment = prepare(directory)
    (directory / "counter_1.db").write_bytes(b"old")
    assert prepare(directory) == environment == {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    assert list(directory.iterdir()) == []
    assert directory.stat().st_mode & 0o077 == 0
