"""An alert that fired or resolved, with everything that receivers need to know, and its event.

The event is the body of a webhook (Standard Webhooks: type, timestamp, data). Times are event times: a replay of the
log makes the same events with the same ids.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from rules.alerts.reason import Reason
from rules.definition.template import Template, parse_template
from rules.kinds.judging import Facts
from store.record import SeriesKey, TableId
from store.values.times import rfc3339


class Status(enum.StrEnum):
    """The state of an alert; the last part of the event's type."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert fired or resolved.

    id        the same for an alert's firing and resolved, and for every replay
    since_ns  the time of the first sample beyond the bounds
    time_ns   the time of the sample that made it fire or resolve
    value     that sample's value, or what the kind of the rule makes of it
    reason    why it fired or resolved without a sample; then `value` is that of the newest sample, or None
    bounds    the bound that was violated when it fired: {"max": 32.0}; empty if it fired without a sample
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


def alert_id(table: TableId, rule: str, series: SeriesKey, measure: str, onset_ns: int) -> str:
    """The id of the alert that began at `onset_ns`: 32 hexadecimal digits that depend only on the arguments."""
    facts = (
        table.account,
        table.database,
        table.table,
        rule,
        series.dimensions,
        series.measure_name,
        measure,
        onset_ns,
    )
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]


class Described(Protocol):
    """The description of a rule in alerts: a `Rule`, or a saved one."""

    @property
    def name(self) -> str:
        """`group/alert`."""
        ...

    @property
    def measure(self) -> str:
        """The measure that it watches."""
        ...

    @property
    def annotations(self) -> Mapping[str, Template]:
        """The annotations as written, without replacements."""
        ...


ALL_NAMES = ("value", "bound", "measure", "zone_name", "zone", "account", "table", "rule")
"""The placeholders that alerts of every kind have."""


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What the placeholders of an alert mean, in labels and annotations.

    The first of these that exists: `value`, `measure`, `zone_name`, `account`, `table`, `rule`; a dimension; a label of
    the rule; a fact; the zone's name for `zone`; nothing.
    """

    rule: Described
    table: TableId
    zone: str | None
    dimensions: Mapping[str, str]
    value: float | None
    bounds: Mapping[str, float]
    facts: Facts

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """These labels, filled in; they do not name a value, so they stay the same while the alert fires."""
        if not any("{" in text or "}" in text for text in labels.values()):
            return dict(labels)
        names = self._names({})
        return {name: _filled(text, names) for name, text in labels.items()}

    def annotations(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The annotations of the rule, filled in; `labels` are those of the alert."""
        names = self._names(labels)
        return {name: template.render(names) for name, template in self.rule.annotations.items()}

    def _names(self, labels: Mapping[str, str]) -> dict[str, str | float]:
        return {
            "zone": self.zone or "",
            "bound": next(iter(self.bounds.values()), ""),
            **self.facts,
            **labels,
            **self.dimensions,
            "value": "" if self.value is None else self.value,
            "measure": self.rule.measure,
            "zone_name": self.zone or "",
            "account": self.table.account,
            "table": f"{self.table.database}.{self.table.table}",
            "rule": self.rule.name,
        }


def _filled(text: str, names: Mapping[str, str | float]) -> str:
    """The label; as it is if it is none of today, but saved when labels had no placeholders."""
    try:
        return parse_template(text).render(names)
    except ValueError:
        return text


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
            },
        },
    }
