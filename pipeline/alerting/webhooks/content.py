"""The body of a webhook of ours: the event of one alert as the log has it, or one event for a group of alerts. Pure.

The content of a delivery is `{labels, number, is_repeat, alerts: [{account, table, zone, event}]}`; of a group also
`group` (its id), `at` (when it was decided), and `more` (alerts that are left out, as there are too many). `labels` is
null for an alert on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.alerting.routing.entry import Entry


def body_of(content: Mapping[str, Any]) -> bytes:
    """The body, the same in every attempt."""
    if content["labels"] is None:
        return orjson.dumps(content["alerts"][0]["event"])
    status = status_of(content)
    data = {
        "id": content["group"],
        "number": content["number"],
        "status": status,
        "is_repeat": content["is_repeat"],
        "group": content["labels"],
        "alerts": [_told(entry) for entry in content["alerts"]],
        "more": content["more"],
    }
    return orjson.dumps({"type": f"alerts.{status}", "timestamp": content["at"], "data": data})


def status_of(content: Mapping[str, Any]) -> str:
    """`firing`, if one of the alerts is."""
    is_firing = any(entry["event"]["data"]["status"] == "firing" for entry in content["alerts"])
    return "firing" if is_firing else "resolved"


def _told(entry: Entry) -> dict[str, Any]:
    event = entry["event"]
    place = {"account": entry["account"], "table": entry["table"], "zone": entry["zone"]}
    return {**event["data"], **place, "timestamp": event["timestamp"]}
