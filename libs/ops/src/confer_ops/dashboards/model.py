"""What a dashboard is made of, and its JSON as Grafana reads it (dashboard schema 41, Grafana 12)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
JAEGER: Final = {"type": "jaeger", "uid": "jaeger"}
COLUMNS: Final = 24
RATE: Final = "$__rate_interval"

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "table", "heatmap", "traces"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL; `legend` names a series by its labels. `exemplars`: dots that lead to traces."""

    expression: str
    legend: str = ""
    exemplars: bool = False
    heatmap: bool = False
    instant: bool = False

    def json(self) -> Json:
        return {
            "datasource": PROMETHEUS,
            "expr": self.expression,
            "legendFormat": self.legend or "__auto",
            "exemplar": self.exemplars,
            "format": "heatmap" if self.heatmap else "table" if self.instant else "time_series",
            "instant": self.instant,
            "range": not self.instant,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Traces of Jaeger: those of an operation of a service, or the one with an id."""

    service: str = ""
    operation: str = ""
    trace: str = ""

    def json(self) -> Json:
        if self.trace:
            return {"datasource": JAEGER, "query": self.trace}
        return {
            "datasource": JAEGER, "queryType": "search", "service": self.service, "operation": self.operation,
            "limit": 20,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` is one of Grafana's; `ill`: from there on, or with `below` down to there, it is shown in red."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query | Found]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    ill: float | None = None
    below: bool = False

    def json(self, number: int, x: int, y: int) -> Json:
        source = PROMETHEUS if isinstance(self.queries[0], Query) else JAEGER
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [{"refId": chr(ord("A") + at), **each.json()} for at, each in enumerate(self.queries)],
            "fieldConfig": {"defaults": {"unit": self.unit, **self._looks()}, "overrides": []},
            "options": _OPTIONS[self.kind],
        }

    def _looks(self) -> Json:
        looks: Json = {}
        if self.kind == "timeseries":
            looks["min"] = 0
            style = "line" if self.ill is not None else "off"
            looks["custom"] = {"fillOpacity": 8, "lineWidth": 1, "thresholdsStyle": {"mode": style}}
        if self.ill is not None:
            colours = ("red", "green") if self.below else ("green", "red")
            steps = [{"color": colours[0], "value": None}, {"color": colours[1], "value": self.ill}]
            looks["thresholds"] = {"mode": "absolute", "steps": steps}
        return looks


_OPTIONS: Final[dict[Kind, Json]] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
    "table": {"showHeader": True},
    "heatmap": {"calculate": False, "exemplars": {"color": "rgba(255,0,255,0.7)"}, "yAxis": {"unit": "s"}},
    "traces": {},
}


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """Chosen above the dashboard: among the values of a label, or (without `query`) typed in."""

    name: str
    label: str
    query: str = ""
    everything: bool = False

    def json(self) -> Json:
        shown: Json = {"name": self.name, "label": self.label}
        if not self.query:
            return {**shown, "type": "textbox", "query": "", "current": {"text": "", "value": ""}}
        shown |= {"type": "query", "datasource": PROMETHEUS, "query": self.query}
        shown |= {"refresh": 2, "sort": 1, "multi": self.everything, "includeAll": self.everything}
        if self.everything:
            shown |= {"allValue": ".+", "current": {"text": "All", "value": "$__all"}}
        return shown


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`uid` is its address, and the name of its file."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]

    def json(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["confer"],
            "schemaVersion": 41,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "timezone": "browser",
            "links": [_OTHERS],
            "annotations": {"list": [_ALERTS]},
            "templating": {"list": [variable.json() for variable in self.variables]},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Iterator[Json]:
        """From left to right, row by row; what does not fit into the line begins the next one."""
        number, y = 0, 0
        for row in self.rows:
            number += 1
            place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
            x, y, lowest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, lowest = 0, y + lowest, 0
                number += 1
                yield panel.json(number, x, y)
                x, lowest = x + panel.width, max(lowest, panel.height)
            y += lowest


_OTHERS: Final = {
    "type": "dashboards",
    "tags": ["confer"],
    "title": "Confer",
    "tooltip": "The other dashboards, at the same time",
    "icon": "external link",
    "asDropdown": True,
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
}
_ALERTS: Final = {
    "name": "Alerts",
    "datasource": PROMETHEUS,
    "enable": True,
    "iconColor": "red",
    "expr": 'ALERTS{alertname=~"Confer.*", alertstate="firing"}',
    "titleFormat": "{{alertname}} {{part}}",
}
