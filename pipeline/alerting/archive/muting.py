"""Why nobody is told of an alert at one moment: it is acknowledged, silenced, or inhibited by another one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import orjson

from pipeline.alerting.routing.entry import Entry, labels_of
from pipeline.alerting.routing.groups import Mute, MuteKind
from pipeline.alerting.routing.inhibition import target_keys
from pipeline.alerting.routing.plan import AlertPlan
from pipeline.alerting.routing.silences import LAST_NS, Silence, silence_from_json


class Changing(Protocol):
    """An alert at one of its changes; `acked`: who acknowledged it, until when, and at which change."""

    @property
    def entry(self) -> Entry: ...  # noqa: D102  # as it says
    @property
    def change(self) -> int: ...  # noqa: D102
    @property
    def acked(self) -> Mapping[str, Any] | None: ...  # noqa: D102


class Muting:
    """One moment: `now_ns` by the queue's clock, `wall_ns` by the host's, which silences go by.

    Silences are read once, inhibitors whenever it is asked.
    """

    def __init__(self, db: sqlite3.Connection, plan: AlertPlan, now_ns: int, wall_ns: int) -> None:
        self._db = db
        self._plan = plan
        self._now_ns = now_ns
        self._wall_ns = wall_ns

    def mute_of(self, alert: Changing) -> Mute | None:
        """Why nobody is told of this alert, which fires; None if it is told. An acknowledgement is of one `change`."""
        acked = alert.acked
        if acked is not None and acked["change"] == alert.change and (acked["until_ns"] or LAST_NS) > self._wall_ns:
            return Mute(MuteKind.ACKNOWLEDGED, self._steady(acked["until_ns"]))
        return self.hides(alert)

    def hides(self, alert: Changing) -> Mute | None:
        """By what this alert is silenced or inhibited; None if it is not."""
        if not self._silences and not self._plan.inhibitions:
            return None
        labels = labels_of(alert.entry)
        for silence in self._silences:
            end_ns = silence.end_of(labels["account"], labels, self._wall_ns)
            if end_ns is not None:
                return Mute(MuteKind.SILENCED, self._steady(end_ns), silence.id)
        return Mute(MuteKind.INHIBITED, None) if self._is_inhibited(labels) else None

    def active_silences(self) -> int:
        """How many silences are active."""
        return sum(silence.active_until_ns(self._wall_ns) is not None for silence in self._silences)

    def _is_inhibited(self, labels: Mapping[str, str]) -> bool:
        sql = "SELECT 1 FROM inhibitors WHERE key = ? LIMIT 1"
        keys = target_keys(self._plan.inhibitions, labels)
        return any(self._db.execute(sql, (key,)).fetchone() is not None for key in keys)

    @cached_property
    def _silences(self) -> Sequence[Silence]:
        sql = "SELECT content FROM silences WHERE end_ns IS NULL OR end_ns > ? ORDER BY id"
        made = [silence_from_json(orjson.loads(row["content"])) for row in self._db.execute(sql, (self._wall_ns,))]
        return [*self._plan.silences, *made]

    def _steady(self, wall_ns: int | None) -> int | None:
        """A time of the host's clock as one of the queue's."""
        return None if wall_ns is None else wall_ns + self._now_ns - self._wall_ns
