"""An alert as the topic [alerts] has it, and the labels by which it is routed, silenced and inhibited. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]
"""`{account, table, zone, event}`, see `rules.to_event`."""

FACTS = ("account", "table", "zone_name", "rule", "alertname", "measure")


def labels_of(entry: Entry) -> dict[str, str]:
    """The labels of an alert: dimensions, over them the labels of its rule, over these the facts of Streamgauge.

    Devices invent dimensions and operators write labels, so a device cannot choose a severity. `zone` is the zone's
    name where no dimension or label is called so; `zone_name` always is.
    """
    data = entry["event"]["data"]
    zone = entry["zone"] or ""
    return {
        "zone": zone,
        **data.get("dimensions", {}),
        **data.get("labels", {}),
        "account": entry["account"],
        "table": entry["table"],
        "zone_name": zone,
        "rule": data["rule"],
        "alertname": data["rule"].rpartition("/")[2],
        "measure": data.get("measure", ""),
    }


def status_of(entries: Iterable[Entry]) -> str:
    """Of several alerts: `firing`, if one of them is."""
    return "firing" if any(entry["event"]["data"]["status"] == "firing" for entry in entries) else "resolved"
