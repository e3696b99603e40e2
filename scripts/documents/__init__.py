"""Makes the documents that follow from the code.

They are those of the protocol, the settings, the rules and the metrics, Grafana's dashboards, and
Prometheus' rules as Kubernetes takes them.
"""
