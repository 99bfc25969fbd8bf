"""`no_data`: what the absence of readings does to a rule."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rule_feed import START, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.files.parse import parse_rules
from rules.rule import RuleSet
from store.record import SeriesRegistry

HOT = "alert: A, measure: temperature, range: {max: 30}"


def fed(no_data: str, *rows: tuple[str, int, float]) -> Feed:
    """A feed whose gateway has listened since 0, and these rows."""
    feed = Feed(rules_of(f"{HOT}, no_data: {no_data}"))
    feed.tick(0, 0)
    for row in rows:
        feed.arrives(row[1], row)
    return feed


def told(found: Sequence[Transition]) -> list[tuple[str, str | None, float | None]]:
    return [(str(one.status), None if one.reason is None else str(one.reason), one.value) for one in found]


def test_by_default_a_firing_alert_stays() -> None:
    feed = fed("keep", ("s1", 0, 31.0))

    assert feed.ticks(1_000) == []
    assert feed.phases() == [("s1", "g/A", "FIRING")]


@pytest.mark.parametrize(("second", "expected"), [(59, []), (60, ["resolved"]), (61, ["resolved"])])
def test_an_alert_without_readings_resolves_once_they_are_absent_for_so_long(second: int, expected: list[str]) -> None:
    feed = fed("{then: resolve, after: 1m}", ("s1", 0, 31.0))

    assert [status for _, status, _, _ in feed.ticks(second)] == expected


def test_five_minutes_is_how_long_without_a_word() -> None:
    feed = fed("resolve", ("s1", 0, 31.0))

    assert feed.ticks(299) == []
    assert feed.ticks(300) == [("s1", "resolved", 300, None)]
    assert told(feed.transitions) == [("resolved", "no_data", None)]
    assert feed.phases() == []


def test_what_is_pending_begins_again_after_an_absence() -> None:
    feed = Feed(rules_of(f"{HOT}, for: 2m, no_data: {{then: resolve, after: 1m}}"))
    feed.tick(0, 0)
    feed.arrives(0, ("s1", 0, 31.0))
    feed.ticks(100)

    assert feed.arrives(150, ("s1", 150, 31.0)) == []
    feed.ticks(151)
    assert feed.arrives(200, ("s1", 200, 31.0)) == []
    assert feed.arrives(255, ("s1", 255, 31.0)) == []
    assert feed.arrives(270, ("s1", 270, 31.0)) == [("s1", "firing", 270, 31.0)]


def test_absence_is_an_alert_of_its_own_until_readings_come() -> None:
    feed = fed("{then: alert, after: 1m}", ("s1", 0, 20.0), ("s2", 30, 20.0))

    assert feed.ticks(60) == [("s1", "firing", 60, None)]
    (fired,) = feed.transitions
    assert (fired.since_ns // 10**9 - START, dict(fired.bounds), fired.reason) == (0, {}, "no_data")
    assert feed.ticks(61, 62) == [], "once"

    assert feed.arrives(63, ("s1", 63, 20.0)) == [("s1", "resolved", 63, None)]
    assert feed.ticks(90) == [("s2", "firing", 90, None)]
    assert feed.ticks(123) == [("s1", "firing", 123, None)]
    assert feed.transitions[0].id != fired.id


def test_a_late_reading_is_one_too() -> None:
    feed = fed("{then: alert, after: 1m}", ("s1", 0, 20.0))
    feed.ticks(60)

    assert feed.arrives(61, ("s1", -5, 99.0)) == [("s1", "resolved", 61, None)]


def test_readings_that_come_again_beyond_the_bounds_are_another_alert() -> None:
    feed = fed("{then: alert, after: 1m}", ("s1", 0, 20.0))
    (_, absent, *_), found = feed.ticks(60)[0], feed.arrives(61, ("s1", 61, 40.0))

    assert (absent, found) == ("firing", [("s1", "resolved", 61, None), ("s1", "firing", 61, 40.0)])


def test_what_fires_already_is_not_told_twice() -> None:
    feed = fed("{then: alert, after: 1m}", ("s1", 0, 31.0))

    assert feed.ticks(100) == []
    assert feed.arrives(101, ("s1", 101, 20.0)) == [("s1", "resolved", 101, 20.0)]


def test_time_in_which_we_did_not_listen_is_not_absence() -> None:
    feed = fed("{then: alert, after: 1m}", ("s1", 0, 20.0))
    feed.ticks(30)
    feed.tick(1_000, 1_029)

    assert feed.transitions == []
    assert [status for _, status, _, _ in feed.ticks(1_030)] == ["firing"]


def test_a_series_that_was_never_heard_is_not_absent() -> None:
    feed = fed("{then: alert, after: 1m}")

    assert feed.ticks(1_000) == []


def test_other_series_than_those_of_the_rule_are_none_of_its_business() -> None:
    feed = Feed(rules_of(f"{HOT}, where: {{sensor: s2}}, no_data: {{then: alert, after: 1m}}"))
    feed.tick(0, 0)
    feed.arrives(0, ("s1", 0, 20.0), ("s2", 0, 20.0))

    assert feed.ticks(60) == [("s2", "firing", 60, None)]


def test_of_several_measures_each_has_to_come() -> None:
    feed = Feed(rules_of("alert: A, expression: {of: x + y, max: 9}, no_data: {then: alert, after: 1m}"))
    feed.tick(0, 0)
    for measure, second in (("x", 0), ("y", 0), ("x", 50)):
        feed.ticks(second)
        feed.engine.evaluate(feed.batch([("s1", second, 1.0)], measure))

    assert feed.ticks(60) == [("s1", "firing", 60, None)]
    assert feed.engine.evaluate(feed.batch([("s1", 61, 1.0)], "x")) == []
    (over,) = feed.engine.evaluate(feed.batch([("s1", 62, 1.0)], "y"))
    assert (str(over.status), over.reason) == ("resolved", "no_data")


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [
        ("zone: {of: average, over: 10s, max: 30}", ["zone zone-s1"]),
        ("peers: {over: 10s, max: 3}", ["s1", "zone zone-s1"]),
        ("count: {over: 10s, by: region, max: 9}", ["zone None"]),
    ],
)
def test_a_subject_of_any_kind_may_have_no_data(kind: str, subjects: list[str]) -> None:
    feed = Feed(rules_of(f"alert: A, measure: temperature, {kind}, no_data: {{then: alert, after: 1m}}"))
    feed.tick(0, 0)
    feed.arrives(0, ("s1", 0, 20.0))

    assert sorted(sensor for sensor, *_ in feed.ticks(60)) == subjects
    assert sorted(sensor for sensor, *_ in feed.arrives(61, ("s1", 61, 20.0))) == subjects


def test_absence_is_at_the_most_severe_level() -> None:
    levels = "warning: {max: 30}, critical: {max: 40}"
    feed = Feed(rules_of(f"alert: A, measure: temperature, range: {{{levels}}}, no_data: {{then: alert, after: 1m}}"))
    feed.tick(0, 0)
    feed.arrives(0, ("s1", 0, 20.0))
    feed.ticks(60)

    assert [one.labels for one in feed.transitions] == [{"severity": "critical"}]


@pytest.mark.parametrize("then", ["resolve", "alert"])
def test_it_survives_a_restart_and_ends_with_its_rule(then: str) -> None:
    feed = fed(f"{{then: {then}, after: 1m}}", ("s1", 0, 20.0), ("s2", 20, 31.0))
    feed.ticks(70)
    (*fired,) = feed.transitions
    data = feed.engine.snapshot(TABLE)
    registry = SeriesRegistry()
    registry.of(TABLE).id_of(feed.key("s9"))  # ids differ from process to process
    rules = rules_of(f"{HOT}, no_data: {{then: {then}, after: 1m}}")
    feed.engine, before = Engine(rules, registry), feed.engine
    assert feed.engine.restore(TABLE, data) == []

    assert feed.ticks(80) == ([("s2", "resolved", 80, None)] if then == "resolve" else [])
    ended, _ = before.replace(RuleSet(), STREAM, 1 << 40)
    removed = {one.id for one in ended if one.reason == "rule_removed"}
    assert {one.id for one in fired} <= removed
    assert len(removed) == (2 if then == "alert" else 1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("range: {max: 1}, no_data: ok", "`no_data` of rule A must be keep or resolve or alert, is 'ok'"),
        ("range: {max: 1}, no_data: {after: 1m}", "`no_data` of rule A lacks `then`"),
        (
            "range: {max: 1}, no_data: {then: alert, after: 0s}",
            "`after` of `no_data` of rule A must be longer than nothing",
        ),
        ("missing: {after: 1m}, no_data: alert", "`no_data` of rule A does not go with `missing`"),
    ],
)
def test_what_is_wrong_is_told(body: str, problem: str) -> None:
    text = f"groups: [{{name: g, table: a.b, rules: [{{alert: A, measure: t, {body}}}]}}]"

    _, problems = parse_rules(text, "r.yaml")

    assert [found.message for found in problems] == [problem]


def test_a_rule_without_it_keeps_its_definition_and_so_its_state() -> None:
    without, with_it = rules_of(HOT).rules[0], rules_of(f"{HOT}, no_data: resolve").rules[0]

    assert without.definition == "7677c198be721272252500fceccdc121"
    assert with_it.definition != without.definition


def test_an_alert_that_fires_as_readings_become_absent_is_told_to_fire_first() -> None:
    """At the tick at which the last event leaves the window of `count`; a rule that is composed of it hears both."""
    rare = "alert: Rare, measure: temperature, count: {over: 2s, by: sensor, min: 1}"
    resolve = "no_data: {then: resolve, after: 2s}"
    feed = Feed(rules_of(HOT, f"{rare}, {resolve}", "alert: Both, composite: {of: A and Rare}"))
    feed.tick(0, 0)
    feed.arrives(0, ("s1", 0, 31.0))

    assert feed.ticks(1) == []
    feed.ticks(2)

    rare_told = told([one for one in feed.transitions if one.rule == "g/Rare"])
    assert rare_told == [("firing", None, 0.0), ("resolved", "no_data", None)]
    assert feed.phases() == [("s1", "g/A", "FIRING")]
