"""Rows of the archive in memory. Their fields are the columns of the table, in order, without the checksum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.alerting.routing.entry import Entry
from pipeline.alerting.routing.groups import GroupState
from pipeline.alerting.routing.tree import Target, Timing


@dataclass(slots=True)
class AlertRow:
    """An alert. `event` is JSON; `heard` is who was told of it as it is, see `UnitOfWork`."""

    seq: int
    id: str
    account: str
    table_name: str
    zone: str | None
    rule: str
    status: str
    since: str
    event: bytes
    updated_ns: int
    change: int
    changed_ns: int
    acked_json: bytes | None = None
    heard: bytes | None = None

    @property
    def is_firing(self) -> bool:
        """Whether it fires."""
        return self.status == "firing"

    @property
    def entry(self) -> Entry:
        """The alert as [alerts] has it."""
        return self._entry(orjson.loads(self.event))

    @property
    def entry_to_dump(self) -> Entry:
        """The same for `orjson.dumps`: the event is not parsed."""
        return self._entry(orjson.Fragment(self.event))

    def _entry(self, event: Any) -> Entry:
        return {"account": self.account, "table": self.table_name, "zone": self.zone, "event": event}

    @property
    def acked(self) -> Mapping[str, Any] | None:
        """Who acknowledged it, and at which change."""
        return None if self.acked_json is None else orjson.loads(self.acked_json)


@dataclass(slots=True)
class GroupRow:
    """A group: the alerts that one receiver is told of together; or, without `labels`, one alert told on its own."""

    id: str
    receiver: str
    account: str
    labels: bytes | None
    wait_ns: int
    interval_ns: int
    repeat_ns: int | None
    number: int
    opened_ns: int
    told_ns: int | None = None
    due_ns: int | None = None
    muted: int = 0

    @classmethod
    def of(cls, target: Target, account: str, now_ns: int) -> GroupRow:
        """A group that begins now, without alerts."""
        labels = None if target.labels is None else orjson.dumps(target.labels)
        timing = target.timing
        return cls(
            *(target.id, target.receiver, account, labels),
            *(timing.wait_ns, timing.interval_ns, timing.repeat_ns),
            number=0,
            opened_ns=now_ns,
        )

    @property
    def is_of_one(self) -> bool:
        """Whether it is one alert that is told on its own."""
        return self.labels is None

    def is_settled(self, alert: AlertRow, member: MemberRow) -> bool:
        """Whether its only alert was told as it is, and nothing is to be told before it changes."""
        has_nothing_due = self.is_of_one and self.repeat_ns is None and self.due_ns is None and not self.muted
        return has_nothing_due and alert.is_firing and member.told == alert.change

    @property
    def state(self) -> GroupState:
        """What is decided by."""
        return GroupState(Timing(self.wait_ns, self.interval_ns, self.repeat_ns), self.opened_ns, self.told_ns)


@dataclass(slots=True)
class MemberRow:
    """That an alert is of a group. `told`: the change of the alert that the receiver was told last, 0: none."""

    seq: int
    group_id: str
    alert_id: str
    told: int
