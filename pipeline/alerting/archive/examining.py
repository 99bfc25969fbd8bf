"""Groups in the archive: reads them, has `pipeline.alerting.routing.groups` decide, and writes what follows.

Everything happens in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from pipeline.alerting.routing.entry import Entry, labels_of
from pipeline.alerting.routing.groups import Decision, GroupState, Member, Mute, MuteKind, decide
from pipeline.alerting.routing.inhibition import target_keys
from pipeline.alerting.routing.plan import AlertPlan
from pipeline.alerting.routing.silences import LAST_NS, Silence, silence_from_json
from pipeline.alerting.routing.tree import Timing
from store.values.times import rfc3339

MOST_ALERTS = 500  # of one notification: what a chat or a mailbox shows; more are counted in it


@dataclass(frozen=True, slots=True)
class _Alert:
    """An alert of a group, with what is told of it."""

    entry: Entry
    member: Member


class Examiner:
    """Groups at one moment: `now_ns` by the queue's clock, `wall_ns` by the host's, which silences go by."""

    def __init__(self, db: sqlite3.Connection, plan: AlertPlan, now_ns: int, wall_ns: int) -> None:
        self._db = db
        self._plan = plan
        self._now_ns = now_ns
        self._wall_ns = wall_ns

    def decision(self, group_id: str) -> Decision:
        """What the group would be told now. Changes nothing but when it is looked at again."""
        group = self._group(group_id)
        decision = decide(_state(group), [alert.member for alert in self._alerts(group)], self._now_ns)
        if not decision.tells:
            self._write(group, decision)
        return decision

    def tell(self, group_id: str, *, is_decided: bool = False) -> int:
        """Queue what the group is to be told now, if there is anything. Returns the number of deliveries, 0 or 1."""
        group = self._group(group_id)
        alerts = self._alerts(group)
        decision = decide(_state(group), [alert.member for alert in alerts], self._now_ns, is_decided=is_decided)
        queued = 0
        if decision.tells:
            told = set(decision.tells)
            queued = self._queue(group, [alert for alert in alerts if alert.member.alert_id in told], decision)
            self._db.executemany(
                "UPDATE members SET told = ? WHERE group_id = ? AND alert_id = ?",
                [
                    (alert.member.change, group_id, alert.member.alert_id)
                    for alert in alerts
                    if alert.member.alert_id in told and alert.member.is_firing
                ],
            )
        self._write(group, decision)
        return queued

    def _group(self, group_id: str) -> sqlite3.Row:
        found: sqlite3.Row = self._db.execute("SELECT * FROM groups WHERE id = ?", (group_id,)).fetchone()
        return found

    def _alerts(self, group: sqlite3.Row) -> list[_Alert]:
        rows = self._db.execute(
            "SELECT a.*, m.told FROM members m JOIN alerts a ON a.id = m.alert_id WHERE m.group_id = ? ORDER BY m.seq",
            (group["id"],),
        ).fetchall()
        return [self._alert(row) for row in rows]

    def _alert(self, row: sqlite3.Row) -> _Alert:
        entry = entry_of(row)
        is_firing = row["status"] == "firing"
        acked = None if row["acked"] is None else orjson.loads(row["acked"])
        mute = self.mute_of(entry, row["change"], acked) if is_firing else None
        return _Alert(entry, Member(row["id"], is_firing, row["change"], row["told"], mute))

    def mute_of(self, entry: Entry, change: int, acked: Mapping[str, Any] | None) -> Mute | None:
        """Why nobody is told of this alert, which fires; None if it is told. An acknowledgement is of one `change`."""
        if acked is not None and acked["change"] == change and (acked["until_ns"] or LAST_NS) > self._wall_ns:
            return Mute(MuteKind.ACKNOWLEDGED, self._steady(acked["until_ns"]))
        labels = labels_of(entry)
        for silence in self._silences:
            end_ns = silence.end_of(entry["account"], labels, self._wall_ns)
            if end_ns is not None:
                return Mute(MuteKind.SILENCED, self._steady(end_ns), silence.id)
        if self._is_inhibited(labels):
            return Mute(MuteKind.INHIBITED, None)
        return None

    def _is_inhibited(self, labels: Mapping[str, str]) -> bool:
        keys = target_keys(self._plan.inhibitions, labels) if self._plan.inhibitions else []
        sql = "SELECT 1 FROM inhibitors WHERE key = ? LIMIT 1"
        return any(self._db.execute(sql, (key,)).fetchone() is not None for key in keys)

    @cached_property
    def _silences(self) -> Sequence[Silence]:
        rows = self._db.execute(
            "SELECT content FROM silences WHERE end_ns IS NULL OR end_ns > ? ORDER BY id", (self._wall_ns,)
        ).fetchall()
        return [*self._plan.silences, *(silence_from_json(orjson.loads(row["content"])) for row in rows)]

    def _steady(self, wall_ns: int | None) -> int | None:
        """A time of the host's clock as one of the queue's."""
        return None if wall_ns is None else wall_ns + self._now_ns - self._wall_ns

    def _write(self, group: sqlite3.Row, decision: Decision) -> None:
        self._db.executemany(
            "DELETE FROM members WHERE group_id = ? AND alert_id = ?",
            [(group["id"], alert_id) for alert_id in decision.leave],
        )
        is_empty = decision.leave and not self._has_members(group["id"])
        if is_empty and group["labels"] is None:
            self._db.execute("DELETE FROM groups WHERE id = ?", (group["id"],))
            return
        told_ns = self._now_ns if decision.tells else group["told_ns"]
        self._db.execute(
            "UPDATE groups SET number = ?, told_ns = ?, due_ns = ?, muted = ? WHERE id = ?",
            (
                group["number"] + bool(decision.tells),
                None if is_empty else told_ns,
                decision.due_ns,
                decision.muted,
                group["id"],
            ),
        )

    def _has_members(self, group_id: str) -> bool:
        return self._db.execute("SELECT 1 FROM members WHERE group_id = ? LIMIT 1", (group_id,)).fetchone() is not None

    def _queue(self, group: sqlite3.Row, alerts: Sequence[_Alert], decision: Decision) -> int:
        number = group["number"] + 1
        content: dict[str, Any] = {
            "labels": None if group["labels"] is None else orjson.loads(group["labels"]),
            "number": number,
            "is_repeat": decision.is_repeat,
            "alerts": [alert.entry for alert in alerts[:MOST_ALERTS]],
        }
        if group["labels"] is not None:
            content |= {"group": group["id"], "at": rfc3339(self._wall_ns), "more": max(0, len(alerts) - MOST_ALERTS)}
        subject, delivery = _ids(group, alerts, number)
        return self._db.execute(
            "INSERT OR IGNORE INTO deliveries (id, alert_id, account, receiver, content, state, attempts, queued_ns, "
            "next_attempt_ns) VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, ?)",
            (
                delivery,
                subject,
                group["account"],
                group["receiver"],
                orjson.dumps(content),
                self._now_ns,
                self._now_ns,
            ),
        ).rowcount


def entry_of(row: Mapping[str, Any] | sqlite3.Row) -> Entry:
    """The alert in a row of the archive."""
    return {
        "account": row["account"],
        "table": row["table_name"],
        "zone": row["zone"],
        "event": orjson.loads(row["event"]),
    }


def _state(group: sqlite3.Row) -> GroupState:
    timing = Timing(group["wait_ns"], group["interval_ns"], group["repeat_ns"])
    return GroupState(timing, group["opened_ns"], group["told_ns"])


def _ids(group: sqlite3.Row, alerts: Sequence[_Alert], number: int) -> tuple[str, str]:
    """What is told of, and the id of the delivery: the same whenever the log is read again."""
    if group["labels"] is not None:
        return group["id"], f"{group['id']}.{number}"
    (alert,) = alerts
    alert_id = alert.member.alert_id
    if not alert.member.is_firing:
        return alert_id, f"{alert_id}.resolved"
    return alert_id, f"{alert_id}.firing" if number == 1 else f"{alert_id}.firing.{number}"
