"""What several routes show in the same form."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

from pipeline.api.http import responses
from pipeline.api.inventory.arriving import Arrival
from pipeline.api.inventory.device import Device
from pipeline.api.inventory.search import FoundSeries, LastValue
from pipeline.api.inventory.understanding import Understand
from pipeline.stream.normalise.routes import Route, topic_filter_of
from pipeline.stream.trial import TrialRow, Understood
from store.record import MeasureType
from store.values.times import rfc3339

SHOWN_BYTES = 16_384  # of a payload of which only the beginning is shown
SHOWN_ROWS = 20  # of a message among others


def shown_device(device: Device) -> responses.Device:
    """A device for clients."""
    return {
        "table": f"{device.database}.{device.table}",
        "zone": device.zone,
        "dimensions": dict(device.dimensions),
        "measure_name": device.measure_name,
        "last_time": rfc3339(device.last_ns),
    }


def shown_series(found: FoundSeries, routes: Sequence[Route]) -> responses.Series:
    """A series for clients."""
    values = {name: _shown_last_value(value) for name, value in found.values.items()}
    device = shown_device(found.device)
    topic = topic_filter_of(routes, device["table"], device["dimensions"])
    return {**device, "values": values, "mqtt_topic": topic}


def shown_understood(found: Understood) -> responses.Understood:
    """What a message would become, for clients."""
    return {
        "rows": [_shown_row(row) for row in found.rows],
        "reason": None if found.reason is None else found.reason.value,
        "detail": found.detail,
        "altered": [{"field": name, "what": what.value, "count": count} for name, what, count in found.altered],
    }


def shown_message(arrival: Arrival, understand: Understand) -> responses.Message:
    """A message for clients, as it was sent and as it is understood now."""
    parsed: responses.Understood
    if arrival.rejected is None:
        parsed = shown_understood(understand(arrival.mqtt_topic, arrival.payload, arrival.arrival_ns))
    else:
        reason, detail = arrival.rejected
        parsed = {"rows": [], "reason": reason, "detail": detail, "altered": []}
    return {
        "arrival": rfc3339(arrival.arrival_ns),
        "mqtt_topic": arrival.mqtt_topic,
        "bytes": len(arrival.payload),
        **shown_payload(arrival.payload[:SHOWN_BYTES]),
        **parsed,
        "rows": parsed["rows"][:SHOWN_ROWS],
    }


def shown_payload(payload: bytes) -> responses.Payload:
    """The payload as text if it is UTF-8, else as base64."""
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}


def _shown_row(row: TrialRow) -> responses.ParsedRow:
    return {
        "table": f"{row.table.database}.{row.table.table}",
        "zone": row.zone,
        "dimensions": dict(row.dimensions),
        "measure_name": row.measure_name,
        "time": rfc3339(row.time_ns),
        "measures": {
            name: {"value": _shown_value(value, kind), "type": kind.value}
            for name, (value, kind) in row.measures.items()
        },
    }


def _shown_last_value(value: LastValue) -> responses.SeriesValue:
    return {"time": rfc3339(value.time_ns), "value": _shown_value(value.value, value.type), "unit": value.unit}


def _shown_value(value: Any, kind: MeasureType) -> Any:
    """A value in JSON: times as text, null for what is not finite."""
    if kind is MeasureType.TIMESTAMP:
        return rfc3339(int(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value
