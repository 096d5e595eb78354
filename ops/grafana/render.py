"""Grafana's JSON of a dashboard (schema of Grafana 11: https://grafana.com/docs/grafana/latest/dashboards/)."""

from __future__ import annotations

import json
from typing import Any

from ops.grafana.boards import Board, Panel

_WIDTH, _COLUMNS, _HEIGHT = 24, 3, 8
# chosen when the dashboard is imported or provisioned
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def render(board: Board) -> str:
    """Return the file's text."""
    panels: list[dict[str, Any]] = []
    y = 0
    for heading, row in board.rows:
        place = {"x": 0, "y": y, "w": _WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "gridPos": place})
        y += 1
        for number, panel in enumerate(row):
            width = _WIDTH // _COLUMNS
            place = {"x": number % _COLUMNS * width, "y": y + number // _COLUMNS * _HEIGHT, "w": width, "h": _HEIGHT}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        y += -(-len(row) // _COLUMNS) * _HEIGHT
    dashboard = {
        "uid": board.uid,
        "title": board.title,
        "tags": ["karyaksham"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(65 + number), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }
