"""What one transaction reads and changes of alerts and groups: read by the hundred, changed in memory, written at once.

The pattern is Fowler's Unit of Work. An alert costs a row of its own, one of its transition, and one of each delivery.
That a receiver was told of it on its own is noted in the alert's row (`heard`: the receiver, and how often), as long
as nothing else is to be known of it: it is to be told nothing more before the alert changes. Otherwise (it is muted, or
is to be repeated) there are rows in `groups` and `members`. Users of this class see groups and members in any case.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from operator import attrgetter
from typing import Any

import orjson

from pipeline.alerting.archive.database import next_seq
from pipeline.alerting.archive.rows import AlertRow, GroupRow, MemberRow
from pipeline.alerting.archive.sealing import write_sealed
from pipeline.alerting.archive.table import Table
from pipeline.alerting.routing.tree import Target, id_of_one

_OF_IDS = "IN (SELECT value FROM json_each(?))"
_MEMBER, _OTHER = slice(0, 4), slice(5, -1)  # of a row of `members` and of one of another table, without checksums


class UnitOfWork:
    """Alerts, groups and members of one transaction. What `flush` has not written is not in the file.

    queued  how many deliveries were queued
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.queued = 0
        self._db = db
        self._alerts = Table(db, "alerts", AlertRow, attrgetter("id"))
        self._groups = Table(db, "groups", GroupRow, attrgetter("id"))
        self._members = Table(db, "members", MemberRow, attrgetter("group_id", "alert_id"))
        self._groups_of: dict[str, list[str]] = {}  # by alert, if it was read with all its groups
        self._alert_of: dict[str, str] = {}  # by group of one
        self._not_empty: set[str] = set()  # groups
        self._transitions: list[tuple[Any, ...]] = []
        self._deliveries: list[tuple[Any, ...]] = []
        self._seqs: dict[str, Iterator[int]] = {}

    def read(self, alert_ids: Iterable[str]) -> None:
        """Read these alerts with their groups, in two queries. Without this each is read when it is asked for."""
        wanted = [alert_id for alert_id in dict.fromkeys(alert_ids) if alert_id not in self._groups_of]
        ids = (orjson.dumps(wanted).decode(),)
        self._groups_of.update((alert_id, []) for alert_id in wanted)
        for row in self._db.execute(f"SELECT * FROM alerts WHERE id {_OF_IDS}", ids):  # noqa: S608  # a constant
            self._alerts.hold(row[:-1])
        joined = f"SELECT m.*, g.* FROM members m JOIN groups g ON g.id = m.group_id WHERE m.alert_id {_OF_IDS}"  # noqa: S608  # as above
        for row in self._db.execute(joined, ids):
            self._enlist(self._members.hold(row[_MEMBER]), self._groups.hold(row[_OTHER]))
        for alert_id in wanted:
            if (alert := self._alerts.rows.get(alert_id)) is not None and alert.heard is not None:
                self._hold_heard(alert, orjson.loads(alert.heard))

    def alert(self, alert_id: str) -> AlertRow | None:
        """The alert; None if there is none."""
        if alert_id not in self._groups_of:
            self.read([alert_id])
        return self._alerts.rows.get(alert_id)

    def groups_of(self, alert_id: str) -> list[GroupRow]:
        """The groups that an alert is in."""
        if alert_id not in self._groups_of:
            self.read([alert_id])
        return [self._groups.rows[group_id] for group_id in self._groups_of[alert_id]]

    def group(self, group_id: str) -> GroupRow | None:
        """The group; None if there is none."""
        if group_id not in self._groups.rows:
            for row in self._db.execute("SELECT * FROM groups WHERE id = ?", (group_id,)):
                self._groups.hold(row[:-1])
        return self._groups.rows.get(group_id)

    def groups(self, rows: Iterable[sqlite3.Row]) -> list[GroupRow]:
        """The groups in these rows of their table."""
        return [self._groups.hold(row[:-1]) for row in rows]

    def members(self, group: GroupRow) -> list[tuple[MemberRow, AlertRow]]:
        """The alerts of a group, in the order in which they came to it: as `flush` wrote them, if it is not of one."""
        if group.id in self._alert_of:
            alert_id = self._alert_of[group.id]
            return [(self._members.rows[group.id, alert_id], self._alerts.rows[alert_id])]
        sql = "SELECT m.*, a.* FROM members m JOIN alerts a ON a.id = m.alert_id WHERE m.group_id = ? ORDER BY m.seq"
        rows = self._db.execute(sql, (group.id,)).fetchall()
        return [(self._members.hold(row[_MEMBER]), self._alerts.hold(row[_OTHER])) for row in rows]

    def add_alert(self, alert: AlertRow) -> None:
        """Add an alert that there is not yet."""
        self._alerts.add(alert)

    def join(self, alert: AlertRow, target: Target, *, told: int, now_ns: int) -> GroupRow:
        """Add an alert to a group, with today's timing; a group without alerts begins now. Returns the group."""
        group = GroupRow.of(target, alert.account, now_ns)
        if not group.is_of_one and (known := self.group(group.id)) is not None:
            known.wait_ns, known.interval_ns, known.repeat_ns = group.wait_ns, group.interval_ns, group.repeat_ns
            known.opened_ns = known.opened_ns if self._has_members(group.id) else now_ns
            group = known
        self._groups.add(group)
        self._add_member(group, alert.id, told)
        return group

    def leave(self, group: GroupRow, alert_ids: Iterable[str]) -> None:
        """Take alerts out of a group. A group of one ends with its alert."""
        for alert_id in alert_ids:
            del self._members.rows[group.id, alert_id]
            if group.is_of_one:
                del self._groups.rows[group.id]

    def add_transition(self, *values: Any) -> None:
        """Add a transition with these values after its `seq`."""
        self._transitions.append((self.next_seq("transitions"), *values))

    def queue(self, *values: Any) -> None:
        """Queue a delivery with these values after its `seq`, if it was not queued before."""
        self._deliveries.append((self.next_seq("deliveries"), *values))

    def next_seq(self, table: str) -> int:
        """The key of a row to be added to `table`."""
        if table not in self._seqs:
            self._seqs[table] = count(next_seq(self._db, table))
        return next(self._seqs[table])

    def flush(self) -> None:
        """Write everything."""
        for alert_id in self._groups_of:
            self._note_heard(alert_id)
        for table in (self._alerts, self._groups, self._members):
            table.write()
        write_sealed(self._db, "transitions", self._transitions)
        self.queued += write_sealed(self._db, "deliveries", self._deliveries, otherwise="IGNORE")
        for kept in (self._groups_of, self._alert_of, self._not_empty, self._transitions, self._deliveries):
            kept.clear()

    def _has_members(self, group_id: str) -> bool:
        if group_id in self._not_empty:
            return True
        sql = "SELECT 1 FROM members WHERE group_id = ? LIMIT 1"
        return self._db.execute(sql, (group_id,)).fetchone() is not None

    def _add_member(self, group: GroupRow, alert_id: str, told: int) -> None:
        member = MemberRow(self.next_seq("members"), group.id, alert_id, told)
        self._members.add(member)
        self._enlist(member, group)

    def _enlist(self, member: MemberRow, group: GroupRow) -> None:
        self._not_empty.add(group.id)
        self._groups_of[member.alert_id].append(group.id)
        if group.is_of_one:
            self._alert_of[group.id] = member.alert_id

    def _hold_heard(self, alert: AlertRow, heard: Mapping[str, int]) -> None:
        for receiver, number in heard.items():
            told_ns = alert.updated_ns
            group = GroupRow(
                id=id_of_one(alert.id, receiver),
                receiver=receiver,
                account=alert.account,
                labels=None,
                wait_ns=0,
                interval_ns=0,
                repeat_ns=None,
                number=number,
                opened_ns=told_ns,
                told_ns=told_ns,
            )
            self._groups.add(group)
            self._add_member(group, alert.id, alert.change)

    def _note_heard(self, alert_id: str) -> None:
        """Note groups of one in their alert if nothing else is to be known of them."""
        alert = self._alerts.rows.get(alert_id)
        if alert is None:
            return
        heard: dict[str, int] = {}
        for group_id in self._groups_of[alert_id]:
            group = self._groups.rows.get(group_id)
            if group is not None and group.is_settled(alert, self._members.rows[group_id, alert_id]):
                heard[group.receiver] = group.number
                self.leave(group, [alert_id])
        alert.heard = orjson.dumps(heard, option=orjson.OPT_SORT_KEYS) if heard else None
