"""Metrics of one process: all are there from the start, and none is renamed unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hokm.metrics import Metrics, markdown
from hokm.multiprocess import prepare

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
    "hokm_instances": "gauge",
    "hokm_lease_age_seconds": "gauge",
    "hokm_relays_total": "counter",
    "hokm_workers_wanted": "gauge",
    "hokm_instances_wanted": "gauge",
    "hokm_overloaded": "gauge",
    "hokm_scaling_rule_level": "gauge",
    "hokm_rooms": "gauge",
    "hokm_gate_connections": "gauge",
    "hokm_worker_restarts_total": "counter",
    "hokm_connections_refused_total": "counter",
    "hokm_moves_total": "counter",
    "hokm_move_aborts_total": "counter",
    "hokm_adopted_connections_total": "counter",
    "hokm_distrusted_streams_total": "counter",
    "hokm_recovery_pause_seconds": "histogram",
    "hokm_peak_connected_players": "gauge",
    "hokm_connections_total": "counter",
    "hokm_healthy": "gauge",
    "hokm_store_disk_usage": "gauge",
    "hokm_workers_target": "gauge",
    "hokm_worker_lag_seconds": "gauge",
    "hokm_worker_rooms": "gauge",
    "hokm_worker_connections": "gauge",
    "hokm_cpu_seconds_total": "counter",
    "hokm_memory_bytes": "gauge",
    "hokm_disk_bytes_total": "counter",
    "hokm_network_bytes_total": "counter",
    "hokm_descriptor_usage": "gauge",
    "hokm_host_cpu_usage": "gauge",
    "hokm_host_memory_usage": "gauge",
    "hokm_host_network_bytes_total": "counter",
    "hokm_host_disk_bytes_total": "counter",
    "hokm_guests": "gauge",
    "hokm_guest_retention": "gauge",
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


def test_what_is_not_known_is_not_there() -> None:
    """A gauge that nobody has set, or whose value cannot be read any more, has no sample."""
    metrics = Metrics()
    assert "hokm_host_cpu_usage" not in samples(metrics)
    metrics.host_cpu_usage.set(0.5)
    metrics.scaling_rule_level.labels("hot").set(0.7)
    found = samples(metrics)
    assert found["hokm_host_cpu_usage"] == 0.5
    assert found["hokm_scaling_rule_level|rule=hot"] == 0.7
    metrics.host_cpu_usage.set(float("nan"))
    metrics.scaling_rule_level.labels("hot").set(float("nan"))
    assert not {name for name in samples(metrics) if "host_cpu" in name or "level" in name}


def test_a_life_counts_on_from_the_one_before() -> None:
    """Counters and histograms go on, gauges begin anew, and nothing is counted twice."""
    before = Metrics()
    before.plays.inc(7)
    before.rooms.set(3)
    before.response_time.observe(0.002)
    before.moves.inc()
    life = Metrics()
    life.go_on(before.counted())
    life.plays.inc(5)
    life.response_time.observe(0.002)
    third = Metrics()
    third.go_on(life.counted())
    found = samples(third)
    assert (found["hokm_plays_total"], found["hokm_rooms"], found["hokm_moves_total"]) == (12, 0, 1)
    assert found["hokm_response_time_seconds_bucket|le=0.0025"] == 2
    assert found["hokm_response_time_seconds_count"] == 2
    assert found["hokm_response_time_seconds_sum"] == pytest.approx(0.004)


def test_every_metric_is_explained() -> None:
    """The document names each one once, with its type and a sentence."""
    rows = [line.split(" | ") for line in markdown().splitlines() if line.startswith("| `hokm_")]
    assert {name.strip("| `"): kind for name, kind, *_ in rows} == CONTRACT
    assert len(rows) == len(CONTRACT)
    assert all(row[-1].endswith(". |") for row in rows)


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


def test_a_file_that_was_just_made(tmp_path: Path) -> None:
    """It holds nothing yet, and hides nobody's values; with its process it goes."""
    metrics = Metrics(workers=tmp_path)
    metrics.plays.inc()
    (tmp_path / "counter_7.db").touch()
    assert samples(metrics)["hokm_plays_total"] == 1
    metrics.forget(7)
    assert list(tmp_path.iterdir()) == []


def test_prepare_cleans(tmp_path: Path) -> None:
    """The values of an earlier run are removed, and the variable for the workers is returned."""
    directory = tmp_path / "a" / "b"
    environment = prepare(directory)
    (directory / "counter_1.db").write_bytes(b"old")
    assert prepare(directory) == environment == {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    assert list(directory.iterdir()) == []
    assert directory.stat().st_mode & 0o077 == 0
