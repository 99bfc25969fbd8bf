"""One alert: what stays the same of it from its first transition to its last, and its transitions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from rules.alerts.placeholders import Described, Placeholders
from rules.alerts.reason import Reason
from rules.alerts.transition import Status, Transition
from rules.definition.template import Template
from rules.kinds.judging import Facts
from store.record import SeriesKey, TableId


@dataclass(frozen=True, slots=True)
class Description:
    """A description for alerts without a `Rule`."""

    name: str
    measure: str
    annotations: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of a rule about one subject, since a time. labels: as written, of the level that it has."""

    rule: Described
    table: TableId
    subject: SeriesKey
    zone: str | None
    since_ns: int
    labels: Mapping[str, str]

    @property
    def id(self) -> str:
        """See `alert_id`."""
        return alert_id(self.table, self.rule.name, self.subject, self.rule.measure, self.since_ns)

    def turn(
        self,
        status: Status,
        time_ns: int,
        value: float | None,
        bounds: Mapping[str, float],
        *,
        facts: Facts | None = None,
        explanation: Facts | None = None,
        reason: Reason | None = None,
    ) -> Transition:
        """It fires, changes or resolves. facts: what else placeholders may name; explanation: what else is told."""
        dimensions = dict(self.subject.dimensions)
        texts = Placeholders(self.rule, self.table, self.zone, dimensions, value, bounds, facts or {})
        labels = texts.labels(self.labels)
        return Transition(
            id=self.id,
            status=status,
            table=self.table,
            zone=self.zone,
            rule=self.rule.name,
            since_ns=self.since_ns,
            time_ns=time_ns,
            value=value,
            bounds=bounds,
            measure=self.rule.measure,
            dimensions=dimensions,
            labels=labels,
            annotations=texts.annotations(labels),
            reason=reason,
            explanation=explanation or {},
        )


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
