"""An alert that fired or resolved, with everything that receivers need to know, and its event.

The event is the body of a webhook (Standard Webhooks: type, timestamp, data). Times are event times: a replay of the
log makes the same events with the same ids.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.alerts.reason import Reason
from rules.kinds.judging import Facts
from store.record import TableId
from store.values.times import rfc3339


class Status(enum.StrEnum):
    """The state of an alert; the last part of the event's type."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert fired or resolved.

    id           the same for an alert's firing and resolved, and for every replay
    since_ns     the time of the first sample beyond the bounds
    time_ns      the time of the sample that made it fire or resolve
    value        that sample's value, or what the kind of the rule makes of it
    reason       why it fired or resolved without a sample; then `value` is that of the newest sample, or None
    bounds       the bound that was violated when it fired: {"max": 32.0}; empty if it fired without a sample
    explanation  what the rule knows of the value besides, if its kind tells that; an empty text: not known
    """

    id: str
    status: Status
    table: TableId
    zone: str | None
    rule: str
    since_ns: int
    time_ns: int
    value: float | None
    bounds: Mapping[str, float]
    measure: str
    dimensions: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    reason: Reason | None = None
    explanation: Facts = field(default_factory=dict)


def to_event(transition: Transition) -> dict[str, Any]:
    """The value for the topic [alerts]: the `event` for receivers, with account, table and zone."""
    return {
        "account": transition.table.account,
        "table": f"{transition.table.database}.{transition.table.table}",
        "zone": transition.zone,
        "event": {
            "type": f"alert.{transition.status}",
            "timestamp": rfc3339(transition.time_ns),
            "data": {
                "id": transition.id,
                "rule": transition.rule,
                "status": str(transition.status),
                "since": rfc3339(transition.since_ns),
                "value": transition.value,
                "bounds": dict(transition.bounds),
                "measure": transition.measure,
                "dimensions": dict(transition.dimensions),
                "labels": dict(transition.labels),
                "annotations": dict(transition.annotations),
                **({} if transition.reason is None else {"reason": str(transition.reason)}),
                **({} if not transition.explanation else {"explanation": _known(transition.explanation)}),
            },
        },
    }


def _known(facts: Facts) -> dict[str, str | float | None]:
    return {name: None if value == "" else value for name, value in facts.items()}
