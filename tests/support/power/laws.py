"""What must be true of a product that starts on a disk that lost its power, given what was promised before.

Everything acknowledged is there, once, and nothing else but what was on its way; tables, dead letters, alerts,
deliveries and averages are those that follow from the messages in the log.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from pipeline.base.errors import ServerRefused
from pipeline.operations.client import Client
from store.values.times import rfc3339
from tests.support.power.load import CONNECTIONS, DATABASE, RULE_MAX, TABLE, Message, Promises

Rows = dict[tuple[int, int, int], dict[str, float]]


def broken(client: Client, promises: Promises) -> list[str]:
    """The broken laws, in words; the product has caught up with its log."""
    return [f"{law}: {what}" for law, what in _found(client, promises)]


def _found(client: Client, promises: Promises) -> Iterator[tuple[str, object]]:
    stored = _stored(client)
    yield from (("stored twice", key) for key, count in stored.times.items() if count > 1)
    dead = _dead(client)
    yield from (("dead letter twice", key) for key, count in dead.items() if count > promises.times_sent[key])
    messages = [
        message
        for connection in range(CONNECTIONS)
        for message in promises.messages(connection, _count(connection, stored.rows, dead, promises))
    ]
    expected = _rows_of(messages)
    yield from _differences("row", expected, stored.rows)
    yield from _differences("dead letter", {(m.connection, m.number) for m in messages if m.is_dead}, set(dead))
    alerts = _alerts_of(messages)
    yield from _differences("alert", alerts, _alerts(client))
    yield from _differences("delivery", _deliveries_of(alerts), _deliveries(client))
    yield from _differences("average", _averages_of(expected), _averages(client, promises, expected))
    yield from _tables(client, promises)


def in_log(client: Client, promises: Promises) -> dict[int, int]:
    """How many messages of each connection are in the log."""
    stored, dead = _stored(client), _dead(client)
    return {connection: _count(connection, stored.rows, dead, promises) for connection in range(CONNECTIONS)}


def _count(connection: int, rows: Rows, dead: Counter[tuple[int, int]], promises: Promises) -> int:
    """How many messages of a connection are in the log, by what is seen of them; at least those acknowledged."""
    numbers = {
        int(n)
        for key, row in rows.items()
        if key[0] == connection
        for n in (row.get("id"), row.get("corrected"))
        if n is not None
    }
    numbers |= {number for of, number in dead if of == connection}
    return max(max(numbers, default=-1) + 1, promises.acked.get(connection, 0))


def _differences(what: str, expected: Any, found: Any) -> Iterator[tuple[str, object]]:
    if expected == found:
        return
    if isinstance(expected, dict):
        wrong = {
            key: (expected[key], found[key]) for key in expected.keys() & found.keys() if expected[key] != found[key]
        }
        if wrong:
            yield f"{what} differs ({len(wrong)}; expected, found)", sorted(wrong.items())[:3]
        expected, found = expected.keys(), found.keys()
    if missing := expected - found:
        yield f"{what} lost ({len(missing)} of {len(expected)})", sorted(missing)[:3]
    if more := found - expected:
        yield f"{what} that should not be ({len(more)})", sorted(more)[:3]


# What follows from the messages


def _rows_of(messages: list[Message]) -> Rows:
    rows: Rows = defaultdict(dict)
    for message in messages:
        if not message.is_dead:
            rows[message.key] |= message.measures
    return dict(rows)


def _alerts_of(messages: list[Message]) -> dict[tuple[str, str], str]:
    """Site/sensor and onset of each alert, and its status."""
    alerts: dict[tuple[str, str], str] = {}
    firing: dict[str, str] = {}
    for message in messages:
        if message.is_dead or message.is_correction:
            continue
        sensor = f"{message.connection}/{message.sensor}"
        if message.value > RULE_MAX and sensor not in firing:
            firing[sensor] = rfc3339(message.ts_ms * 1_000_000)
            alerts[sensor, firing[sensor]] = "firing"
        elif message.value <= RULE_MAX and sensor in firing:
            alerts[sensor, firing.pop(sensor)] = "resolved"
    return alerts


def _deliveries_of(alerts: dict[tuple[str, str], str]) -> Counter[str]:
    statuses = Counter(alerts.values())
    return Counter({"firing": len(alerts), "resolved": statuses["resolved"]}) + Counter()


def _averages_of(rows: Rows) -> dict[str, tuple[float, float, float, int]]:
    values: dict[str, list[float]] = defaultdict(list)
    for (site, _, _), row in rows.items():
        if "value" in row:
            values[str(site)].append(row["value"])
    return {site: (sum(of) / len(of), min(of), max(of), len(of)) for site, of in values.items()}


# What the product answers


class _Stored:
    def __init__(self) -> None:
        self.rows: Rows = {}
        self.times: Counter[tuple[int, int, int]] = Counter()


def _sql(client: Client, sql: str) -> list[list[Any]]:
    found: list[list[Any]] = client.post("v1", "query", body={"sql": sql}).json()["rows"]
    return found


def _stored(client: Client) -> _Stored:
    stored = _Stored()
    columns = {row[0] for row in _sql(client, f'DESCRIBE "{DATABASE}"."{TABLE}"')} if _exists(client) else set()
    if {"id", "value"} <= columns:
        corrected = "corrected" if "corrected" in columns else "CAST(NULL AS double)"
        sql = f'SELECT site, sensor, to_milliseconds(time), id, value, {corrected} FROM "{DATABASE}"."{TABLE}"'
        for site, sensor, ts_ms, *measures in _sql(client, sql):
            key = int(site), int(sensor), int(ts_ms)
            stored.times[key] += 1
            named = zip(("id", "value", "corrected"), measures, strict=True)
            stored.rows[key] = {name: float(value) for name, value in named if value is not None}
    return stored


def _exists(client: Client) -> bool:
    databases = [row[0] for row in _sql(client, "SHOW DATABASES")]
    return DATABASE in databases and [TABLE] in [row[:1] for row in _sql(client, f'SHOW TABLES FROM "{DATABASE}"')]


def _pages(client: Client, *path: str, of: str) -> Iterator[dict[str, Any]]:
    before: list[tuple[str, str]] = []
    while True:
        page = client.get(*path, parameters=[("limit", "1000"), *before])
        yield from page[of]
        if page["next"] is None:
            return
        before = [("before", str(page["next"]))]


def _dead(client: Client) -> Counter[tuple[int, int]]:
    found = re.compile(r'{"(?:dead": |.*"(?:id|corrected)": )(\d+)')  # also a reading, which should not be one
    return Counter(
        (int(letter["mqtt_topic"].split("/")[1]), int(found.findall(letter["payload"])[0]))
        for letter in _pages(client, "v1", "dead-letters", of="dead_letters")
    )


def _alerts(client: Client) -> dict[tuple[str, str], str]:
    alerts: dict[tuple[str, str], str] = {}
    for alert in _pages(client, "v1", "alerts", of="alerts"):
        key = f"{alert['dimensions']['site']}/{alert['dimensions']['sensor']}", alert["since"]
        alerts[key] = f"{alerts[key]} and {alert['status']}" if key in alerts else alert["status"]
    return alerts


def _deliveries(client: Client) -> Counter[str]:
    return Counter(
        found["id"].rpartition(".")[2] for found in _pages(client, "v1", "alerts", "deliveries", of="deliveries")
    )


def _averages(client: Client, promises: Promises, rows: Rows) -> dict[str, tuple[float, float, float, int]]:
    sites = sorted({str(site) for site, _, _ in rows})
    if not sites:
        return {}
    first, last = min(ts for *_, ts in rows), max(ts for *_, ts in rows)
    asked = [("measure", "value"), ("from", rfc3339(first * 1_000_000)), ("to", rfc3339((last + 1) * 1_000_000))]
    try:
        answer = client.get("v1", "averages", parameters=[*(("zone", site) for site in sites), *asked])
    except ServerRefused:  # a zone is missing
        return {}
    return {
        result["zone"]: (found["average"], found["min"], found["max"], found["count"])
        for result in answer["results"]
        for found in result["averages"]
    }


def _churned(client: Client, name: str) -> Counter[tuple[str, float]]:
    try:
        return Counter(
            (n, value) for n, value in _sql(client, f'SELECT n, measure_value::double FROM "churn"."{name}"')
        )
    except ServerRefused:  # without rows it has no columns
        return Counter()


def _tables(client: Client, promises: Promises) -> Iterator[tuple[str, object]]:
    databases = [row[0] for row in _sql(client, "SHOW DATABASES")]
    there = {row[0] for row in _sql(client, 'SHOW TABLES FROM "churn"')} if "churn" in databases else set()
    for name, table in promises.tables.items():
        if table.exists is not None and table.exists != (name in there):
            yield ("table lost" if table.exists else "deleted table is back"), name
        if name not in there or (not table.written and not table.maybe):
            continue
        rows = _churned(client, name)
        yield from ((f"row of {name} twice", row) for row, count in rows.items() if count > 1)
        steps = Counter(int(value) for _, value in rows)
        yield from ((f"rows of {name} lost", step) for step in sorted(table.written) if steps[step] != 3)
        yield from (
            (f"rows of {name} that should not be", step) for step in steps if step not in table.written | table.maybe
        )
