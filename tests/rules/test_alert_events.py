"""The event that tells of an alert is the webhook's documented body."""

from __future__ import annotations

import orjson
import pytest
from rule_feed import SECOND, START, Feed, rules_of

from rules import to_event
from store.values.times import rfc3339

RULE = """alert: TooHot, measure: temperature, range: {max: 32}, for: 2m, labels: {severity: warning},
          annotations: {summary: "{zone}: {value} °C on {sensor}", about: "{severity} {table} {account} {rule}"}"""


def test_an_event_has_the_documented_shape() -> None:
    feed = Feed(rules_of(RULE))
    fired, resolved = feed.engine.evaluate(feed.batch([("s-1", 0, 33), ("s-1", 125, 33.1), ("s-1", 130, 20)]))

    event = to_event(fired)

    assert orjson.loads(orjson.dumps(event)) == {
        "account": "default",
        "table": "agriculture.readings",
        "zone": "zone-s-1",
        "event": {
            "type": "alert.firing",
            "timestamp": rfc3339((START + 125) * SECOND),
            "data": {
                "id": fired.id,
                "rule": "g/TooHot",
                "status": "firing",
                "since": rfc3339(START * SECOND),
                "value": 33.1,
                "bounds": {"max": 32},
                "measure": "temperature",
                "dimensions": {"region": "s", "sensor": "s-1"},
                "labels": {"severity": "warning"},
                "annotations": {
                    "summary": "zone-s-1: 33.1 °C on s-1",
                    "about": "warning agriculture.readings default g/TooHot",
                },
            },
        },
    }
    told = to_event(resolved)["event"]
    assert (told["type"], told["data"]["id"], told["data"]["status"]) == ("alert.resolved", fired.id, "resolved")


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_795_428_125_000_000_000, "2026-11-23T10:02:05Z"),
        (1_795_428_125_250_000_000, "2026-11-23T10:02:05.25Z"),
        (1_795_428_125_000_000_001, "2026-11-23T10:02:05.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_are_rfc_3339_to_the_nanosecond(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


def test_an_alerts_id_is_the_same_in_every_process_and_version() -> None:
    feed = Feed(rules_of(RULE))

    (fired,) = feed.engine.evaluate(feed.batch([("s-1", 0, 33), ("s-1", 125, 33.1)]))

    assert fired.id == "cd55a65d4f52055e65cba74f732ce360"
