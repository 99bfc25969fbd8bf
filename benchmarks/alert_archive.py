"""CPU of the archive per event of an alert that fires and of one that resolves, by routes and by alerts of a message.

    .venv/bin/python benchmarks/alert_archive.py [--alerts 5000]

Two receivers hear of every alert. Without routes each is told at once; with routes half of the alerts are grouped by
zone, and half are told on their own. A message has the alerts of one work batch, and is one transaction. The baseline
is SQLite in the same run: the rows of an alert, a transition and two deliveries, in tables with the archive's indexes,
inserted by `executemany` and committed as often.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import repository  # noqa: F401  # for tests.support

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.schema import SCHEMA
from pipeline.alerting.routing.plan import AlertPlan, plan_for
from tests.support.alert_entries import entry, plan

ROUTES = """
routes:
  - {matchers: [severity=critical], repeat_interval: 4h}
  - {matchers: ['rule=~"g/.*"'], group_by: [zone_name], group_wait: 30s}
"""
PLANS = {"no routes": plan_for("a", "b"), "routes": plan(ROUTES, "a", "b")}
ROUNDS = 3  # of which the best one counts
SIZES = (1, 10, 100, 1000)
"""Alerts of a message."""


def messages(alerts: int, size: int, status: str) -> list[list[Any]]:
    """The alerts, as so many messages of [alerts] have them."""
    severities = ("critical", "warning")
    made = [
        entry(f"{n:032x}", status, zone=f"z-{n // 100}", severity=severities[n % 2], team="growers")
        for n in range(alerts)
    ]
    return [made[start : start + size] for start in range(0, alerts, size)]


def cpu_us(alerts: int, work: Callable[[], None]) -> float:
    """CPU of `work` for each of the alerts."""
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) * 1e6 / alerts


def archive_us(folder: Path, of: AlertPlan, alerts: int, size: int) -> Iterator[float]:
    """Of an alert that fires, and of one that resolves."""
    archive = AlertArchive(folder / "alerts.sqlite")
    offset = 0
    for status in ("firing", "resolved"):
        made = messages(alerts, size, status)

        def take(made: Sequence[list[Any]] = made, offset: int = offset) -> None:
            for number, message in enumerate(made, offset):
                archive.accept("x/alerts/0", number, message, of, now_ns=10**18)

        yield cpu_us(alerts, take)
        offset += len(made)
    archive.close()


def baseline_us(folder: Path, alerts: int, size: int) -> float:
    """Of the rows of an alert that fires, in SQLite alone."""
    with closing(sqlite3.connect(folder / "baseline.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        for statement in SCHEMA:
            db.execute(statement)
        made = messages(alerts, size, "firing")
        return cpu_us(alerts, lambda: insert(db, made))


def insert(db: sqlite3.Connection, made: Sequence[list[Any]]) -> None:
    """The rows of these messages."""
    for offset, message in enumerate(made):
        db.execute("BEGIN")
        rows = [(each["event"]["data"]["id"], orjson.dumps(each)) for each in message]
        db.executemany(
            "INSERT INTO alerts VALUES (NULL, ?, 'default', 'a.b', 'z', 'g/TooHot', 'firing', '', ?, 1, 1, 1, NULL, "
            "NULL, NULL)",
            rows,
        )
        db.executemany(
            f"INSERT INTO transitions VALUES (NULL, 'default', ?, {offset}, 'firing', 1, 1, NULL, ?, NULL, NULL)",
            rows,
        )
        db.executemany(
            "INSERT INTO deliveries VALUES (NULL, ? || '.firing', ?, 'default', ?, ?, 'queued', 0, 1, 1, NULL, NULL, "
            "NULL, NULL)",
            [(name, name, receiver, content) for name, content in rows for receiver in ("a", "b")],
        )
        db.execute("COMMIT")


def rounds(of: AlertPlan, alerts: int, size: int) -> Iterator[tuple[float, float, float]]:
    """Of an alert that fires, of one that resolves, and of the baseline, by turns."""
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            yield *archive_us(Path(folder), of, alerts, size), baseline_us(Path(folder), alerts, size)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=5_000)
    alerts = parser.parse_args().alerts
    print(f"{'':10} {'alerts a message':>17} {'fires µs':>9} {'resolves µs':>12} {'SQLite alone µs':>16} {'times':>6}")
    for name, of in PLANS.items():
        for size in SIZES:
            fires, resolves, alone = (min(of_rounds) for of_rounds in zip(*rounds(of, alerts, size), strict=True))
            print(f"{name:10} {size:17} {fires:9.1f} {resolves:12.1f} {alone:16.1f} {fires / alone:6.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
