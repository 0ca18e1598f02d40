"""Dashboards as Grafana reads them: panels in rows, laid out from left to right."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Columns of Grafana's grid, and the height of a panel in its rows.
COLUMNS, HEIGHT = 24, 7
#: Prometheus, as whoever looks chooses it.
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One graph: a question, and the figures that answer it."""

    title: str
    asks: dict[str, str]  #: Expressions by their legends.
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    says: str = ""  #: What to make of it.
    limits: tuple[float, ...] = ()  #: From where it is yellow, and red.

    def to_dict(self, id: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel at a place of the grid."""
        return {
            "id": id,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": HEIGHT},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": [
                {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                for number, (legend, expression) in enumerate(self.asks.items())
            ],
        }

    def _defaults(self) -> dict[str, Any]:
        colours = ("yellow", "red")[2 - len(self.limits) :] if self.limits else ()
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        steps += [{"color": colour, "value": limit} for colour, limit in zip(colours, self.limits, strict=True)]
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            stacking = {"mode": "normal" if self.stacked else "none"}
            defaults["custom"] = {"fillOpacity": 25 if self.stacked else 8, "stacking": stacking, "showPoints": "never"}
        return defaults

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of panels."""

    uid: str
    title: str
    rows: Sequence[Row]
    #: What whoever looks may choose: a label, and a metric that has it.
    choices: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of its file."""
        return json.dumps(self._to_dict(), indent=2) + "\n"

    def _to_dict(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["clipwarden"],
            "schemaVersion": 39,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_datasource(), *(_choice(*choice) for choice in self.choices.items())]},
            "links": [_links()],
            "annotations": {"list": [_alerts()]},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        id, y = 1, 0
        for row in self.rows:
            yield {"id": id, "type": "row", "title": row.title, "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}}
            id, x, y = id + 1, 0, y + 1
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y = 0, y + HEIGHT
                yield panel.to_dict(id, x, y)
                id, x = id + 1, x + panel.width
            y += HEIGHT


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _choice(label: str, metric: str) -> dict[str, Any]:
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "definition": query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "refresh": 2,
        "current": {"text": "All", "value": "$__all"},
    }


def _links() -> dict[str, Any]:
    return {"type": "dashboards", "tags": ["clipwarden"], "title": "clipwarden", "asDropdown": True, "keepTime": True}


def _alerts() -> dict[str, Any]:
    expression = 'ALERTS{alertname=~"Clipwarden.*",alertstate="firing"}'
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "expr": expression,
        "titleFormat": "{{alertname}}",
        "iconColor": "red",
    }
