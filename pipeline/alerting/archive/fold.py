"""Takes the events of one message of [alerts] into the archive, in the caller's transaction.

So the archive is a function of the log: a worker that takes [alerts] over makes the same one. An event is one of these:

    {account, table, zone, event}   an alert fired, was updated (as when its severity rises) or resolved
    {told: {group, number, at_ns}}  the owner of [alerts] decided at that time to tell a group, for the `number`th time
    {settled: …}, {retried: …}      a delivery was delivered or given up; or is to be tried again
    {acked: …}, {unacked: …}        somebody acknowledged an alert, or took that back
    {feedback: …}                   somebody said of an alert that it was false, or right
    {silence: …}, {silence_ended: …}
    {recorded: {below}}             transitions of messages below this offset are in the table of the store

Repeats change nothing: an alert goes from firing to resolved and never back, and is updated by later events only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import orjson

from pipeline.alerting.archive.database import advance
from pipeline.alerting.archive.examining import Examiner
from pipeline.alerting.archive.muting import Muting
from pipeline.alerting.archive.rows import AlertRow, GroupRow
from pipeline.alerting.archive.work import UnitOfWork
from pipeline.alerting.routing.entry import Entry, labels_of
from pipeline.alerting.routing.groups import change_due_ns
from pipeline.alerting.routing.inhibition import source_keys
from pipeline.alerting.routing.plan import AlertPlan
from store.values.times import parse_rfc3339

RECORDED = "recorded transitions"  # a position, which is the next `seq`


class Fold:
    """One message of [alerts], at `offset`. Used once."""

    def __init__(self, db: sqlite3.Connection, plan: AlertPlan, offset: int, now_ns: int, wall_ns: int) -> None:
        self._db = db
        self._plan = plan
        self._offset = offset
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        self._work = UnitOfWork(db)
        self._muting = Muting(db, plan, now_ns, wall_ns)
        self._changed: dict[str, None] = {}  # groups, in order
        self._alerts: set[str] = set()  # that changed
        self._unmutes = False

    def take(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Take its events in, and tell changed groups that need not wait. Returns how many deliveries were queued."""
        self._work.read(event["event"]["data"]["id"] for event in events if "event" in event)
        for event in events:
            self._take(event)
        self._tell_changed()
        if self._unmutes:
            look_again(self._db, self._now_ns)
        return self._work.queued

    def _take(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"settled": note}:
                self._settle(note)
            case {"retried": wish}:
                self._retry(wish)
            case {"told": decided}:
                self._told(decided)
            case {"acked": ack}:
                self._ack(ack)
            case {"unacked": ack}:
                self._unack(ack)
            case {"feedback": feedback}:
                self._feedback(feedback)
            case {"silence": silence}:
                self._silence(silence)
            case {"silence_ended": ended}:
                self._end_silence(ended)
            case {"recorded": {"below": below}}:
                recorded_below(self._db, below)
            case _:
                self._alert(event)

    def _tell_changed(self) -> None:
        """Tell the groups that changed and need not wait, and write everything."""
        changed, self._changed, self._alerts = self._changed, {}, set()
        due = [group for group_id in changed if (group := self._work.group(group_id)) and self._is_due(group)]
        self._tell([group.id for group in due if group.is_of_one])
        self._work.flush()
        self._tell([group.id for group in due if not group.is_of_one])
        self._work.flush()

    def _is_due(self, group: GroupRow) -> bool:
        """Whether a change of it need not wait; if it has to, have it looked at when that is over."""
        if group.is_of_one:
            return True
        due_ns = change_due_ns(group.state, self._now_ns)
        if due_ns > self._now_ns:
            group.due_ns = due_ns if group.due_ns is None else min(group.due_ns, due_ns)
        return due_ns <= self._now_ns

    def _tell(self, group_ids: Iterable[str]) -> None:
        examiner = Examiner(self._work, self._muting, self._now_ns, self._wall_ns)
        for group_id in group_ids:
            if (group := self._work.group(group_id)) is not None:
                examiner.tell(group)

    def _alert(self, entry: Entry) -> None:
        data = entry["event"]["data"]
        alert_id, is_firing = data["id"], data["status"] == "firing"
        at_ns = parse_rfc3339(entry["event"]["timestamp"])
        known = self._work.alert(alert_id)
        if known is not None and (not known.is_firing or (is_firing and at_ns <= known.changed_ns)):
            return
        if alert_id in self._alerts:
            self._tell_changed()  # both changes are told
        self._alerts.add(alert_id)
        alert = self._stored(entry, at_ns)
        self._note(alert, "resolved" if not is_firing else "firing" if known is None else "updated", at_ns)
        self._inhibit(alert_id, entry, is_firing=is_firing)
        groups = self._work.groups_of(alert_id)
        if is_firing or known is None:
            # what ends without having begun here did so for receivers: the file was lost meanwhile
            groups += self._joined(alert, entry, {group.receiver for group in groups}, told=0 if is_firing else 1)
        self._changed.update((group.id, None) for group in groups)

    def _stored(self, entry: Entry, at_ns: int) -> AlertRow:
        body = entry["event"]
        data = body["data"]
        alert = self._work.alert(data["id"])
        if alert is None:
            alert = AlertRow(
                seq=self._work.next_seq("alerts"),
                id=data["id"],
                account=entry["account"],
                table_name=entry["table"],
                zone=entry["zone"],
                rule=data["rule"],
                status=data["status"],
                since=data["since"],
                event=b"",
                updated_ns=0,
                change=0,
                changed_ns=0,
            )
            self._work.add_alert(alert)
        alert.status, alert.event = data["status"], orjson.dumps(body)
        alert.change, alert.changed_ns, alert.updated_ns = alert.change + 1, at_ns, self._now_ns
        return alert

    def _joined(self, alert: AlertRow, entry: Entry, hearing: Container[str], *, told: int) -> list[GroupRow]:
        """The groups that it is added to: of receivers that do not hear of it yet."""
        return [
            self._work.join(alert, target, told=told, now_ns=self._now_ns)
            for target in self._plan.targets(alert.id, labels_of(entry))
            if target.receiver not in hearing
        ]

    def _inhibit(self, alert_id: str, entry: Entry, *, is_firing: bool) -> None:
        if not self._plan.inhibitions:
            return
        gone = self._db.execute("DELETE FROM inhibitors WHERE alert_id = ?", (alert_id,)).rowcount
        self._unmutes |= gone > 0
        keys = source_keys(self._plan.inhibitions, labels_of(entry)) if is_firing else []
        self._db.executemany(
            "INSERT INTO inhibitors (key, alert_id) VALUES (?, ?)", [(key, alert_id) for key in dict.fromkeys(keys)]
        )

    def _note(self, alert: AlertRow, kind: str, at_ns: int, note: Mapping[str, Any] | None = None) -> None:
        mute = self._muting.hides(alert)
        self._work.add_transition(
            *(alert.account, alert.id, self._offset, kind, at_ns, self._now_ns),
            None if mute is None else mute.kind.value,
            orjson.dumps(alert.entry_to_dump),
            None if note is None else orjson.dumps(note),
        )

    def _ack(self, ack: Mapping[str, Any]) -> None:
        alert = self._firing(ack)
        if alert is not None:
            # what rises afterwards is told: somebody acknowledged what it was
            kept = {name: ack[name] for name in ("by", "why", "until_ns", "at_ns")} | {"change": alert.change}
            alert.acked_json = orjson.dumps(kept)
            self._note(alert, "acknowledged", ack["at_ns"], kept)
            self._look_at_groups_of(alert)

    def _unack(self, ack: Mapping[str, Any]) -> None:
        alert = self._firing(ack)
        if alert is not None and alert.acked_json is not None:
            alert.acked_json = None
            self._note(alert, "unacknowledged", ack["at_ns"], {"by": ack["by"]})
            self._look_at_groups_of(alert)

    def _feedback(self, feedback: Mapping[str, Any]) -> None:
        alert = self._work.alert(feedback["id"])
        if alert is not None and alert.account == feedback["account"]:
            kept = {name: feedback[name] for name in ("by", "why", "verdict", "at_ns")}
            self._note(alert, "feedback", feedback["at_ns"], kept)

    def _firing(self, ack: Mapping[str, Any]) -> AlertRow | None:
        alert = self._work.alert(ack["id"])
        return alert if alert is not None and alert.is_firing and alert.account == ack["account"] else None

    def _look_at_groups_of(self, alert: AlertRow) -> None:
        """Have them looked at now, for when they are due next: what is not told is told later."""
        for group in self._work.groups_of(alert.id):
            group.due_ns = self._now_ns if group.due_ns is None else min(group.due_ns, self._now_ns)

    def _silence(self, silence: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO silences (id, account, content, end_ns) VALUES (?, ?, ?, ?)",
            (silence["id"], silence["account"], orjson.dumps(silence), silence["end_ns"]),
        )
        self._muting = Muting(self._db, self._plan, self._now_ns, self._wall_ns)

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
            self._muting = Muting(self._db, self._plan, self._now_ns, self._wall_ns)
            self._unmutes = True

    def _told(self, decided: Mapping[str, Any]) -> None:
        group = self._work.group(decided["group"])
        if group is None or group.number >= decided["number"]:
            return
        self._tell_changed()
        muting = Muting(self._db, self._plan, self._now_ns, decided["at_ns"])
        examiner = Examiner(self._work, muting, self._now_ns, decided["at_ns"])
        if (group := self._work.group(decided["group"])) is not None:
            examiner.tell(group, is_decided=True)
        self._work.flush()

    def _retry(self, wish: Mapping[str, Any]) -> None:
        self._work.queued += self._db.execute(
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
