"""An archive of alerts over a log in memory, with time that tests move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.routing.plan import AlertPlan
from tests.support.alert_entries import plan

STREAM = "0123456789abcdef/alerts/0"
S = 10**9


class Office:
    """An archive that reads a log, and appends to it what is due: as the stage and the timer do."""

    def __init__(self, path: Path, of: AlertPlan) -> None:
        self.path = path
        self.archive = AlertArchive(path)
        self.plan = of
        self.log: list[tuple[int, list[Any]]] = []

    def append(self, at_s: int, *events: Any) -> None:
        self.log.append((at_s, list(events)))
        self.read(len(self.log) - 1)

    def read(self, offset: int, *, late_s: int = 0) -> None:
        at_s, events = self.log[offset]
        now_ns = (at_s + late_s) * S
        self.archive.accept(STREAM, offset, events, self.plan, now_ns=now_ns, wall_ns=at_s * S)

    def tick(self, at_s: int) -> None:
        """What the timer does at this time."""
        if events := self.archive.groups_due(self.plan, now_ns=at_s * S, wall_ns=at_s * S):
            self.append(at_s, *events)

    def told(self, receiver: str = "a") -> list[list[str]]:
        """What each delivery tells, in order: `alert.status`."""
        found = self.archive.deliveries(receiver=receiver)
        return [
            [f"{data['id']}.{data['status']}" for alert in one.content["alerts"] if (data := alert["event"]["data"])]
            for one in reversed(found)
        ]

    def repeating(self, interval: str) -> AlertPlan:
        """A plan by which receiver `a` is told again after this time."""
        return plan(f"routes: [{{receiver: a, repeat_interval: {interval}}}]", "a")
