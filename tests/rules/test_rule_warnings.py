"""A rule that may never fire gets a warning with the reason and the nearest name; one that can is not."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from rule_feed import SECOND, START, TABLE, Feed, rules_of

from rules import Seen, Work, table_warnings, warnings_of
from store.record import MeasureType

SEEN = Seen(
    TABLE,
    {"temperature": MeasureType.DOUBLE, "state": MeasureType.VARCHAR, "on": MeasureType.BOOLEAN},
    frozenset({"climate"}),
    {"sensor": frozenset({"s1", "s2"}), "region": frozenset({"eu-west"}), "serial": None},
)
SEEN_A = Seen(TABLE, {"temperature": MeasureType.DOUBLE}, frozenset({"climate"}), {"sensor": frozenset({"a", "b"})})
SINGLE = Seen(TABLE, {"measure_value::double": MeasureType.DOUBLE}, frozenset({"cpu", "memory"}), {})


@pytest.mark.parametrize(
    ("body", "seen", "told"),
    [
        ("measure: temperature", SEEN, None),
        ("measure: temperature, where: {sensor: [s1, s2], serial: x, account: other}", SEEN, None),
        ("measure: cpu", SINGLE, None),
        ("measure: temprature", SEEN, "has had the measure temprature; did you mean temperature?"),
        ("measure: xyz", SEEN, "has had the measure xyz; it has on, state, temperature"),
        ("measure: cpus", SINGLE, "has had the measure cpus; did you mean cpu?"),
        ("measure: state", SEEN, "is varchar, and only numbers are judged"),
        ("measure: 'on'", SEEN, "is boolean, and only numbers are judged"),
        ("measure: temperature, where: {regoin: eu-west}", SEEN, "has the dimension regoin; did you mean region?"),
        ("measure: temperature, where: {region: [eu-west, eu-wst]}", SEEN, "region has never been eu-wst"),
    ],
)
def test_what_a_rule_names_is_compared_with_what_was_seen(body: str, seen: Seen, told: str | None) -> None:
    (rule,) = rules_of(f"alert: A, range: {{max: 1}}, {body}").rules

    found = [warning.text for warning in warnings_of(rule, seen)]

    assert found == [] if told is None else len(found) == 1 and told in found[0]


@pytest.mark.parametrize(
    ("kind", "is_told"),
    [
        ("detector: {}", True),
        ("peers: {over: 1m, max: 3}", True),
        ("zone: {of: average, over: 1m, max: 3}", True),
        ("range: {max: 1}", False),
    ],
)
def test_a_kind_that_judges_zones_is_told_that_no_series_is_in_one(kind: str, is_told: bool) -> None:
    (rule,) = rules_of(f"alert: A, measure: temperature, {kind}").rules

    found = [str(warning.kind) for warning in warnings_of(rule, replace(SEEN, has_zones=False))]

    assert found == (["zone"] if is_told else [])
    assert warnings_of(rule, SEEN) == []


def test_a_table_that_nobody_has_is_told_with_the_nearest() -> None:
    (rule,) = rules_of("alert: A, measure: t, range: {max: 1}").rules

    assert table_warnings(rule, {"agriculture.readings"}) == []
    assert "did you mean agriculture.reading?" in table_warnings(rule, {"agriculture.reading", "x.y"})[0].text


@pytest.mark.parametrize(("interval", "is_warned"), [(599, False), (600, False), (601, True)])
def test_a_rate_whose_per_is_shorter_than_a_tenth_of_the_interval_is_told(interval: int, is_warned: bool) -> None:
    feed = Feed(rules_of("alert: Fast, measure: temperature, rate_of_change: {max: 1, per: 1m}"))
    for place in range(3):
        feed.send(("a", place * interval, 1))

    ((_, rule, work, *_),) = feed.engine.work(START * SECOND)

    assert work == (Work(too_wide=2) if is_warned else Work(judged=2))
    assert [str(warning.kind) for warning in warnings_of(rule, SEEN, work)] == (["per"] if is_warned else [])


@pytest.mark.parametrize(("seconds", "waiting"), [(64, 0), (65, 0), (66, 1)])
def test_a_signal_that_is_pending_and_silent_is_told(seconds: int, waiting: int) -> None:
    """As one is that reports only changes: a minute beyond `for`."""
    feed = Feed(rules_of("alert: Open, measure: temperature, range: {max: 0}, for: 5s"))
    feed.send(("a", 0, 1), ("b", 0, 0))

    ((_, rule, work, pending, firing),) = feed.engine.work((START + seconds) * SECOND)

    assert (work.waiting, pending, firing) == (waiting, 1, 0)
    assert [str(warning.kind) for warning in warnings_of(rule, SEEN, work)] == (["for"] if waiting else [])


def test_values_that_are_no_numbers_are_counted_and_told_for_the_series_of_the_rule() -> None:
    feed = Feed(rules_of("alert: A, measure: temperature, range: {max: 1}, where: {sensor: a}"))
    feed.send(("a", 0, 0.5))
    texts = replace(
        feed.batch([("a", 1, None), ("a", 2, None), ("b", 1, None)]),
        measures={"temperature": pa.array(["hot", None, "hot"])},
        types={"temperature": MeasureType.VARCHAR},
    )

    assert feed.engine.evaluate(texts) == []
    ((_, rule, work, *_),) = feed.engine.work(START * SECOND)
    assert work.not_numbers == 1
    (warning,) = warnings_of(rule, SEEN_A, work)
    assert (
        warning.text
        == f"values of the measure temperature of {TABLE} that were not numbers: 1; only numbers are judged"
    )


def test_single_measure_records_of_text_are_counted_by_their_measure_name() -> None:
    feed = Feed(rules_of("alert: A, measure: climate, range: {max: 1}", "alert: B, measure: cpu, range: {max: 1}"))
    texts = feed.batch([("a", 0, None), ("b", 0, None)], "measure_value::varchar", MeasureType.VARCHAR)
    texts = replace(texts, measures={"measure_value::varchar": pa.array(["hot", "cold"])})

    feed.engine.evaluate(texts)

    assert {rule.alert: work.not_numbers for _, rule, work, *_ in feed.engine.work(0)} == {"A": 2, "B": 0}
