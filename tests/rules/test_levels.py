"""Levels of severity, and for how long something must be so before an alert fires, changes or resolves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rule_feed import SECOND, START, TABLE, Feed, rules_of

LEVELS = """alert: Hot, measure: temperature,
            range: {warning: {max: 32, clear: {max: 30}, for: 1m}, critical: {max: 40}},
            labels: {team: growers}, annotations: {s: "{severity} {value}"}"""


def told(feed: Feed, *rows: tuple[str, int, float]) -> list[tuple[str, str, int, float, Mapping[str, Any]]]:
    """(status, severity, seconds, value, bounds) of each transition."""
    return [
        (str(one.status), one.labels["severity"], one.time_ns // SECOND - START, one.value, dict(one.bounds))
        for one in feed.engine.evaluate(feed.batch(rows))
    ]


def test_an_alert_changes_its_level_and_keeps_its_id() -> None:
    feed = Feed(rules_of(LEVELS))
    rows = [("a", 0, 33), ("a", 60, 34), ("a", 70, 41), ("a", 80, 42), ("a", 90, 39), ("a", 100, 29)]

    transitions = feed.engine.evaluate(feed.batch(rows))

    assert [(str(one.status), one.labels["severity"], one.annotations["s"]) for one in transitions] == [
        ("firing", "warning", "warning 34"),
        ("firing", "critical", "critical 41"),
        ("firing", "warning", "warning 39"),
        ("resolved", "warning", "warning 29"),
    ]
    assert {(one.id, one.since_ns) for one in transitions} == {(transitions[0].id, START * SECOND)}
    assert [dict(one.bounds) for one in transitions] == [{"max": 32}, {"max": 40}, {"max": 32}, {"max": 32}]


@pytest.mark.parametrize(("value", "level"), [(39.9, None), (40, None), (40.1, "critical")])
def test_a_more_severe_level_fires_beyond_its_own_bound(value: float, level: str | None) -> None:
    """Also while the milder one still waits."""
    found = told(Feed(rules_of(LEVELS)), ("a", 0, value))

    assert [severity for _, severity, *_ in found] == ([level] if level else [])


def test_an_alert_at_a_level_is_the_same_after_a_restart() -> None:
    feed = Feed(rules_of(LEVELS))
    feed.send(("a", 0, 33), ("a", 60, 34), ("a", 70, 41))
    data = feed.engine.snapshot(TABLE)

    after = Feed(rules_of(LEVELS))
    after.offset = feed.offset
    after.engine.restore(TABLE, data)
    (ended,) = Feed(rules_of(LEVELS.replace("40", "41"))).engine.restore(TABLE, data)

    assert told(after, ("a", 80, 39)) == [("firing", "warning", 80, 39, {"max": 32})]
    assert (ended.reason, ended.labels["severity"], dict(ended.bounds)) == ("rule_changed", "critical", {"max": 40})


SAMPLES = "alert: Hot, measure: temperature, range: {max: 32}, for: 3 samples"


@pytest.mark.parametrize(("samples", "fires"), [(2, False), (3, True), (4, True)])
def test_for_may_count_successive_samples(samples: int, fires: bool) -> None:
    feed = Feed(rules_of(SAMPLES))

    found = feed.send(*(("a", second, 33) for second in range(samples)))

    assert found == ([("a", "firing", 2, 33)] if fires else [])


def test_a_sample_within_the_bounds_begins_the_count_anew() -> None:
    feed = Feed(rules_of(SAMPLES))

    assert feed.send(*(("a", second, value) for second, value in enumerate([33, 33, 30, 33, 33]))) == []
    assert feed.send(("a", 5, 33)) == [("a", "firing", 5, 33)]


RECOVERS = "alert: Hot, measure: temperature, range: {max: 32}, clear: {max: 30}, clear_for: 1m"


@pytest.mark.parametrize(("seconds", "resolves"), [(69, False), (70, True), (71, True)])
def test_clear_for_is_how_long_values_must_be_inside_clear(seconds: int, resolves: bool) -> None:
    feed = Feed(rules_of(RECOVERS))
    feed.send(("a", 0, 33), ("a", 5, 29), ("a", 8, 31), ("a", 10, 29))

    assert feed.send(("a", seconds, 30)) == ([("a", "resolved", seconds, 30)] if resolves else [])


@pytest.mark.parametrize(("seconds", "resolves"), [(69, False), (70, True), (71, True)])
def test_keep_firing_for_is_counted_from_the_first_value_within_the_bounds(seconds: int, resolves: bool) -> None:
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}, clear: {max: 30}, keep_firing_for: 1m"))
    feed.send(("a", 0, 33), ("a", 5, 31), ("a", 8, 33), ("a", 10, 31))

    assert feed.send(("a", seconds, 30)) == ([("a", "resolved", seconds, 30)] if resolves else [])


@pytest.mark.parametrize(("second_firing", "damped"), [(99, True), (100, True), (101, False)])
def test_a_subject_that_fired_often_enough_resolves_only_after_a_quiet_time(second_firing: int, damped: bool) -> None:
    """The window of a flapping alert is open at its beginning: 100 s later counts, for it lasted less than that."""
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}, flapping: {fires: 2, within: 100s}"))
    feed.send(("a", 1, 33), ("a", 2, 30), ("a", second_firing, 33))
    flapping = sum(done.flapping for _, _, done, _, _ in feed.engine.work(0))

    found = feed.send(("a", 110, 30), ("a", 209, 30), ("a", 210, 30))

    assert found == [("a", "resolved", 210 if damped else 110, 30)]
    assert flapping == damped
