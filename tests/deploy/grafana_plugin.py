"""What Grafana and its data source plugins make of a query of a dashboard before they send it.

Written from the documentation and the public source of the plugins (grafana/timestream-datasource: its macros, its
queries for pickers; grafana/grafana-infinity-datasource: selectors), which this project does not run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class View:
    """A dashboard as it is looked at: its span of time in milliseconds, the interval, the values of its variables."""

    from_ms: int
    to_ms: int
    interval_ms: int
    variables: Mapping[str, str] = field(default_factory=dict)

    def filled(self, text: str) -> str:
        """With variables and `${__from:…}` filled in, as Grafana does: `${name}`, and `${name:percentencode}`."""
        for name, ms in (("__from", self.from_ms), ("__to", self.to_ms)):
            iso = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            text = text.replace(f"${{{name}:date:iso}}", iso)
        for name, value in self.variables.items():
            text = text.replace(f"${{{name}}}", value).replace(f"${{{name}:percentencode}}", quote(value, safe=""))
        return text

    def sql(self, query: Mapping[str, Any], defaults: Mapping[str, str] | None = None) -> str:
        """The statement that the Timestream plugin sends for a query."""
        text = self.filled(query["rawQuery"])
        for name in ("database", "table", "measure"):
            value = query.get(name) or (defaults or {}).get(name)
            if value:
                text = text.replace(f"$__{name}", self.filled(value))
        span = f"time BETWEEN from_milliseconds({self.from_ms}) AND from_milliseconds({self.to_ms})"
        macros = {
            "timeFilter": span,
            "timeFrom": str(self.from_ms),
            "timeTo": str(self.to_ms),
            "now_ms": str(self.to_ms),
            "interval_raw_ms": str(self.interval_ms),
            "interval_ms": f"{self.interval_ms}ms",
            "interval": f"{self.interval_ms}ms",
        }
        return re.sub(r"\$__(\w+)", lambda found: macros.get(found[1], found[0]), text)


def panels(board: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each query of a dashboard, with where it is: of panels, and of annotations."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["target"]


def frame(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the Timestream plugin makes of a response, with their times parsed as it does.

    A time series becomes rows with its labels. Raises ValueError, KeyError for what it could not read.
    """
    columns = result["ColumnInfo"]
    rows = [
        {column["Name"]: _value(datum, column["Type"]) for column, datum in zip(columns, row["Data"], strict=True)}
        for row in result["Rows"]
    ]
    series = [column["Name"] for column in columns if "TimeSeriesMeasureValueColumnInfo" in column["Type"]]
    assert len(series) <= 1, "the plugin shows one time series a row"
    if not series:
        return rows
    return [{**row, "time": time, series[0]: value} for row in rows for time, value in row[series[0]]]


def _value(datum: Mapping[str, Any], kind: Mapping[str, Any]) -> Any:
    if datum.get("NullValue"):
        return None
    if "TimeSeriesMeasureValueColumnInfo" in kind:
        of = kind["TimeSeriesMeasureValueColumnInfo"]["Type"]
        return [(_time(point["Time"]), _value(point["Value"], of)) for point in datum["TimeSeriesValue"]]
    if "ArrayColumnInfo" in kind:
        return [_value(of, kind["ArrayColumnInfo"]["Type"]) for of in datum["ArrayValue"]]
    if "RowColumnInfo" in kind:
        fields = zip(kind["RowColumnInfo"], datum["RowValue"]["Data"], strict=True)
        return {column["Name"]: _value(of, column["Type"]) for column, of in fields}
    text = datum["ScalarValue"]
    return _READERS.get(kind["ScalarType"], str)(text)


def _time(text: str) -> datetime:
    """As Go's layout 2006-01-02 15:04:05.99999999 reads it."""
    return datetime.strptime(text[:26], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


_READERS: Mapping[str, Callable[[str], Any]] = {"DOUBLE": float, "BIGINT": int, "INTEGER": int, "TIMESTAMP": _time}


def selected(query: Mapping[str, Any], answer: Any) -> list[dict[str, Any]]:
    """The rows that the Infinity plugin makes of an answer in JSON."""
    root = answer[query["root_selector"]] if query["root_selector"] else answer
    rows = root if isinstance(root, list) else [root]
    return [{of["text"]: _at(row, of["selector"]) for of in query["columns"]} for row in rows]


def _at(row: Any, selector: str) -> Any:
    """The value under a dotted name. Raises KeyError."""
    for name in selector.split("."):
        row = row[name]
    return row
