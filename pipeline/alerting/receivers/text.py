"""Alerts as a title and a few lines for people, and as the values of templates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.alerting.routing.entry import Entry, labels_of, status_of

MOST_SHOWN = 20  # alerts in a text: a chat or a telephone shows no more


def title_of(content: Mapping[str, Any]) -> str:
    """`FIRING climate/TooHot in gh-01/north`, or of a group `FIRING 3 alerts: zone_name=gh-01/north`."""
    entries = content["alerts"]
    status = status_of(entries).upper()
    if content["labels"] is None:
        entry = entries[0]
        where = f" in {entry['zone']}" if entry["zone"] else ""
        return f"{status} {entry['event']['data']['rule']}{where}"
    count = len(entries) + content["more"]
    group = ", ".join(f"{name}={value}" for name, value in content["labels"].items())
    return f"{status} {count} alert{'' if count == 1 else 's'}" + (f": {group}" if group else "")


def text_of(content: Mapping[str, Any]) -> str:
    """One line an alert."""
    entries = content["alerts"]
    lines = [_line(entry) for entry in entries[:MOST_SHOWN]]
    left = len(entries) - len(lines) + content.get("more", 0)
    return "\n".join([*lines, *([f"… and {left} more"] if left else [])])


def _line(entry: Entry) -> str:
    data = entry["event"]["data"]
    summary = data.get("annotations", {}).get("summary")
    if summary is None:
        of_series = " ".join(f"{name}={value}" for name, value in data.get("dimensions", {}).items())
        value = "" if data.get("value") is None else f": {data['value']:g}"
        summary = f"{data.get('measure', '')} of {of_series}{value}"
    severity = data.get("labels", {}).get("severity")
    return f"{data['status']}{f' ({severity})' if severity else ''} {data['rule']}: {summary}, since {data['since']}"


def values_of(receiver: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What templates can name: `alerts`, each with its fields; those of the first one also without it; the group."""
    alerts = [_values(entry) for entry in content["alerts"]]
    status = status_of(content["alerts"])
    return {
        **alerts[0],
        "receiver": receiver,
        "status": status,
        "is_firing": status == "firing",
        "is_resolved": status != "firing",
        "is_repeat": content["is_repeat"],
        "number": content["number"],
        "group": content["labels"],
        "more": content.get("more", 0),
        "count": len(alerts) + content.get("more", 0),
        "title": title_of(content),
        "text": text_of(content),
        "alerts": [{**alert, "is_last": index == len(alerts) - 1} for index, alert in enumerate(alerts)],
    }


def _values(entry: Entry) -> dict[str, Any]:
    event = entry["event"]
    labels = labels_of(entry)
    is_firing = event["data"]["status"] == "firing"
    return {
        "annotations": {},
        **event["data"],
        **{name: labels[name] for name in ("account", "table", "zone_name", "alertname")},
        "zone": labels["zone"],
        "labels": labels,
        "timestamp": event["timestamp"],
        "is_firing": is_firing,
        "is_resolved": not is_firing,
    }
