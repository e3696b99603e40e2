# mypy: disallow-untyped-decorators=False
"""What Prometheus and Alertmanager are given is read by the real ones, and has something to say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import yaml
from ports import free_ports
from twisted.internet import threads
from twisted.internet.defer import Deferred, gatherResults

from hokm.client import CommandRefused
from hokm.metrics import Metrics
from hokm.scaling import DEFAULTS
from hokm.tasks import run
from tests.alerts import CASES, promtool_tests
from tests.conftest import Server, missing
from tests.integration.test_matches import FAST, Table, wait
from tests.integration.test_sites import METRICS, ask

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "etc" / "prometheus"
RULES = PROMETHEUS / "rules" / "hokm.yml"
DASHBOARDS = sorted((ROOT / "etc" / "grafana" / "dashboards").glob("*.json"))
GUESTS_SECONDS = 60.0  # within them they come, and are counted
GUIDE = {  # alerts of the deployment guide: metric, threshold, time and severity
    "HighErrorRate": ("hokm_error_rate", "> 0.05", "2m", "critical"),
    "AllInstancesDown": ('up{job="hokm-servers"}', "== 0", "1m", "critical"),
    "HighCPUUsage": ("hokm_cpu_usage", "> 0.8", "5m", "warning"),
    "ScalingEventFrequent": ("hokm_scaling_events_total[1h]", "> 5", "0m", "warning"),
}


def tool(name: str, *arguments: object) -> str:
    """Run one of the tools; returns what it says."""
    if shutil.which(name) is None:
        missing(name, "apt install prometheus prometheus-alertmanager")
    done = subprocess.run(
        [name, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts() -> dict[str, Any]:
    """Return the alert rules by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


# --- what can be checked without a server ----------------------------------------------------


def test_the_tools_read_the_files() -> None:
    """Prometheus' and Alertmanager's own checkers find nothing wrong."""
    assert "SUCCESS" in tool("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert "SUCCESS" in tool("amtool", "check-config", ROOT / "etc/alertmanager/alertmanager.yml")


def test_alerts_fire(tmp_path: Path) -> None:
    """Each one does, a moment after its condition holds, not before, and not just below."""
    assert set(CASES) == set(alerts())
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps(promtool_tests(str(RULES))))
    assert "SUCCESS" in tool("promtool", "test", "rules", file)


def test_alerts_are_the_guides_and_are_explained() -> None:
    """Four are as the guide has them; each has a severity, and says what to do about it."""
    runbook = (ROOT / "docs" / "operations" / "monitoring.md").read_text()
    found = alerts()
    for name, (metric, threshold, lasts, severity) in GUIDE.items():
        rule = found[name]
        assert metric in rule["expr"] and threshold in rule["expr"], name
        assert (rule["for"], rule["labels"]["severity"]) == (lasts, severity)
    for name, rule in found.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        anchor = f"docs/operations/monitoring.md#{name.lower()}"
        assert rule["annotations"]["runbook_url"] == anchor
        assert f"\n### {name}\n" in runbook, name
    entries = re.findall(r"^### (\w+)$", runbook, re.MULTILINE)
    assert entries == list(found)


def test_kubernetes_has_the_same_rules() -> None:
    """Those for the Prometheus operator are the ones that are tested here."""
    manifest = ROOT / "etc" / "kubernetes" / "monitoring" / "prometheus-rule.yml"
    rules = yaml.safe_load(RULES.read_text())
    assert yaml.safe_load(manifest.read_text())["spec"] == rules


def test_inhibitions_name_alerts() -> None:
    """Alertmanager is told of no alert that there is not."""
    text = (ROOT / "etc" / "alertmanager" / "alertmanager.yml").read_text()
    named = re.findall(r'alertname=~?"([\w|]+)"', text)
    assert named and {name for names in named for name in names.split("|")} <= set(alerts())


def test_dashboards_name_metrics() -> None:
    """Whatever a panel, a rule or the page on monitoring names is a metric, or recorded."""
    metrics = {metric.name for metric in Metrics().listed}
    histograms = {m.name for m in Metrics().listed if m.kind == "histogram"}
    metrics |= {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    page = ROOT / "docs" / "operations" / "monitoring.md"
    for file in [*DASHBOARDS, RULES, page]:
        text = file.read_text()
        assert set(re.findall(r"\bhokm_\w+", text)) <= metrics, file
        assert set(re.findall(r"\bhokm:\w+:\w+", text)) <= recorded, file
    assert len(DASHBOARDS) == 3


# --- and with one ----------------------------------------------------------------------------


class Prometheus:
    """A Prometheus and an Alertmanager with our files, only that they look once a second."""

    def __init__(self, directory: Path, targets: list[str], webhook: str) -> None:
        self.port, alerting = free_ports(2)
        shutil.copytree(PROMETHEUS, directory / "prometheus")
        config = directory / "prometheus" / "prometheus.yml"
        config.write_text(re.sub(r"(_interval): 15s", r"\1: 1s", config.read_text()))
        self._aim(directory, "hokm", targets)
        self._aim(directory, "alertmanager", [f"127.0.0.1:{alerting}"])
        manager = directory / "alertmanager.yml"
        text = (ROOT / "etc" / "alertmanager" / "alertmanager.yml").read_text()
        text = text.replace("http://127.0.0.1:9095/alerts", webhook)
        manager.write_text(re.sub(r"group_wait: \d+s", "group_wait: 1s", text))
        self._log = (directory / "log").open("wb")
        self._processes = [
            self._start(
                "prometheus",
                f"--config.file={config}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--storage.tsdb.path={directory / 'data'}",
            ),
            self._start(
                "prometheus-alertmanager",
                f"--config.file={manager}",
                f"--web.listen-address=127.0.0.1:{alerting}",
                f"--storage.path={directory / 'alerts'}",
                "--cluster.listen-address=",  # else it opens a port to the world
            ),
        ]

    def _aim(self, directory: Path, job: str, targets: list[str]) -> None:
        file = directory / "prometheus" / "targets" / f"{job}.yml"
        file.write_text(json.dumps([{"targets": targets}]))

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[Any]:
        """Evaluate an expression; returns its samples."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)
        self._log.close()


class Webhook(ThreadingHTTPServer):
    """Takes what Alertmanager sends.

    Attributes:
        told: Alerts that fire, by name.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.told: dict[str, Any] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Webhook(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            if alert["status"] == "firing":
                self.server.told[alert["labels"]["alertname"]] = alert
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Run a webhook."""
    running = Webhook()
    yield running
    running.shutdown()
    running.server_close()


def expressions() -> dict[str, str]:
    """Return what the panels of all dashboards ask, as Grafana would, by panel and query."""
    return {
        f"{file.stem}: {panel['title']} ({target['refId']})": target["expr"]
        .replace("$instance", ".*")
        .replace("$__rate_interval", "1m")
        for file in DASHBOARDS
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    }


def key_metrics() -> dict[str, str]:
    """Return the expressions of the table of key metrics in the page on monitoring."""
    text = (ROOT / "docs" / "operations" / "monitoring.md").read_text()
    table = text.partition("## Key metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| `(.+?)` \|", table, re.MULTILINE)
    return {name: expression.replace(r"\|", "|") for name, expression in rows}


async def until(holds: Callable[[], Any], what: str, seconds: float = 40.0) -> Any:
    """Wait until something is so; returns it."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = await threads.deferToThread(holds)
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, what
        await wait(0.2)


def rules_out_of_reach(directory: Path) -> str:
    """Write a file in which no rule asks for more, however busy the machine is; returns its path.

    How many workers there are is for the test to say; what the rules measure is shown all the same.
    """
    tables = [
        f'[[scaling.rule]]\nname = "{rule.name}"\nabove = 1e9\n'
        for rule in DEFAULTS
        if rule.above is not None
    ]
    file = directory / "hokm.toml"
    file.write_text("".join(tables))
    return str(file)


async def see_guests(server: Server, prometheus: Prometheus) -> None:
    """Let guests come, and see that they are counted: while it is the same day."""
    now = datetime.now(UTC)
    if (now + timedelta(seconds=GUESTS_SECONDS)).date() != now.date():
        await wait(GUESTS_SECONDS)
    await threads.deferToThread(have_guests, server)
    counted = 'hokm_guests{period="today"} == 2 and on() hokm_guest_retention{days="1"} == 0.5'
    await until(lambda: prometheus.query(counted), "they count")


def have_guests(server: Server) -> None:
    """Two browsers come today; one of the two who came the day before yesterday came again."""
    for guest in (1, 2, 1):
        body = json.dumps({"guest": f"{guest:032x}"}).encode()
        assert ask(server.port, "/api/visits", "POST", body).status == 204
    today = datetime.now(UTC).date()
    store = socket.socket(socket.AF_UNIX)
    store.connect(server.status()["store"]["address"].removeprefix("unix://"))
    with store:
        for days, guests in ((1, "a c"), (2, "a b")):
            key = f"hokm:{{guests}}:{today - timedelta(days=days)}"
            store.sendall(f"PFADD {key} {guests}\r\n".encode())
            assert store.recv(100) == b":1\r\n"


async def live_through(server: Server) -> list[Table]:
    """Let happen what there are metrics of; returns tables at which play goes on."""
    tables = [Table(server.url, seed, target=1) for seed in range(4)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table")
    await job(server, "/api/scale", {"workers": 3})
    await job(server, "/api/workers/1/drain")
    for _ in range(3):
        pids = await threads.deferToThread(server.worker_pids)
        os.kill(pids[0], signal.SIGKILL)
        await until(lambda gone=pids[0]: gone not in server.worker_pids(), "the worker is dead")
        await until(lambda: len(server.worker_pids()) == 2, "another one has its place")
    return tables


async def job(server: Server, path: str, body: Any = None) -> None:
    """Have an operator's wish done."""
    asked = await threads.deferToThread(server.post, path, body)
    await until(lambda: server.get(f"/api/jobs/{asked['id']}", admin=True)["state"] == "done", path)


def check_counters(prometheus: Prometheus) -> None:
    """See that no counter went down, though workers died and the supervisor executed itself."""
    ends = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",)}
    for metric in Metrics().listed:
        for end in ends.get(metric.kind, ()):
            name = metric.name + end
            assert prometheus.query(name), name
            assert prometheus.query(f"resets({name}[10m]) > 0") == [], name


def check_contents(prometheus: Prometheus) -> None:
    """See that Prometheus has all that it is to have."""
    named = prometheus.query('count by (__name__) ({__name__=~"hokm_.+"})')
    names = {sample["metric"]["__name__"] for sample in named}
    listed = Metrics().listed
    assert {name.removesuffix("_total").removesuffix("_count") for name in names} >= METRICS
    ends = {"histogram": ("_bucket", "_sum", "_count")}
    wanted = {m.name + end for m in listed for end in ends.get(m.kind, ("",))}
    assert wanted - names == set()
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    recorded = {rule["name"]: rule["name"] for rule in rules if rule["type"] == "recording"}
    for asked in (recorded, expressions(), key_metrics()):
        assert len(asked) >= 13
        for what, expression in asked.items():
            values = [sample["value"][1] for sample in prometheus.query(expression)]
            assert set(values) - {"NaN"}, f"{what}: {expression}: {values}"


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_real_prometheus(
    start_server: Callable[..., Server], tmp_path: Path, webhook: Webhook
) -> None:
    """It scrapes a server on which all sorts of things happen, and an alert comes to the webhook.

    Every metric is there, every panel has something to show, no counter goes down.
    """
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            missing(program, f"apt install {program}")
    config = rules_out_of_reach(tmp_path)
    server = start_server("--config", config, workers="1-3", HOKM_SCALING_INTERVAL_S="1", **FAST)
    prometheus = Prometheus(
        tmp_path / "monitoring",
        [f"127.0.0.1:{server.admin_port}"],
        f"http://127.0.0.1:{webhook.server_port}/",
    )
    try:
        await until(lambda: prometheus.query("hokm_healthy == 1"), "it is scraped")
        guests = Deferred.fromCoroutine(see_guests(server, prometheus))
        tables = await live_through(server)
        await until(lambda: "WorkersRestarting" in webhook.told, "the alert comes")
        await until(lambda: prometheus.query("hokm_games_completed_total > 3"), "matches end")
        await guests
        await until(lambda: prometheus.query("hokm_host_cpu_usage"), "all is known")
        with pytest.raises(CommandRefused):
            await tables[0].clients[1].start()  # he is not the host
        refused = "rate(hokm_messages_refused_total[1m]) > 0"  # what a panel shows
        await until(lambda: prometheus.query(refused), "the refusal shows")
        await threads.deferToThread(check_contents, prometheus)
        await threads.deferToThread(server.post, "/api/upgrade")
        text = "connections of the life before go on"
        await until(lambda: text in server.log.read_text(), "it has executed itself")
        await until(lambda: prometheus.query("hokm_host_memory_usage"), "all is known again")
        await threads.deferToThread(check_counters, prometheus)
        assert prometheus.query("hokm_worker_restarts_total == 3")
        for table in tables:
            table.end()
    finally:
        await threads.deferToThread(prometheus.stop)
    alert = webhook.told["WorkersRestarting"]
    # Prometheus extrapolates what it has seen for some seconds only: 3 may become 4.
    told = rf"127.0.0.1:{server.admin_port}: [34] of them in 15 minutes\."
    assert re.fullmatch(told, alert["annotations"]["description"])
