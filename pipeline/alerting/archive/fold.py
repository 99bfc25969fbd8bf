"""Takes the events of one message of [alerts] into the archive, in the caller's transaction.

So the archive is a function of the log: a worker that takes [alerts] over makes the same one. An event is one of these:

    {account, table, zone, event}   an alert fired, was updated (as when its severity rises) or resolved
    {told: {group, number, at_ns}}  the owner of [alerts] decided at that time to tell a group, for the `number`th time
    {settled: …}, {retried: …}      a delivery was delivered or given up; or is to be tried again
    {acked: …}, {unacked: …}        somebody acknowledged an alert, or took that back
    {silence: …}, {silence_ended: …}
    {recorded: {below}}             transitions of messages below this offset are in the table of the store

Repeats change nothing: an alert goes from firing to resolved and never back, and is updated by later events only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.alerting.archive.database import advance
from pipeline.alerting.archive.examining import Examiner, entry_of
from pipeline.alerting.routing.entry import Entry, labels_of
from pipeline.alerting.routing.groups import GroupState, change_due_ns
from pipeline.alerting.routing.inhibition import source_keys
from pipeline.alerting.routing.plan import AlertPlan
from pipeline.alerting.routing.tree import Target, Timing
from store.values.times import parse_rfc3339

RECORDED = "recorded transitions"  # a position, which is the next `seq`


class Fold:
    """One message: `take` for each of its events, then `finish`."""

    def __init__(self, db: sqlite3.Connection, plan: AlertPlan, offset: int, now_ns: int, wall_ns: int) -> None:
        self._db = db
        self._plan = plan
        self._offset = offset
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        self._changed: dict[str, None] = {}  # groups, in order
        self._examiner = Examiner(db, plan, now_ns, wall_ns)
        self.queued = 0

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event in."""
        match event:
            case {"settled": note}:
                self._settle(note)
            case {"retried": wish}:
                self._retry(wish)
            case {"told": decided}:
                self._tell(decided)
            case {"acked": ack}:
                self._ack(ack)
            case {"unacked": ack}:
                self._unack(ack)
            case {"silence": silence}:
                self._silence(silence)
            case {"silence_ended": ended}:
                self._end_silence(ended)
            case {"recorded": {"below": below}}:
                recorded_below(self._db, below)
            case _:
                self._alert(event)

    def finish(self) -> int:
        """Tell the groups that changed and need not wait. Returns how many deliveries this message has queued."""
        for group_id in self._changed:
            self._look_at(group_id)
        self._changed = {}
        return self.queued

    def _look_at(self, group_id: str) -> None:
        row = self._db.execute("SELECT * FROM groups WHERE id = ?", (group_id,)).fetchone()
        if row is None:
            return
        timing = Timing(row["wait_ns"], row["interval_ns"], row["repeat_ns"])
        due_ns = change_due_ns(GroupState(timing, row["opened_ns"], row["told_ns"]), self._now_ns)
        if due_ns <= self._now_ns:
            self.queued += self._examiner.tell(group_id)
        elif row["due_ns"] is None or due_ns < row["due_ns"]:
            self._db.execute("UPDATE groups SET due_ns = ? WHERE id = ?", (due_ns, group_id))

    def _alert(self, entry: Entry) -> None:
        body = entry["event"]
        data = body["data"]
        alert_id, is_firing = data["id"], data["status"] == "firing"
        at_ns = parse_rfc3339(body["timestamp"])
        known = self._db.execute("SELECT status, changed_ns FROM alerts WHERE id = ?", (alert_id,)).fetchone()
        if known is not None and (known["status"] == "resolved" or (is_firing and at_ns <= known["changed_ns"])):
            return
        of_alert = self._groups_of(alert_id)
        if any(group_id in self._changed for group_id in of_alert):
            self.finish()  # both changes are told
        self._store(entry, at_ns)
        kind = "resolved" if not is_firing else "firing" if known is None else "updated"
        self._note(entry, kind, at_ns)
        self._inhibit(entry, is_firing=is_firing)
        if is_firing or known is None:
            # what ends without having begun here did so for receivers: the file was lost meanwhile
            self._add_to_groups(entry, of_alert, told=0 if is_firing else 1)
            of_alert = self._groups_of(alert_id)
        self._changed |= dict.fromkeys(of_alert)

    def _store(self, entry: Entry, at_ns: int) -> None:
        body = entry["event"]
        data = body["data"]
        self._db.execute(
            "INSERT INTO alerts (id, account, table_name, zone, rule, status, since, event, updated_ns, change, "
            "changed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (id) DO UPDATE SET "
            "status = excluded.status, event = excluded.event, updated_ns = excluded.updated_ns, "
            "change = change + 1, changed_ns = excluded.changed_ns",
            (
                data["id"],
                entry["account"],
                entry["table"],
                entry["zone"],
                data["rule"],
                data["status"],
                data["since"],
                orjson.dumps(body),
                self._now_ns,
                at_ns,
            ),
        )

    def _groups_of(self, alert_id: str) -> dict[str, str]:
        """The groups that an alert is in, with their receivers: it stays in them until its end."""
        rows = self._db.execute(
            "SELECT g.id, g.receiver FROM members m JOIN groups g ON g.id = m.group_id WHERE m.alert_id = ?",
            (alert_id,),
        )
        return {row["id"]: row["receiver"] for row in rows.fetchall()}

    def _add_to_groups(self, entry: Entry, of_alert: Mapping[str, str], *, told: int) -> None:
        """Add it to groups of receivers that do not hear of it yet."""
        hearing = set(of_alert.values())
        alert_id = entry["event"]["data"]["id"]
        for target in self._plan.targets(alert_id, labels_of(entry)):
            if target.receiver not in hearing:
                self._open(target, entry["account"])
                self._db.execute(
                    "INSERT OR IGNORE INTO members (group_id, alert_id, told) VALUES (?, ?, ?)",
                    (target.id, alert_id, told),
                )

    def _open(self, target: Target, account: str) -> None:
        """Have the group, with today's timing; if it has no alerts, it begins now."""
        labels = None if target.labels is None else orjson.dumps(target.labels)
        timing = target.timing
        self._db.execute(
            "INSERT INTO groups (id, receiver, account, labels, wait_ns, interval_ns, repeat_ns, number, opened_ns, "
            "muted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, 0) ON CONFLICT (id) DO UPDATE SET wait_ns = ?5, "
            "interval_ns = ?6, repeat_ns = ?7, opened_ns = "
            "iif(EXISTS (SELECT 1 FROM members WHERE group_id = ?1), opened_ns, ?8)",
            (
                target.id,
                target.receiver,
                account,
                labels,
                timing.wait_ns,
                timing.interval_ns,
                timing.repeat_ns,
                self._now_ns,
            ),
        )

    def _inhibit(self, entry: Entry, *, is_firing: bool) -> None:
        alert_id = entry["event"]["data"]["id"]
        gone = self._db.execute("DELETE FROM inhibitors WHERE alert_id = ?", (alert_id,)).rowcount
        keys = source_keys(self._plan.inhibitions, labels_of(entry)) if is_firing and self._plan.inhibitions else []
        self._db.executemany(
            "INSERT INTO inhibitors (key, alert_id) VALUES (?, ?)", [(key, alert_id) for key in dict.fromkeys(keys)]
        )
        if gone:
            look_again(self._db, self._now_ns)

    def _note(self, entry: Entry, kind: str, at_ns: int, note: Mapping[str, Any] | None = None) -> None:
        mute = self._examiner.mute_of(entry, change=0, acked=None)
        self._db.execute(
            "INSERT INTO transitions (account, alert_id, log_offset, kind, at_ns, noted_ns, muted, entry, note) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry["account"],
                entry["event"]["data"]["id"],
                self._offset,
                kind,
                at_ns,
                self._now_ns,
                None if mute is None else mute.kind.value,
                orjson.dumps(entry),
                None if note is None else orjson.dumps(note),
            ),
        )

    def _ack(self, ack: Mapping[str, Any]) -> None:
        row = self._firing(ack)
        if row is not None:
            # what rises afterwards is told: somebody acknowledged what it was
            kept = {name: ack[name] for name in ("by", "why", "until_ns", "at_ns")} | {"change": row["change"]}
            self._db.execute("UPDATE alerts SET acked = ? WHERE id = ?", (orjson.dumps(kept), ack["id"]))
            self._note(entry_of(row), "acknowledged", ack["at_ns"], kept)
            self._look_at_groups_of(ack["id"])

    def _unack(self, ack: Mapping[str, Any]) -> None:
        row = self._firing(ack)
        if row is not None and row["acked"] is not None:
            self._db.execute("UPDATE alerts SET acked = NULL WHERE id = ?", (ack["id"],))
            self._note(entry_of(row), "unacknowledged", ack["at_ns"], {"by": ack["by"]})
            self._look_at_groups_of(ack["id"])

    def _firing(self, ack: Mapping[str, Any]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM alerts WHERE id = ? AND account = ? AND status = 'firing'", (ack["id"], ack["account"])
        ).fetchone()
        return row

    def _look_at_groups_of(self, alert_id: str) -> None:
        """Have them looked at now, for when they are due next: what is not told is told later."""
        self._db.execute(
            "UPDATE groups SET due_ns = min(ifnull(due_ns, ?1), ?1) "
            "WHERE id IN (SELECT group_id FROM members WHERE alert_id = ?2)",
            (self._now_ns, alert_id),
        )

    def _silence(self, silence: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO silences (id, account, content, end_ns) VALUES (?, ?, ?, ?)",
            (silence["id"], silence["account"], orjson.dumps(silence), silence["end_ns"]),
        )
        self._examiner = Examiner(self._db, self._plan, self._now_ns, self._wall_ns)

    def _end_silence(self, ended: Mapping[str, Any]) -> None:
        row = self._db.execute(
            "SELECT content FROM silences WHERE id = ? AND account = ? AND ifnull(end_ns, ?3 + 1) > ?3",
            (ended["id"], ended["account"], ended["at_ns"]),
        ).fetchone()
        if row is not None:
            content = orjson.loads(row["content"]) | {"end_ns": ended["at_ns"]}
            self._db.execute(
                "UPDATE silences SET content = ?, end_ns = ? WHERE id = ?",
                (orjson.dumps(content), ended["at_ns"], ended["id"]),
            )
            self._examiner = Examiner(self._db, self._plan, self._now_ns, self._wall_ns)
            look_again(self._db, self._now_ns)

    def _tell(self, decided: Mapping[str, Any]) -> None:
        row = self._db.execute("SELECT number FROM groups WHERE id = ?", (decided["group"],)).fetchone()
        if row is not None and row["number"] < decided["number"]:
            self.finish()
            examiner = Examiner(self._db, self._plan, self._now_ns, decided["at_ns"])
            self.queued += examiner.tell(decided["group"], is_decided=True)

    def _retry(self, wish: Mapping[str, Any]) -> None:
        self.queued += self._db.execute(
            "UPDATE deliveries SET state = 'queued', attempts = 0, queued_ns = ?, next_attempt_ns = ?, "
            "settled_ns = NULL "
            "WHERE id = ? AND receiver = ? AND (state = 'given_up' OR state = 'queued' AND attempts > 0)",
            (self._now_ns, self._now_ns, wish["id"], wish["receiver"]),
        ).rowcount

    def _settle(self, note: Mapping[str, Any]) -> None:
        self._db.execute(
            "UPDATE deliveries SET attempts = ?, state = ?, settled_ns = ?, error = ? "
            "WHERE id = ? AND receiver = ? AND state = 'queued'",
            (note["attempts"], note["state"], note["at_ns"], note["error"], note["id"], note["receiver"]),
        )


def recorded_below(db: sqlite3.Connection, below: int) -> None:
    """The transitions of messages below this offset are recorded: `RECORDED` is the position among transitions."""
    row = db.execute("SELECT max(seq) FROM transitions WHERE log_offset < ?", (below,)).fetchone()
    if row[0] is not None:
        advance(db, RECORDED, row[0])


def look_again(db: sqlite3.Connection, now_ns: int) -> None:
    """Have all groups with muted alerts looked at now: what muted them may have ended."""
    db.execute("UPDATE groups SET due_ns = min(ifnull(due_ns, ?1), ?1) WHERE muted > 0", (now_ns,))
