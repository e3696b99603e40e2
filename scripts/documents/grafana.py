"""From rows of panels to the JSON that Grafana reads.

What is the same for all: three panels abreast, the data source and the instances chosen at the top
of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

SCHEMA: Final = 38  # of Grafana 10
WIDTH: Final = 8  # of 24 columns
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        unit: As Grafana names it: s, percentunit, bytes, Bps, short, none, ops.
        queries: Expressions with their legends; `I` in them is the choice of instances.
        stat: Shown as one large number.
        what: What one sees, where the title does not say it.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    stat: bool = False
    what: str = ""


Row: TypeAlias = tuple[str, tuple[Panel, ...]]  # its title, and what is in it


def dashboard(uid: str, title: str, rows: tuple[Row, ...]) -> dict[str, Any]:
    """Return a dashboard.

    Args:
        uid: Names it in addresses.
    """
    panels: list[dict[str, Any]] = []
    y = 0
    for name, content in rows:
        place = {"x": 0, "y": y, "w": 24, "h": 1}
        panels.append(_numbered(panels, {"type": "row", "title": name, "gridPos": place}))
        y += 1
        for n, panel in enumerate(content):
            column = n % (24 // WIDTH)
            if n and column == 0:
                y += HEIGHT
            place = {"x": column * WIDTH, "y": y, "w": WIDTH, "h": HEIGHT}
            panels.append(_numbered(panels, {**_panel(panel), "gridPos": place}))
        y += HEIGHT
    return {
        "uid": uid,
        "title": title,
        "tags": ["hokm"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source_variable(), _instance_variable()]},
        "panels": panels,
    }


def _numbered(panels: list[dict[str, Any]], panel: dict[str, Any]) -> dict[str, Any]:
    return {"id": len(panels) + 1, **panel}


def _panel(panel: Panel) -> dict[str, Any]:
    chosen = 'instance=~"$instance"'
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": SOURCE,
            "expr": expr.replace("{I}", f"{{{chosen}}}"),
            "legendFormat": legend,
        }
        for n, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.what,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data", "type": "datasource", "query": "prometheus"}


def _instance_variable() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Instances",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(hokm_workers, instance)",
        "refresh": 2,  # whenever the time changes
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
