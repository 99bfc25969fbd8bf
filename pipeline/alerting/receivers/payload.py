"""What a receiver is sent for a delivery, by its kind and its template. Pure.

The content of a delivery is `{labels, number, is_repeat, alerts: [{account, table, zone, event}]}`; of a group also
`group` (its id), `at` (when it was decided), and `more` (alerts that are left out, as there are too many). `labels` is
null for an alert on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.alerting.receivers.alertmanager import alerts_of_api, webhook_v4
from pipeline.alerting.receivers.text import text_of, title_of, values_of
from pipeline.alerting.routing.entry import Entry, status_of
from pipeline.base.mustache import escape_for, render
from pipeline.config.receivers import Receiver

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Payload:
    """The text that is sent, the same in every attempt. `title` is of what has one, such as an e-mail."""

    body: bytes
    content_type: str
    title: str


def payload_of(receiver: Receiver, content: Mapping[str, Any]) -> Payload:
    """What `receiver` is sent. Raises TemplateError."""
    title = title_of(content)
    template = receiver.template
    if template is not None:
        values = values_of(receiver.name, content)
        if template.title is not None:
            title = render(template.title, values, str)
        body = render(template.body, values, escape_for(template.content_type))
        return Payload(body.encode(), template.content_type, title)
    if receiver.apprise is not None:
        return Payload(text_of(content).encode(), "text/plain", title)
    if receiver.alertmanager is not None:
        return Payload(orjson.dumps(alerts_of_api(content)), JSON, title)
    if receiver.webhook is not None and receiver.webhook.format == "alertmanager":
        return Payload(orjson.dumps(webhook_v4(receiver.name, content)), JSON, title)
    return Payload(body_of(content), JSON, title)


def body_of(content: Mapping[str, Any]) -> bytes:
    """The body of our webhooks: the event of one alert as the log has it, or one event for a group of alerts."""
    if content["labels"] is None:
        return orjson.dumps(content["alerts"][0]["event"])
    status = status_of(content["alerts"])
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


def _told(entry: Entry) -> dict[str, Any]:
    event = entry["event"]
    place = {"account": entry["account"], "table": entry["table"], "zone": entry["zone"]}
    return {**event["data"], **place, "timestamp": event["timestamp"]}
