"""The archive of alerts, and the queue of their deliveries to receivers, in one file and one transaction.

An alert is one row, which changes from firing to resolved and never back: an id stands for one onset. For each status
of an alert and each receiver, one delivery is queued, under the id `<alert id>.<status>`. An event that the log or a
replay of the rules repeats is queued once. A resolved alert is sent to a receiver only after its firing was delivered
or given up.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from pipeline.alerting.archive.counts import AlertCounts, counts_of
from pipeline.alerting.archive.database import ArchiveFile, Filter, advance, next_seq
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.archive.examining import Examiner
from pipeline.alerting.archive.fold import RECORDED, Fold, look_again
from pipeline.alerting.archive.muting import Muting
from pipeline.alerting.archive.rows import AlertRow
from pipeline.alerting.archive.schema import FORMAT_VERSION, SCHEMA, STEPS
from pipeline.alerting.archive.transition import Transition
from pipeline.alerting.archive.work import UnitOfWork
from pipeline.alerting.routing.entry import Entry, labels_of
from pipeline.alerting.routing.groups import Mute
from pipeline.alerting.routing.inhibition import source_keys
from pipeline.alerting.routing.plan import AlertPlan
from pipeline.alerting.routing.silences import Silence, silence_from_json
from store.host_time import WRITTEN_NS
from store.values.durations import duration_ns

KEEP = timedelta(days=30)
MOST_LOOKED_AT = 100  # groups, in one transaction

_DUE = (
    "SELECT * FROM deliveries AS d WHERE receiver = ? AND state = 'queued' AND next_attempt_ns <= ? AND NOT EXISTS "
    "(SELECT 1 FROM deliveries AS e WHERE e.alert_id = d.alert_id AND e.receiver = d.receiver AND e.state = 'queued' "
    "AND e.seq < d.seq) ORDER BY next_attempt_ns, seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Alert:
    """The current state of an alert.

    `event` is the newest webhook body, `since` the onset as RFC 3339 text, `seq` the key for paging, `change` counts
    its transitions, `acked` is who acknowledged it (`by`, `why`, `at_ns`, `until_ns`, and at which `change`).
    """

    seq: int
    id: str
    account: str
    table: str
    zone: str | None
    rule: str
    status: str
    since: str
    event: Mapping[str, Any]
    updated_ns: int
    change: int
    acked: Mapping[str, Any] | None

    @property
    def entry(self) -> Entry:
        """The alert as [alerts] has it."""
        return {"account": self.account, "table": self.table, "zone": self.zone, "event": self.event}


class AlertArchive:
    """The file at `path`. Methods may be called from any thread; each is one short transaction or one read."""

    def __init__(self, path: Path, *, keep: timedelta = KEEP) -> None:
        self._file = ArchiveFile(path, SCHEMA, FORMAT_VERSION, STEPS)
        self._keep_ns = duration_ns(keep)
        with self._file.reading() as db:
            self._last_transition = next_seq(db, "transitions") - 1

    def next_offset(self, partition_id: str) -> int | None:
        """The first offset of `partition_id` that is not in the archive yet; None for an unknown partition."""
        return self._file.next_offset(partition_id)

    def accept(
        self,
        partition_id: str,
        offset: int,
        events: Sequence[Mapping[str, Any]],
        plan: AlertPlan,
        *,
        now_ns: int,
        wall_ns: int | None = None,
    ) -> int:
        """Take in the events of one log message (`pipeline.alerting.archive.fold`), and queue what need not wait.

        `now_ns` is a time of the queue's clock, `wall_ns` of the host's, None: the same. Returns how many deliveries
        were queued. An offset below the position changes nothing.
        """
        with self._file.writing() as db:
            if not advance(db, partition_id, offset):
                return 0
            queued = Fold(db, plan, offset, now_ns, now_ns if wall_ns is None else wall_ns).take(events)
            last = next_seq(db, "transitions") - 1
        self._last_transition = last  # when it is committed
        return queued

    def groups_due(
        self, plan: AlertPlan, *, now_ns: int, wall_ns: int, but: Container[str] = ()
    ) -> list[Mapping[str, Any]]:
        """The events that are to be appended to [alerts], to tell groups that are due now. None is told without.

        `but`: ids of events that were appended and are not taken in yet. At most 100 groups are looked at.
        """
        receivers = ", ".join("?" * len(plan.receivers))
        sql = f"SELECT * FROM groups WHERE due_ns <= ? AND receiver IN ({receivers}) ORDER BY due_ns LIMIT ?"  # noqa: S608  # question marks
        with self._file.writing() as db:
            work = UnitOfWork(db)
            examiner = Examiner(work, Muting(db, plan, now_ns, wall_ns), now_ns, wall_ns)
            due = work.groups(db.execute(sql, (now_ns, *plan.receivers, MOST_LOOKED_AT)).fetchall())
            told: list[Mapping[str, Any]] = [
                {"told": {"group": group.id, "number": group.number + 1, "at_ns": wall_ns}}
                for group in due
                if told_id(group.id, group.number + 1) not in but and examiner.decision(group).tells
            ]
            work.flush()
            return told

    def next_group_ns(self, plan: AlertPlan) -> int | None:
        """When the next group is due (it may be in the past); None if none is."""
        receivers = ", ".join("?" * len(plan.receivers))
        sql = f"SELECT min(due_ns) FROM groups WHERE due_ns IS NOT NULL AND receiver IN ({receivers})"  # noqa: S608  # as above
        rows = self._file.read(sql, tuple(plan.receivers))
        return None if rows[0][0] is None else int(rows[0][0])

    def plan_changed(self, plan: AlertPlan, now_ns: int) -> None:
        """What fires inhibits by the rules of `plan` from now on, and everything muted is looked at again."""
        with self._file.writing() as db:
            db.execute("DELETE FROM inhibitors")
            if plan.inhibitions:
                for row in db.execute("SELECT * FROM alerts WHERE status = 'firing'").fetchall():
                    alert = AlertRow(*row[:-1])
                    keys = dict.fromkeys(source_keys(plan.inhibitions, labels_of(alert.entry)))
                    db.executemany(
                        "INSERT INTO inhibitors (key, alert_id) VALUES (?, ?)", [(key, alert.id) for key in keys]
                    )
            look_again(db, now_ns)

    def list(
        self,
        *,
        account: str | None = None,
        table: str | None = None,
        zone: str | None = None,
        status: str | None = None,
        rule: str | None = None,
        alert_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        """The newest `limit` alerts that match, newest first. For the next page pass the last `seq` as `before_seq`.

        `labels` are those of the rule; `from_ns` ≤ time of the newest transition < `to_ns`.
        """
        where = Filter()
        where.add("account = ?", account)
        where.add("table_name = ?", table)
        where.add("zone = ?", zone)
        where.add("status = ?", status)
        where.add("rule = ?", rule)
        where.add("id = ?", alert_id)
        where.add("changed_ns >= ?", from_ns)
        where.add("changed_ns < ?", to_ns)
        for name, value in (labels or {}).items():
            path = f'$.data.labels."{name}"'
            where.add("json_extract(CAST(event AS TEXT), ?) = ?", path, value)
        where.add("seq < ?", before_seq)
        sql = f"SELECT * FROM alerts{where.sql} ORDER BY seq DESC LIMIT ?"  # noqa: S608  # conditions are constants
        return [_alert(row) for row in self._file.read_rows("alerts", sql, (*where.parameters, limit))]

    def mutes(self, alerts: Sequence[Alert], plan: AlertPlan, wall_ns: int) -> Sequence[Mute | None]:
        """Why nobody is told of each of these alerts at `wall_ns`; None for those that are told or have ended."""
        with self._file.reading() as db:
            muting = Muting(db, plan, wall_ns, wall_ns)
            return [muting.mute_of(alert) if alert.status == "firing" else None for alert in alerts]

    def transitions(
        self, *, account: str | None = None, alert_id: str | None = None, after_seq: int = 0, limit: int = 500
    ) -> Sequence[Transition]:
        """The first `limit` transitions after this one, in order."""
        where = Filter()
        where.add("account = ?", account)
        where.add("alert_id = ?", alert_id)
        where.add("seq > ?", after_seq)
        sql = f"SELECT * FROM transitions{where.sql} ORDER BY seq LIMIT ?"  # noqa: S608  # as above
        return [Transition.of(row) for row in self._file.read_rows("transitions", sql, (*where.parameters, limit))]

    def last_transition(self) -> int:
        """The newest `seq` of all transitions that there were; 0 if there were none. Costs nothing."""
        return self._last_transition

    def first_transition(self) -> int:
        """The oldest `seq` that is kept; the next one to come if none is."""
        return int(self._file.read("SELECT ifnull(min(seq), ?) FROM transitions", (self._last_transition + 1,))[0][0])

    def unrecorded(self, limit: int) -> Sequence[Transition]:
        """The first transitions that are not in the table of the store yet."""
        return self.transitions(after_seq=(self._file.next_offset(RECORDED) or 1) - 1, limit=limit)

    def recorded(self, last_seq: int) -> None:
        """Transitions up to this one are in the table of the store."""
        with self._file.writing() as db:
            advance(db, RECORDED, last_seq)

    def silences(self, account: str, ended_after_ns: int, limit: int = 1000) -> Sequence[Silence]:
        """The silences of an account that end after this time, the last ones first."""
        rows = self._file.read_rows(
            "silences",
            "SELECT * FROM silences WHERE account = ?1 AND ifnull(end_ns, ?2 + 1) > ?2 "
            "ORDER BY ifnull(end_ns, 9223372036854775807) DESC, id LIMIT ?3",
            (account, ended_after_ns, limit),
        )
        return [silence_from_json(orjson.loads(row["content"])) for row in rows]

    def deliveries(
        self,
        *,
        account: str | None = None,
        alert_id: str | None = None,
        delivery_id: str | None = None,
        receiver: str | None = None,
        state: DeliveryState | None = None,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """The newest `limit` deliveries that match, paged as in `list`."""
        where = Filter()
        where.add("account = ?", account)
        where.add("alert_id = ?", alert_id)
        where.add("id = ?", delivery_id)
        where.add("receiver = ?", receiver)
        where.add("state = ?", state)
        where.add("seq < ?", before_seq)
        sql = f"SELECT * FROM deliveries{where.sql} ORDER BY seq DESC LIMIT ?"  # noqa: S608  # as above
        return [Delivery.of(row) for row in self._file.read_rows("deliveries", sql, (*where.parameters, limit))]

    def failed_deliveries(
        self, *, account: str, delivery_id: str | None = None, receiver: str | None = None, limit: int = 1000
    ) -> Sequence[Delivery]:
        """The oldest deliveries that may be retried: those given up, and those that wait after a failed attempt.

        The firing of an alert is not among them if its resolved event was delivered to the same receiver.
        """
        where = Filter()
        where.add("account = ?", account)
        where.add("? IN (id, alert_id)", delivery_id)
        where.add("receiver = ?", receiver)
        sql = (
            f"SELECT * FROM deliveries AS d{where.sql} AND (state = 'given_up' OR state = 'queued' AND attempts > 0) "  # noqa: S608  # as above
            "AND NOT EXISTS (SELECT 1 FROM deliveries AS e WHERE e.alert_id = d.alert_id AND e.receiver = d.receiver "
            "AND e.state = 'delivered' AND e.seq > d.seq) ORDER BY seq LIMIT ?"
        )
        return [Delivery.of(row) for row in self._file.read_rows("deliveries", sql, (*where.parameters, limit))]

    def due(self, now_ns: int, receiver: str, limit: int) -> Sequence[Delivery]:
        """Deliveries that may be sent to `receiver` now, longest due first, at most `limit`. Changes nothing."""
        return [Delivery.of(row) for row in self._file.read_rows("deliveries", _DUE, (receiver, now_ns, limit))]

    def next_due_ns(self, receiver: str) -> int | None:
        """When the next delivery to `receiver` is due (it may be in the past); None if none is queued."""
        rows = self._file.read(
            "SELECT min(next_attempt_ns) FROM deliveries WHERE receiver = ? AND state = 'queued'", (receiver,)
        )
        return None if rows[0][0] is None else int(rows[0][0])

    def take_up(self, now_ns: int, *, longest_wait_ns: int, longest_age_ns: int) -> None:
        """Correct the times of the queue after a start: the host's clock may have been set forward or back meanwhile.

        No delivery waits longer than `longest_wait_ns` from now; one that was never tried is due now. The age of a
        queued delivery is at most `longest_age_ns`, and not negative. Times from before the clock was set become
        `now_ns`.
        """
        with self._file.writing() as db:
            db.execute(
                "UPDATE deliveries SET next_attempt_ns = min(next_attempt_ns, ?1 + iif(attempts = 0, 0, ?2)), "
                "queued_ns = min(max(queued_ns, ?1 - ?3), ?1) WHERE state = 'queued'",
                (now_ns, longest_wait_ns, longest_age_ns),
            )
            db.execute(
                "UPDATE groups SET due_ns = iif(due_ns IS NULL, NULL, ?1), opened_ns = min(opened_ns, ?1), "
                "told_ns = min(told_ns, ?1) WHERE due_ns IS NOT NULL OR max(opened_ns, ifnull(told_ns, 0)) > ?1",
                (now_ns,),
            )
            db.execute("UPDATE deliveries SET queued_ns = ?1 WHERE queued_ns < min(?1, ?2)", (now_ns, WRITTEN_NS))
            for table, column in (("alerts", "updated_ns"), ("transitions", "noted_ns")):
                db.execute(
                    f"UPDATE {table} SET {column} = ?1 WHERE {column} < min(?1, ?2)",  # noqa: S608  # names of ours
                    (now_ns, WRITTEN_NS),
                )

    def counts(self, plan: AlertPlan, wall_ns: int) -> AlertCounts:
        """How many alerts fire at `wall_ns`, and how many of them nobody is told of."""
        with self._file.reading() as db:
            return counts_of(db, plan, wall_ns)

    def queued(self) -> dict[str, int]:
        """The number of queued deliveries, by receiver."""
        rows = self._file.read("SELECT receiver, count(*) FROM deliveries WHERE state = 'queued' GROUP BY receiver", ())
        return {str(row[0]): int(row[1]) for row in rows}

    def delivered(self, delivery: Delivery, now_ns: int, answer: str | None = None) -> None:
        """Record that the receiver accepted the delivery, and what it said."""
        self._settle(delivery, DeliveryState.DELIVERED, now_ns, None, answer)

    def given_up(self, delivery: Delivery, now_ns: int, error: str) -> None:
        """Record that the last attempt failed and no other will follow."""
        self._settle(delivery, DeliveryState.GIVEN_UP, now_ns, error, error)

    def failed(self, delivery: Delivery, next_attempt_ns: int, error: str) -> None:
        """Record that an attempt failed; the next one is due at `next_attempt_ns`."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, next_attempt_ns = ?, error = ?, answer = ? "
                "WHERE seq = ? AND state = 'queued'",
                (next_attempt_ns, error, error, delivery.seq),
            )

    def _settle(
        self, delivery: Delivery, state: DeliveryState, now_ns: int, error: str | None, answer: str | None
    ) -> None:
        with self._file.writing() as db:
            db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, state = ?, settled_ns = ?, error = ?, answer = ? "
                "WHERE seq = ? AND state = 'queued'",
                (state, now_ns, error, answer, delivery.seq),
            )

    def retain(self, now_ns: int) -> None:
        """Remove alerts resolved, and deliveries queued, before the retention.

        `now_ns` is a time to delete by (`store.host_time`). Rows with a time from before the host's clock was set may
        be new: they stay until `take_up` corrects their time.
        """
        span = WRITTEN_NS, now_ns - self._keep_ns - 1
        with self._file.writing() as db:
            db.execute("DELETE FROM alerts WHERE status = 'resolved' AND updated_ns BETWEEN ? AND ?", span)
            db.execute("DELETE FROM deliveries WHERE queued_ns BETWEEN ? AND ?", span)
            db.execute("DELETE FROM silences WHERE end_ns BETWEEN ? AND ?", span)
            db.execute(
                "DELETE FROM transitions WHERE noted_ns BETWEEN ? AND ? AND seq < "
                "(SELECT ifnull(max(next_offset), 0) FROM positions WHERE stream = ?)",
                (*span, RECORDED),
            )
            # a group that is told again begins at 1: nothing that it was told may be left
            db.execute(
                "DELETE FROM groups WHERE opened_ns BETWEEN ? AND ? AND ifnull(told_ns, 0) <= ?2 AND NOT EXISTS "
                "(SELECT 1 FROM members WHERE group_id = id) AND NOT EXISTS "
                "(SELECT 1 FROM deliveries WHERE alert_id = groups.id)",
                span,
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def settlement(delivery: Delivery, state: DeliveryState, now_ns: int, error: str | None) -> Mapping[str, Any]:
    """The event for [alerts] that a delivery was settled: a worker that takes [alerts] over does not send it again."""
    return {
        "settled": {
            "id": delivery.id,
            "receiver": delivery.receiver,
            "state": state.value,
            "attempts": delivery.attempts + 1,
            "at_ns": now_ns,
            "error": error,
        }
    }


def retrial(delivery: Delivery) -> Mapping[str, Any]:
    """The event for [alerts] that a delivery is to be tried again, from now on for another day."""
    return {"retried": {"id": delivery.id, "receiver": delivery.receiver}}


def told_id(group_id: str, number: int) -> str:
    """The id of the event that a group is told for the `number`th time."""
    return f"{group_id}.{number}"


def _alert(row: Mapping[str, Any]) -> Alert:
    return Alert(
        row["seq"],
        row["id"],
        row["account"],
        row["table_name"],
        row["zone"],
        row["rule"],
        row["status"],
        row["since"],
        orjson.loads(row["event"]),
        row["updated_ns"],
        row["change"],
        None if row["acked"] is None else orjson.loads(row["acked"]),
    )
