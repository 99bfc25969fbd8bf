"""The table `"streamgauge"."alerts"` of each account: one record for each transition of an alert. Pure.

A text that there is not is empty, so that each column is there from the first alert on.

The same transition makes the same record, so one that is written again, after a crash or by another owner of [alerts],
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from pipeline.alerting.archive.transition import Transition
from pipeline.config.alert_history import MEASURES, TABLE
from store.endpoint.payload import Value, WriteRecord
from store.names import SYSTEM_DATABASE, MeasureType
from store.record import TableId
from store.values.times import parse_rfc3339, rfc3339

MEASURE_NAME = "alert"
LONGEST_DIMENSION = 2048  # bytes: Timestream's

_Cell = tuple[str, MeasureType, Value]


def table_of(account: str) -> TableId:
    """The table of an account."""
    return TableId(account, SYSTEM_DATABASE, TABLE)


def record_of(transition: Transition) -> WriteRecord:
    """The record of a transition: a series for each rule and series that it watches, at the transition's time."""
    entry = transition.entry
    data = entry["event"]["data"]
    dimensions = {
        "rule": data["rule"],
        "table_name": entry["table"],
        "zone": entry["zone"] or "",
        "measure": data.get("measure", ""),
        "dimensions": _json(data.get("dimensions", {})),
    }
    named = tuple((name, _cut(value)) for name, value in sorted(dimensions.items()) if value)
    return WriteRecord(named, MEASURE_NAME, transition.at_ns, 1, tuple(_values(transition)))


def _values(transition: Transition) -> Iterator[_Cell]:
    data = transition.entry["event"]["data"]
    note = transition.note or {}
    ack, feedback = ({}, note) if "verdict" in note else (note, {})
    texts = {
        "alert_id": transition.alert_id,
        "kind": transition.kind,
        "status": data["status"],
        "severity": data.get("labels", {}).get("severity"),
        "summary": data.get("annotations", {}).get("summary"),
        "labels": _json(data.get("labels", {})),
        "reason": data.get("reason"),
        "muted": transition.muted,
        "acknowledged_by": ack.get("by"),
        "acknowledged_why": ack.get("why"),
        "acknowledged_until": None if ack.get("until_ns") is None else rfc3339(ack["until_ns"]),
        "verdict": feedback.get("verdict"),
        "feedback_by": feedback.get("by"),
        "feedback_comment": feedback.get("why"),
    }
    cells: dict[str, Value | None] = {
        **{name: _cut(text or "") for name, text in texts.items()},
        "value": None if data.get("value") is None else float(data["value"]),
        "since": parse_rfc3339(data["since"]),
    }
    return ((name, MEASURES[name], value) for name, value in cells.items() if value is not None)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _cut(text: str) -> str:
    return text.encode()[:LONGEST_DIMENSION].decode(errors="ignore")
