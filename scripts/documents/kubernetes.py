"""Prometheus' rules as the Prometheus operator takes them."""

from __future__ import annotations

from textwrap import indent

_HEAD = """\
# Made by scripts/docs from etc/prometheus/rules/hokm.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: hokm
  namespace: hokm-game
  labels:
    app.kubernetes.io/name: hokm-server
spec:
"""


def prometheus_rule(rules: str) -> str:
    """Return a manifest that holds *rules*, the text of a rule file."""
    return _HEAD + indent(rules, "  ")
