"""Alerts in Alertmanager's forms: the body of its webhooks, version 4, and what its API takes. Pure.

Sources: prometheus.io/docs/alerting/latest/configuration, "webhook_config"; Alertmanager's `template/template.go` and
`api/v2/openapi.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerting.routing.entry import Entry, labels_of, status_of
from store.values.times import NS, parse_rfc3339, rfc3339

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time, which stands for an end that is not known
# An Alertmanager ends by itself what it does not hear of again. We tell it of the end, so this is only for the case
# that we cannot.
FIRES_FOR_NS = 7 * 86_400 * NS


def webhook_v4(receiver: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a webhook of Alertmanager."""
    entries: Sequence[Entry] = content["alerts"]
    labels = [labels_of(entry) for entry in entries]
    group = content["labels"] if content["labels"] is not None else labels[0]
    key = ", ".join(f'{name}="{value}"' for name, value in sorted(group.items()))
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{key}}}",
        "truncatedAlerts": content.get("more", 0),
        "status": status_of(entries),
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": _common(labels),
        "commonAnnotations": _common([_annotations(entry) for entry in entries]),
        "externalURL": "",
        "alerts": [_alert(entry, of_alert) for entry, of_alert in zip(entries, labels, strict=True)],
    }


def alerts_of_api(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is posted to /api/v2/alerts. Labels without a value are left out: the API refuses them."""
    return [
        {
            "labels": {name: value for name, value in labels_of(entry).items() if value},
            "annotations": _annotations(entry),
            "startsAt": entry["event"]["data"]["since"],
            "endsAt": _end(entry) or _later(entry),
        }
        for entry in content["alerts"]
    ]


def _alert(entry: Entry, labels: Mapping[str, str]) -> dict[str, Any]:
    data = entry["event"]["data"]
    return {
        "status": data["status"],
        "labels": labels,
        "annotations": _annotations(entry),
        "startsAt": data["since"],
        "endsAt": _end(entry) or NEVER,
        "generatorURL": "",
        "fingerprint": data["id"][:16],
    }


def _annotations(entry: Entry) -> Mapping[str, str]:
    found: Mapping[str, str] = entry["event"]["data"].get("annotations", {})
    return found


def _end(entry: Entry) -> str | None:
    event = entry["event"]
    return None if event["data"]["status"] == "firing" else event["timestamp"]


def _later(entry: Entry) -> str:
    return rfc3339(parse_rfc3339(entry["event"]["timestamp"]) + FIRES_FOR_NS)


def _common(of: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for name, value in of[0].items() if all(other.get(name) == value for other in of)}
