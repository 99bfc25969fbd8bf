"""The tables of the archive of alerts, and the steps that make today's of a file of a former version.

alerts      one row an alert; `change` counts its transitions, `changed_ns` is the time of the newest one; `heard`: the
            receivers that were told of it on its own, as it is, and how often; there is no group for these
groups      the alerts that a receiver is told of together, or one alert that it is told of alone
members     which alerts are in which group; `told` is the change that the receiver was told last, 0: none
inhibitors  the keys of what alerts that fire inhibit (`pipeline.alerting.routing.inhibition`)
silences    those made by API and command
transitions every change of an alert, in order: it fired, was updated, acknowledged, resolved; `log_offset` is that of
            the message it came with, `noted_ns` when it came here
deliveries  the queue, and what became of it; `alert_id` is the group's id if several alerts are told together
"""

from __future__ import annotations

import sqlite3

import orjson

from pipeline.alerting.archive.database import Step
from pipeline.alerting.archive.sealing import add_checksums, seal_rows
from pipeline.alerting.routing.entry import labels_of
from pipeline.alerting.routing.plan import plan_for
from store.values.times import parse_rfc3339

FORMAT_VERSION = 4

_ALERTS = (
    "CREATE TABLE alerts (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, "
    "table_name TEXT NOT NULL, zone TEXT, rule TEXT NOT NULL, status TEXT NOT NULL, since TEXT NOT NULL, "
    "event BLOB NOT NULL, updated_ns INTEGER NOT NULL, change INTEGER NOT NULL, changed_ns INTEGER NOT NULL, "
    "acked BLOB, heard BLOB, checksum BLOB)"
)
_DELIVERIES = (
    "CREATE TABLE deliveries (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, alert_id TEXT NOT NULL, "
    "account TEXT NOT NULL, receiver TEXT NOT NULL, content BLOB NOT NULL, state TEXT NOT NULL, "
    "attempts INTEGER NOT NULL, queued_ns INTEGER NOT NULL, next_attempt_ns INTEGER NOT NULL, "
    "settled_ns INTEGER, error TEXT, answer TEXT, checksum BLOB, UNIQUE (id, receiver))"
)
_ALERTS_3 = (  # the columns of format 3
    "seq, id, account, table_name, zone, rule, status, since, event, updated_ns, change, changed_ns, acked"
)
_ALERTS_BY_STATUS = "CREATE INDEX alerts_by_status ON alerts (account, status)"
_INDEXES = (
    _ALERTS_BY_STATUS,
    "CREATE INDEX deliveries_due ON deliveries (receiver, next_attempt_ns) WHERE state = 'queued'",
    "CREATE INDEX deliveries_queued_of_alert ON deliveries (alert_id, receiver) WHERE state = 'queued'",
)
_ROUTING = (
    (
        "CREATE TABLE groups (id TEXT PRIMARY KEY, receiver TEXT NOT NULL, account TEXT NOT NULL, labels BLOB, "
        "wait_ns INTEGER NOT NULL, interval_ns INTEGER NOT NULL, repeat_ns INTEGER, number INTEGER NOT NULL, "
        "opened_ns INTEGER NOT NULL, told_ns INTEGER, due_ns INTEGER, muted INTEGER NOT NULL, checksum BLOB) "
        "WITHOUT ROWID"
    ),
    "CREATE INDEX groups_due ON groups (due_ns) WHERE due_ns IS NOT NULL",
    "CREATE INDEX groups_muted ON groups (muted) WHERE muted > 0",
    (
        "CREATE TABLE members (seq INTEGER PRIMARY KEY AUTOINCREMENT, group_id TEXT NOT NULL, alert_id TEXT NOT NULL, "
        "told INTEGER NOT NULL, checksum BLOB, UNIQUE (group_id, alert_id))"
    ),
    "CREATE INDEX members_by_alert ON members (alert_id)",
    (
        "CREATE TABLE inhibitors (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, alert_id TEXT NOT NULL, "
        "checksum BLOB, UNIQUE (key, alert_id))"
    ),
    "CREATE INDEX inhibitors_by_alert ON inhibitors (alert_id)",
    (
        "CREATE TABLE silences (id TEXT PRIMARY KEY, account TEXT NOT NULL, content BLOB NOT NULL, end_ns INTEGER, "
        "checksum BLOB) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE transitions (seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, "
        "alert_id TEXT NOT NULL, log_offset INTEGER NOT NULL, kind TEXT NOT NULL, at_ns INTEGER NOT NULL, "
        "noted_ns INTEGER NOT NULL, muted TEXT, entry BLOB NOT NULL, note BLOB, checksum BLOB)"
    ),
    "CREATE INDEX transitions_of_account ON transitions (account, seq)",
    "CREATE INDEX transitions_of_alert ON transitions (alert_id)",
)
SCHEMA = (_ALERTS, _DELIVERIES, *_INDEXES, *_ROUTING)


def _add_checksums(db: sqlite3.Connection) -> None:
    add_checksums(db, ["positions", "alerts", "deliveries"])


def _add_routing(db: sqlite3.Connection) -> None:
    """Format 2 knew one alert a delivery, and told every receiver: those that heard of an alert hear of its end."""
    for name in ("alerts_by_status", "deliveries_due", "deliveries_queued_of_alert"):
        db.execute(f"DROP INDEX {name}")
    for table in ("alerts", "deliveries"):
        db.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    for statement in SCHEMA:
        db.execute(statement)
    for row in db.execute("SELECT * FROM former_alerts ORDER BY seq").fetchall():
        changed_ns = parse_rfc3339(orjson.loads(row["event"])["timestamp"])
        change = 1 if row["status"] == "firing" else 2
        db.execute(
            f"INSERT INTO alerts ({_ALERTS_3}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",  # noqa: S608  # names of ours
            (*tuple(row)[:10], change, changed_ns),
        )
    for row in db.execute(
        "SELECT d.*, a.table_name, a.zone FROM former_deliveries d LEFT JOIN alerts a ON a.id = d.alert_id ORDER BY 1"
    ).fetchall():
        entry = {
            "account": row["account"],
            "table": row["table_name"] or "",
            "zone": row["zone"],
            "event": orjson.loads(row["body"]),
        }
        content = orjson.dumps({"labels": None, "number": 1, "is_repeat": False, "alerts": [entry]})
        values = tuple(row)
        db.execute(
            f"INSERT INTO deliveries VALUES ({', '.join('?' * 14)})",  # noqa: S608  # question marks
            (*values[:5], content, *values[6:12], values[11], None),
        )
        if entry["event"]["data"]["status"] == "firing":
            _take_up_member(db, row)
    db.execute("DROP TABLE former_alerts")
    db.execute("DROP TABLE former_deliveries")
    seal_rows(db, ["alerts", "deliveries", "groups", "members"])


def _take_up_member(db: sqlite3.Connection, delivery: sqlite3.Row) -> None:
    found = db.execute(
        "SELECT account, table_name, zone, event FROM alerts WHERE id = ? AND status = 'firing'",
        (delivery["alert_id"],),
    ).fetchone()
    if found is None:
        return
    account, table, zone, event = found
    entry = {"account": account, "table": table, "zone": zone, "event": orjson.loads(event)}
    (target,) = plan_for(delivery["receiver"]).targets(delivery["alert_id"], labels_of(entry))
    queued_ns = delivery["queued_ns"]
    db.execute(
        "INSERT INTO groups VALUES (?, ?, ?, NULL, 0, 0, NULL, 1, ?, ?, NULL, 0, NULL)",
        (target.id, target.receiver, account, queued_ns, queued_ns),
    )
    db.execute(
        "INSERT INTO members (group_id, alert_id, told) VALUES (?, ?, 1)",
        (target.id, delivery["alert_id"]),
    )


def _add_heard(db: sqlite3.Connection) -> None:
    """Format 3 had a group for each receiver of an alert; what it left is read as it is."""
    db.execute("DROP INDEX alerts_by_status")
    db.execute("ALTER TABLE alerts RENAME TO former_alerts")
    db.execute(_ALERTS)
    db.execute(_ALERTS_BY_STATUS)
    db.execute(f"INSERT INTO alerts ({_ALERTS_3}) SELECT {_ALERTS_3} FROM former_alerts ORDER BY seq")  # noqa: S608  # as above
    db.execute("DROP TABLE former_alerts")
    seal_rows(db, ["alerts"])


STEPS: dict[int, Step] = {1: _add_checksums, 2: _add_routing, 3: _add_heard}
